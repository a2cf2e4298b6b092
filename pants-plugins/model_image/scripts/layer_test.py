from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from model_image.scripts.layer import compile_all, leave_out, pack, patterns

PLACE = "opt/datascience/first_party"
# Python orders a constant set by its hashes, and merges two that happen to be in one order.
SETS = """\
def one(x):
    return x in {"amg", "arpack", "lobpcg", "dense", "umfpack", "cg"}
def two(x):
    return x in {"amg", "arpack", "lobpcg", "dense", "umfpack", "cg"}
"""


def fill(folder: Path, names: list[str], *, seconds: int) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {name}\n")
        os.utime(path, (seconds, seconds))
    (folder / "run.sh").write_text("")
    (folder / "run.sh").chmod(0o700)
    (folder / "link").symlink_to("run.sh")
    return folder


def test_the_same_files_make_the_same_bytes(tmp_path: Path) -> None:
    names = ["b/two.py", "a/one.py", "top.py"]
    one = fill(tmp_path / "here", names, seconds=1_000_000_000)
    two = fill(tmp_path / "there" / "deep", names[::-1], seconds=1_700_000_000)
    for number, folder in enumerate((one, two)):
        pack(folder, PLACE, tmp_path / f"{number}.tar")
    assert (tmp_path / "0.tar").read_bytes() == (tmp_path / "1.tar").read_bytes()


def test_a_layer_tells_nothing_of_who_made_it(tmp_path: Path) -> None:
    folder = fill(tmp_path / "folder", ["a/one.py"], seconds=1_000_000_000)
    pack(folder, PLACE, tmp_path / "layer.tar")
    with tarfile.open(tmp_path / "layer.tar") as layer:
        members = {member.name: member for member in layer}
    assert list(members) == [
        "opt",
        "opt/datascience",
        PLACE,
        f"{PLACE}/a",
        f"{PLACE}/a/one.py",
        f"{PLACE}/link",
        f"{PLACE}/run.sh",
    ]
    assert {(member.uid, member.gid, member.uname) for member in members.values()} == {(0, 0, "")}
    assert len({member.mtime for member in members.values()}) == 1
    assert members[f"{PLACE}/a/one.py"].mode == 0o644
    assert members[f"{PLACE}/run.sh"].mode == 0o755
    assert members[f"{PLACE}/link"].linkname == "run.sh"


def test_what_is_listed_is_left_out(tmp_path: Path) -> None:
    names = ["bin/tool", "a/tests/test_a.py", "a/b/tests/test_b.py", "a/b/c.pyi", "a/b/c.py"]
    folder = fill(tmp_path / "folder", names, seconds=1)
    globs = patterns("# Comment\n\nbin  # commands\n**/tests\n**/*.pyi\nnot/there\n")
    assert globs == ["bin", "**/tests", "**/*.pyi", "not/there"]
    leave_out(folder, globs)
    left = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert left == {"a/b/c.py", "link", "run.sh"}


@pytest.mark.parametrize("number", range(4))
def test_byte_code_does_not_depend_on_the_hash_seed(
    tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    for seed in (number, number + 100):
        folder = tmp_path / str(seed)
        folder.mkdir()
        (folder / "sets.py").write_text(SETS)
        (folder / "broken.py").write_text("def (:\n")
        monkeypatch.setenv("PYTHONHASHSEED", str(seed))
        compile_all(folder, PLACE)
        (code,) = folder.glob("__pycache__/*.pyc")
        made.append(code.read_bytes())
    assert made[0] == made[1]
    assert f"/{PLACE}/sets.py".encode() in made[0]
    # PEP 552: valid by the hash of the source, which nobody compares.
    assert int.from_bytes(made[0][4:8], "little") == 0b01


def test_the_index_lists_tasks_without_importing_them(tmp_path: Path) -> None:
    index = Path(__file__).parents[1] / "index"
    (tmp_path / "tasks").mkdir()
    for file in index.glob("*.py"):
        (tmp_path / "tasks" / file.name).write_text(file.read_text())
    (tmp_path / "tasks" / "tasks.txt").write_text("predict\ntrain")
    (tmp_path / "predict.py").write_text('"""Predict.\n\nMore."""\nraise SystemExit("imported")\n')
    (tmp_path / "train.py").write_text("")
    done = subprocess.run(
        [sys.executable, "-m", "tasks"],
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    assert "\n  predict  Predict.\n  train\n" in done.stdout


def test_a_bill_of_materials_names_each_package(tmp_path: Path) -> None:
    components = tmp_path / "components.json"
    parts = [
        {"name": "numpy", "version": "2.5.5", "licence": "BSD-3-Clause AND MIT"},
        {"name": "odd", "version": "1", "licence": "Some words of its own"},
    ]
    components.write_text(json.dumps(parts))
    sbom = str(Path(__file__).with_name("sbom.py"))
    command = [sys.executable, sbom, f"--components={components}"]
    command += ["--name=models/iris", "--version=content-1", "--revision=abc", "--created=0"]
    command += ["--base=base", "--base-identity=1"]
    bills = []
    for name in ("one.json", "two.json"):
        environment = {"PYTHONPATH": os.pathsep.join(sys.path)}
        subprocess.run([*command, f"--output={tmp_path / name}"], check=True, env=environment)
        bills.append((tmp_path / name).read_text())
    assert bills[0] == bills[1]
    bill = json.loads(bills[0])
    urls = {part.get("purl") for part in bill["components"]}
    assert urls == {None, "pkg:pypi/numpy@2.5.5", "pkg:pypi/odd@1"}
