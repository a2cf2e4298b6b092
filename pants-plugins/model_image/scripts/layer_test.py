from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from model_image.scripts.layer import compile_all, describe, leave_out, pack, patterns, unpack

PLACE = "opt/datascience/first_party"
# Python orders a constant set by its hashes, and merges two sets with the same order.
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


def test_a_umask_changes_nothing(tmp_path: Path) -> None:
    for umask in (0o022, 0o077):
        before = os.umask(umask)
        try:
            folder = fill(tmp_path / f"{umask:o}", ["a/one.py"], seconds=1)
        finally:
            os.umask(before)
        pack(folder, PLACE, tmp_path / f"{umask:o}.tar")
    modes = {stat.S_IMODE((tmp_path / name / "a/one.py").stat().st_mode) for name in ("22", "77")}
    assert modes == {0o644, 0o600}
    assert (tmp_path / "22.tar").read_bytes() == (tmp_path / "77.tar").read_bytes()


def test_a_link_to_a_folder_stays_a_link(tmp_path: Path) -> None:
    folder = fill(tmp_path / "folder", ["a/one.py"], seconds=1)
    (folder / "b").symlink_to("a")
    (folder / "nowhere").symlink_to("not/there")
    pack(folder, "place", tmp_path / "layer.tar")
    with tarfile.open(tmp_path / "layer.tar") as layer:
        links = {member.name: member.linkname for member in layer if member.issym()}
        names = layer.getnames()
    assert links == {"place/b": "a", "place/link": "run.sh", "place/nowhere": "not/there"}
    assert names == [
        "place",
        *(f"place/{name}" for name in ("a", "a/one.py", "b", "link", "nowhere", "run.sh")),
    ]


def test_a_layer_has_no_owner_and_a_fixed_date(tmp_path: Path) -> None:
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


def test_listed_files_are_left_out(tmp_path: Path) -> None:
    names = ["bin/tool", "a/tests/test_a.py", "a/b/tests/test_b.py", "a/b/c.pyi", "a/b/c.py"]
    folder = fill(tmp_path / "folder", names, seconds=1)
    globs = patterns("# Comment\n\nbin  # commands\n**/tests\n**/*.pyi\nnot/there\n")
    assert globs == ["bin", "**/tests", "**/*.pyi", "not/there"]
    leave_out(folder, globs)
    left = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert left == {"a/b/c.py", "link", "run.sh"}


def test_the_target_of_a_removed_link_stays(tmp_path: Path) -> None:
    folder = fill(tmp_path / "folder", ["a/one.py"], seconds=1)
    (folder / "b").symlink_to("a")
    leave_out(folder, ["b", "link"])
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*")} == {
        "a",
        "a/one.py",
        "run.sh",
    }


def test_globs_may_match_inside_a_removed_folder(tmp_path: Path) -> None:
    folder = fill(tmp_path / "folder", ["tests/a/tests/one.py", "two.py"], seconds=1)
    leave_out(folder, ["**/tests"])
    assert {path.name for path in folder.iterdir()} == {"link", "run.sh", "two.py"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("# nothing\n\n   \n", []),
        ("bin\n**/*.pyi", ["bin", "**/*.pyi"]),
        ("  bin\t# commands # all of them\n", ["bin"]),
    ],
)
def test_a_list_has_one_glob_per_line(text: str, expected: list[str]) -> None:
    assert patterns(text) == expected


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
    # PEP 552: validated by the hash of the source, which is never checked.
    assert int.from_bytes(made[0][4:8], "little") == 0b01


METADATA = "Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n{more}\n"


def distribution(folder: Path, name: str, version: str, more: str = "") -> None:
    details = folder / f"{name}-{version}.dist-info"
    details.mkdir(parents=True)
    (details / "METADATA").write_text(METADATA.format(name=name, version=version, more=more))


def test_distributions_are_listed_with_their_licences(tmp_path: Path) -> None:
    distribution(tmp_path, "Zope.Interface", "8.0", "License: ZPL-2.1\n")
    distribution(tmp_path, "numpy", "2.5.5", "License-Expression: BSD-3-Clause\nLicense: BSD\n")
    distribution(tmp_path, "long", "1", f"License: {'All of the text. ' * 20}\n")
    distribution(tmp_path, "silent", "1")
    assert describe(tmp_path) == [
        {"name": "long", "version": "1", "licence": ""},
        {"name": "numpy", "version": "2.5.5", "licence": "BSD-3-Clause"},
        {"name": "silent", "version": "1", "licence": ""},
        {"name": "zope-interface", "version": "8.0", "licence": "ZPL-2.1"},
    ]


def wheel(folder: Path, name: str) -> Path:
    """A wheel with a command, written without a build backend."""
    details = f"{name}-1.dist-info"
    files = {
        f"{name}/__init__.py": '"""Demonstrates."""\n',
        f"{name}/tests/test_it.py": "",
        f"{details}/METADATA": METADATA.format(name=name, version="1", more="License: MIT\n"),
        f"{details}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{details}/entry_points.txt": f"[console_scripts]\n{name} = {name}:main\n",
    }
    files[f"{details}/RECORD"] = "".join(f"{file},,\n" for file in (*files, f"{details}/RECORD"))
    path = folder / f"{name}-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            archive.writestr(file, text)
    return path


def python(*arguments: str | Path) -> str:
    """Run Python, and return its output."""
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def packed_pex(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PEX_ROOT", str(tmp_path / "pex_root"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    # The script writes to the working folder.
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    made = tmp_path / "demo.pex"
    # Without pip, and so without a package index: Pex installs the wheel directly.
    given = f"--pre-resolved-dists={wheel(tmp_path, 'demo')}"
    python("-m", "pex", "demo", given, "--layout=packed", f"--output-file={made}")
    return made


def test_a_pex_is_unpacked_for_a_platform_as_files(packed_pex: Path, tmp_path: Path) -> None:
    platform = tmp_path / "platform.json"
    inspect = ("-m", "pex.cli", "interpreter", "inspect", "--markers", "--tags")
    platform.write_text(python(*inspect))
    folder = tmp_path / "unpacked"
    unpack(packed_pex, folder, [str(platform)])
    assert describe(folder) == [{"name": "demo", "version": "1", "licence": "MIT"}]
    assert (folder / "demo/__init__.py").read_text() == '"""Demonstrates."""\n'
    assert not [path for path in folder.rglob("*") if path.is_symlink()]


def test_the_command_makes_the_same_layer_each_time(packed_pex: Path, tmp_path: Path) -> None:
    left_out = tmp_path / "left_out.txt"
    left_out.write_text("bin\n**/tests\ndemo/__pycache__\n")
    made = []
    for name in ("one", "two"):
        work = tmp_path / name
        work.mkdir()
        python(
            Path(__file__).with_name("layer.py"),
            f"--pex={packed_pex}",
            f"--left-out={left_out}",
            f"--folder={work / 'third_party'}",
            f"--place={PLACE}",
            f"--components={work / 'components.json'}",
            f"--output={work / 'layer.tar'}",
        )
        made.append((work / "layer.tar").read_bytes())
    assert made[0] == made[1]
    with tarfile.open(work / "layer.tar") as layer:
        held = [member.name.removeprefix(f"{PLACE}/") for member in layer if member.isfile()]
    assert [name for name in held if not name.startswith("demo-1")] == ["demo/__init__.py"]
    assert json.loads((work / "components.json").read_text()) == describe(work / "third_party")
