"""What `affected` says of changes, in real clones, shallow ones too, with a real Pants."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from integration.clones import CHANGED, LOCKFILE, Clone, SharedRepository
from integration.commands import Result, commit_all, start, stop_pantsd
from tools.change.affected_artifacts import Change, trace_change
from tools.change.affected_rules import IMAGES, MODELS
from tools.change.history import changed_files, find_base
from tools.workspace.target_graph import TargetGraph

TULIP, IRIS = "src/models/tulip", "src/models/iris"


@pytest.fixture(scope="module")
def committed(shared: SharedRepository) -> Iterator[Clone]:
    """Two models, of which one needs a package that the other does not."""
    with shared.lend() as root:
        clone = Clone.new(root)
        clone.append(f"{TULIP}/pipeline.py", "import mapie\n")
        commit_all(root)
        yield clone


@pytest.fixture
def clone(committed: Clone) -> Iterator[Clone]:
    yield committed
    committed.discard_changes()
    committed.run("git", "clean", "--quiet", "--force", "-d", "src", "tests", "3rdparty")


def change(clone: Clone) -> Change:
    """What is affected by what is not committed, as Pants' daemon is asked."""
    files = changed_files(clone.root, find_base(clone.root, "HEAD"))
    return trace_change(files, TargetGraph.from_peek(json.loads(clone.pants("peek", "::").out)))


def models(change: Change) -> list[str]:
    return [artifact.name for artifact in change.of_kind(MODELS)]


def remove(file: str) -> Callable[[Clone], None]:
    return lambda clone: (clone.root / file).unlink()


def append(*files: str) -> Callable[[Clone], None]:
    def edit(clone: Clone) -> None:
        for file in files:
            clone.append(file)

    return edit


def write(file: str, text: str) -> Callable[[Clone], None]:
    return lambda clone: clone.write(file, text)


@pytest.mark.parametrize(
    "edit",
    [
        append(f"{TULIP}/schema.py"),
        append("src/cli/task.py", "src/datasets/flowers.py"),
        append(f"{TULIP}/BUILD", "3rdparty/python/BUILD"),
        append("tests/models/iris/BUILD"),
        append("docker/image.Dockerfile", "docker/datascience/BUILD"),
        append("3rdparty/python/closures/default/mapie.txt", "3rdparty/python/data.txt"),
        write(f"{IRIS}/new.py", "from models.iris import schema\n"),
        write("src/models/notes.txt", "No target has it.\n"),
        remove("tests/models/iris/schema_test.py"),
        remove("src/datasets/contracts/flowers.yaml"),
        remove("3rdparty/python/closures/default/numexpr.txt"),
    ],
)
def test_it_lists_the_targets_that_pants_lists(clone: Clone, edit: Callable[[Clone], None]) -> None:
    edit(clone)
    assert set(change(clone).targets) == set(clone.pants(*CHANGED, "list").out.split())


def test_of_a_file_that_moved_to_another_folder_the_old_folder_counts_too(clone: Clone) -> None:
    clone.run("git", "mv", "src/datasets/contracts/flowers.yaml", "src/models/flowers.yaml")
    found = change(clone)
    assert "src/datasets:exported" in found.targets
    assert found.without_target == ("src/models/flowers.yaml",)


def test_a_new_lockfile_affects_the_model_that_needs_what_moved_in_it(clone: Clone) -> None:
    clone.upgrade("mapie", file="modelling.txt")
    found = change(clone)
    assert LOCKFILE in found.files
    assert models(found) == ["tulip"]
    assert f"{IRIS}:image" not in [artifact.name for artifact in found.of_kind(IMAGES)]
    (tulip,) = found.of_kind(MODELS)
    assert [(cause.file, cause.path[1], cause.path[-1]) for cause in tulip.causes] == [
        (
            "3rdparty/python/closures/default/mapie.txt",
            "3rdparty/python:modelling#mapie",
            f"{TULIP}/pipeline.py",
        )
    ]


def git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def affected(root: Path, *arguments: str) -> Result:
    command = ("./pants", "--no-dynamic-ui", "--no-colors", "run", "src/tools:affected")
    started = start(*command, "--", *arguments, cwd=root, env={"PANTS_PANTSD": "true"})
    return Result.of(started, timeout=600)


@pytest.fixture
def shallow(clone: Clone, tmp_path: Path) -> Iterator[Path]:
    """The last of two commits of a branch that left `main`, which went on, as CI clones it."""
    git(clone.root, "checkout", "--quiet", "-b", "change")
    clone.append(f"{TULIP}/schema.py")
    commit_all(clone.root)
    clone.write("NOTES", "")
    commit_all(clone.root)
    git(clone.root, "checkout", "--quiet", "main")
    clone.append(f"{IRIS}/schema.py")
    commit_all(clone.root)
    one = ("--depth=1", "--branch=change", clone.root.as_uri())
    git(clone.root, "clone", "--quiet", *one, str(tmp_path / "shallow"))
    try:
        yield tmp_path / "shallow"
    finally:
        stop_pantsd(tmp_path / "shallow")
        git(clone.root, "reset", "--quiet", "--hard", "HEAD~1")
        git(clone.root, "branch", "--quiet", "-D", "change")


def test_a_shallow_clone_fetches_the_history_that_it_needs_or_names_the_command(
    clone: Clone, shallow: Path
) -> None:
    git(shallow, "remote", "set-url", "origin", str(shallow / "nothing"))
    refused = affected(shallow, "--json")
    assert (refused.code, refused.out) == (1, "")
    assert "this clone is shallow and lacks the commit at which HEAD left it" in refused.err
    assert "run `git fetch --unshallow origin`, or set GIT_DEPTH" in refused.err

    git(shallow, "remote", "set-url", "origin", clone.root.as_uri())
    result = affected(shallow, "--json", "--svg", "affected.svg")
    assert result.code == 0, result.err
    said = json.loads(result.out)
    assert said["changed"] == ["NOTES", f"{TULIP}/schema.py"]
    assert [one["name"] for one in said["affected"]["models"]] == ["tulip"]
    assert said["without_target"] == ["NOTES"]
    svg = (shallow / "affected.svg").read_text()
    assert f"<title>{TULIP}/schema.py</title>" in svg
    assert "<title>images: docker/datascience:image</title>" in svg
