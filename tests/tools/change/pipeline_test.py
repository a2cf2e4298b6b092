"""The command line, in a git repository, with what Pants printed of it in a file."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from support.tasks import CallTask
from tools.change.merge_base import main as merge_base
from tools.change.pipeline import main

SCHEMA, TEST = "src/models/iris/schema.py", "tests/models/iris/schema_test.py"


def git(*arguments: str) -> str:
    author = ("-c", "user.name=Test", "-c", "user.email=test@example.com")
    done = subprocess.run(["git", *author, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def targets(repository: Path) -> Path:
    """What Pants printed of a repository on whose branch `main` nothing has changed yet."""
    for file in (SCHEMA, TEST):
        (repository / file).parent.mkdir(parents=True)
        (repository / file).touch()
    printed = [
        {"address": SCHEMA, "target_type": "python_source", "sources": [SCHEMA]},
        {
            "address": TEST,
            "target_type": "python_test",
            "sources": [TEST],
            "dependencies": [SCHEMA],
        },
    ]
    (repository / "targets.json").write_text(json.dumps(printed))
    git("init", "--quiet", "--initial-branch=main")
    git("add", ".")
    git("commit", "--quiet", "--message=First")
    return repository / "targets.json"


def test_the_jobs_and_why_they_are_there(targets: Path, call: CallTask, tmp_path: Path) -> None:
    (targets.parent / SCHEMA).write_text("# Changed.\n")
    (targets.parent / "odd | `name").touch()
    files = ("--output", str(tmp_path / "jobs.yml"), "--summary", str(tmp_path / "why.md"))
    result = call(main, "--targets", str(targets), *files)
    assert (result.code, result.out) == (0, ""), result.err
    jobs = yaml.safe_load((tmp_path / "jobs.yml").read_text())
    assert jobs["iris:test"]["script"] == ["./pants test tests/models/iris::"]
    lines = (tmp_path / "why.md").read_text().splitlines()
    assert f"| `iris` | `{SCHEMA}` |" in lines
    assert "| `iris` | `iris:test` |" in lines
    assert lines[-1] == "Not part of any target: `odd \\| 'name`."


def test_without_a_file_the_jobs_are_printed(targets: Path, call: CallTask) -> None:
    result = call(main, "--targets", str(targets), "--everything")
    assert "tests/models::" in yaml.safe_load(result.out)["shared-code:test"]["script"][0]


def test_where_it_cannot_say_what_changed_it_writes_nothing(
    targets: Path, call: CallTask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    git("commit", "--quiet", "--allow-empty", "--message=More")
    git("clone", "--quiet", "--depth=1", targets.parent.as_uri(), str(tmp_path / "clone"))
    monkeypatch.chdir(tmp_path / "clone")
    git("remote", "set-url", "origin", str(tmp_path / "nothing"))
    jobs = tmp_path / "jobs.yml"
    result = call(main, "--since", "HEAD~1", "--targets", str(targets), "--output", str(jobs))
    assert (result.code, jobs.exists()) == (1, False)
    assert "this clone is shallow and lacks the commit at which HEAD left it" in result.err


def test_a_change_is_held_against_where_it_left_or_against_the_commit_before(
    targets: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    first = git("rev-parse", "HEAD")
    assert (merge_base(["main"]), capsys.readouterr().out.strip()) == (0, first)
    git("commit", "--quiet", "--allow-empty", "--message=Second")
    assert (merge_base(["main"]), capsys.readouterr().out.strip()) == (0, first)
    second = git("rev-parse", "HEAD")
    git("checkout", "--quiet", "-b", "change")
    git("commit", "--quiet", "--allow-empty", "--message=Mine")
    assert (merge_base(["main"]), capsys.readouterr().out.strip()) == (0, second)
    git("checkout", "--quiet", "main")
    # A clone of the last commit alone.
    git("clone", "--quiet", "--depth=1", targets.parent.as_uri(), str(tmp_path / "clone"))
    monkeypatch.chdir(tmp_path / "clone")
    assert (merge_base(["main"]), capsys.readouterr().out.strip()) == (0, first)
    assert merge_base(["mian"]) == 2
    assert "No revision 'mian'" in capsys.readouterr().err
