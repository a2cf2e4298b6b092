"""The command line, in a git repository, with what Pants printed of it in a file."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from support.tasks import CallTask
from tools.change import pipeline
from tools.change.affected import main

FLOWERS, SCHEMA = "src/datasets/flowers.py", "src/models/iris/schema.py"
CONTRACTS = {"flowers": "Flowers", "labelled_flowers": "LabelledFlowers"}


def git(*arguments: str) -> None:
    author = ("-c", "user.name=Test", "-c", "user.email=test@example.com")
    subprocess.run(["git", *author, *arguments], check=True, capture_output=True)


def told(address: str, dependencies: Sequence[str], *, target_type: str) -> dict[str, object]:
    sources = [] if ":" in address else [address]
    return {
        "address": address,
        "dependencies": dependencies,
        "sources": sources,
        "target_type": target_type,
    }


@pytest.fixture
def targets(repository: Path) -> Path:
    """What Pants printed of a repository on whose branch `main` nothing has changed yet."""
    for name, model in CONTRACTS.items():
        file = repository / f"src/datasets/contracts/{name}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"name: {name}\nmodel: datasets.flowers.{model}\n")
    (repository / FLOWERS).touch()
    (repository / SCHEMA).parent.mkdir(parents=True)
    (repository / SCHEMA).touch()
    printed = [
        told(FLOWERS, [], target_type="python_source"),
        told(SCHEMA, [FLOWERS], target_type="python_source"),
        told("src/models/iris:train", [SCHEMA], target_type="pex_binary"),
        told("src/models/iris:image", ["src/models/iris:train"], target_type="model_image"),
    ]
    (repository / "targets.json").write_text(json.dumps(printed))
    git("init", "--quiet", "--initial-branch=main")
    git("add", ".")
    git("commit", "--quiet", "--message=First")
    return repository / "targets.json"


def test_a_person_reads_what_is_affected_and_why(targets: Path, call: CallTask) -> None:
    (targets.parent / FLOWERS).write_text("# Changed.\n")
    (targets.parent / "NOTES").touch()
    result = call(main, "--targets", str(targets))
    assert result.code == 0
    lines = result.out.splitlines()
    assert re.fullmatch(r"2 files changed since main \(\w{10}\)\.", lines[0])
    assert lines[1:] == [
        "",
        "models: 1",
        f"  iris  {FLOWERS} → {SCHEMA}",
        "",
        "images: 1",
        "  src/models/iris:image  "
        f"{FLOWERS} → {SCHEMA} → src/models/iris:train → src/models/iris:image",
        "",
        "notebooks: none",
        "",
        "DAGs: none",
        "",
        "data contracts: 2",
        f"  flowers           {FLOWERS}",
        f"  labelled_flowers  {FLOWERS}",
        "",
        "tests: none",
        "",
        "Not part of any target: NOTES.",
    ]


def test_a_program_reads_every_cause_and_every_target(targets: Path, call: CallTask) -> None:
    (targets.parent / FLOWERS).write_text("# Changed.\n")
    (targets.parent / SCHEMA).write_text("# Changed.\n")
    said = json.loads(call(main, "--targets", str(targets), "--json").out)
    assert said["since"]["name"] == "main"
    assert said["changed"] == [FLOWERS, SCHEMA]
    (iris,) = said["affected"]["models"]
    assert iris["causes"] == [
        {"file": SCHEMA, "path": [SCHEMA], "reason": ""},
        {"file": FLOWERS, "path": [FLOWERS, SCHEMA], "reason": ""},
    ]
    assert {"address": "src/models/iris:image", "type": "model_image"} in said["targets"]


def test_graphviz_reads_changed_files_and_things_with_what_is_between(
    targets: Path, call: CallTask
) -> None:
    (targets.parent / FLOWERS).write_text("# Changed.\n")
    dot = call(main, "--targets", str(targets), "--dot").out
    assert set(re.findall(r'"(.+)" -> "(.+)";', dot)) == {
        (FLOWERS, "data contracts: flowers"),
        (FLOWERS, "data contracts: labelled_flowers"),
        (FLOWERS, "models: iris"),
        (FLOWERS, SCHEMA),
        (SCHEMA, "src/models/iris:train"),
        ("src/models/iris:train", "images: src/models/iris:image"),
    }
    labels = dict(re.findall(r'^  "(.+)" \[label="([^"]+)"', dot, re.M))
    assert labels["models: iris"] == "iris\\nmodel"
    assert labels[SCHEMA] == SCHEMA


def test_where_nothing_changed_nothing_is_affected(targets: Path, call: CallTask) -> None:
    result = call(main, "--targets", str(targets))
    assert "0 files changed since main (" in result.out
    assert "models: none" in result.out


@pytest.mark.parametrize("content", ["", "[{", "{}", "[]", '["src/models"]', '[{"address": "a"}]'])
def test_a_file_that_pants_did_not_print_is_refused(
    targets: Path, call: CallTask, content: str
) -> None:
    targets.write_text(content)
    result = call(main, "--targets", str(targets))
    assert (result.code, result.out) == (2, "")
    assert f"Write it again: `./pants peek :: > {targets}`" in result.err


def test_a_file_that_is_not_there_is_told(targets: Path, call: CallTask) -> None:
    result = call(main, "--targets", "other.json")
    assert (result.code, result.err) == (
        2,
        "other.json: cannot be read: No such file or directory.\n",
    )


def test_two_reports_at_once_are_refused(targets: Path, call: CallTask) -> None:
    result = call(main, "--json", "--dot", "--targets", str(targets))
    assert result.code == 2
    assert "Choose one" in result.err


def test_a_broken_file_of_a_contract_is_told(targets: Path, call: CallTask) -> None:
    (targets.parent / "src/datasets/contracts/flowers.yaml").write_text("- 1\n")
    result = call(main, "--targets", str(targets))
    assert result.code == 1
    assert result.err.startswith("src/datasets/contracts/flowers.yaml: expected a contract with")


def test_without_pants_and_without_its_file_it_fails(targets: Path, call: CallTask) -> None:
    result = call(main)
    assert (result.code, result.out) == (1, "")
    assert "pants cannot be started: No such file or directory." in result.err


def test_a_pants_that_fails_is_quoted(targets: Path, call: CallTask) -> None:
    pants = targets.parent / "pants"
    pants.write_text("#!/bin/sh\necho 'src/a.py imports nobody_has_this' >&2\nexit 1\n")
    pants.chmod(0o755)
    result = call(main)
    assert (result.code, result.out) == (1, "")
    assert "Pants failed at `peek ::`:\n  src/a.py imports nobody_has_this" in result.err


def test_a_picture_that_fails_leaves_the_earlier_one(targets: Path, call: CallTask) -> None:
    (targets.parent / "affected.svg").write_text("earlier")
    result = call(main, "--targets", str(targets), "--svg", "affected.svg")
    assert (result.code, result.out) == (1, "")
    assert "pants cannot be started: No such file or directory." in result.err
    assert (targets.parent / "affected.svg").read_text() == "earlier"


def test_a_file_name_with_line_breaks_begins_no_line_of_a_note(
    targets: Path, call: CallTask
) -> None:
    name = "x\n/close\n`b`\x1b[31m.py"
    (targets.parent / name).parent.mkdir()
    (targets.parent / name).touch()
    git("add", ".")
    git("commit", "--quiet", "--message=Second")
    argv = ("--since", "HEAD~1", "--targets", str(targets))
    result = call(main, *argv)
    assert result.code == 0, result.err
    assert "\\n/close\\n" in result.out
    assert "\n/close" not in result.out
    assert "\x1b" not in result.out
    result = call(pipeline.main, *argv, "--output", "jobs.yml", "--summary", "affected.md")
    assert result.code == 0, result.err
    summary = Path("affected.md").read_text()
    assert "\\n/close\\n" in summary
    assert not [line for line in summary.splitlines() if line.startswith("/")]
