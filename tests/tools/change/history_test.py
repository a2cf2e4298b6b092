"""Where a change began and what it changed, in clones of a real repository, shallow ones too."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from cli.errors import InputError, UserError
from tools.change.history import changed_files, find_base
from tools.workspace.git import UntrustedRepositoryError

# More than a first fetch brings.
COMMITS = 300


def git(root: Path, *arguments: str) -> str:
    author = ("-c", "user.name=Test", "-c", "user.email=test@example.com")
    done = subprocess.run(
        ["git", *author, *arguments], cwd=root, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def commit(root: Path, message: str) -> str:
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--allow-empty", f"--message={message}")
    return git(root, "rev-parse", "HEAD")


def commit_often(root: Path, branch: str) -> None:
    """Many empty commits, by one process."""
    start = git(root, "rev-parse", branch)
    commits = "".join(
        f"commit refs/heads/{branch}\ncommitter T <t@example.com> {number} +0000\ndata 1\n.\n"
        + (f"from {start}\n" if number == 0 else "")
        for number in range(COMMITS)
    )
    subprocess.run(
        ["git", "fast-import", "--quiet"], cwd=root, check=True, input=commits, text=True
    )


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A branch `change` that left `main` at the tag `parted`; `main` went on."""
    root = tmp_path_factory.mktemp("origin")
    git(root, "init", "--quiet", "--initial-branch=main")
    (root / ".gitignore").write_text("*.log\n")
    for name in ("kept.py", "edited.py", "renamed.py", "gone.py"):
        (root / name).write_text(f"# {name}, long enough to be known again when it is renamed.\n")
    commit(root, "First")
    commit_often(root, "main")
    git(root, "reset", "--quiet", "--hard")
    git(root, "tag", "parted")
    git(root, "checkout", "--quiet", "-b", "change")
    (root / "edited.py").write_text("# Other.\n")
    (root / "renamed.py").rename(root / "näme of now.py")
    (root / "gone.py").unlink()
    commit(root, "Change")
    git(root, "checkout", "--quiet", "main")
    (root / "later.py").touch()
    commit(root, "Later")
    git(root, "checkout", "--quiet", "--orphan", "elsewhere")
    commit(root, "Nothing in common")
    git(root, "checkout", "--quiet", "main")
    return root


def clone(origin: Path, folder: Path, *options: str) -> Path:
    git(origin, "clone", "--quiet", "--branch=change", *options, origin.as_uri(), str(folder))
    return folder


def is_shallow(root: Path) -> bool:
    return git(root, "rev-parse", "--is-shallow-repository") == "true"


CHANGED = ("edited.py", "gone.py", "näme of now.py", "renamed.py")


def test_what_came_onto_the_branch_later_is_no_change_and_nothing_is_fetched(
    origin: Path, tmp_path: Path
) -> None:
    root = clone(origin, tmp_path / "clone")
    git(root, "remote", "set-url", "origin", "https://127.0.0.1:1/nothing")
    base = find_base(root, "main")
    assert (base.commit, base.name) == (git(origin, "rev-parse", "parted"), "origin/main")
    assert changed_files(root, base) == CHANGED


def test_a_branch_of_ours_that_is_behind_its_origin_does_not_count(
    origin: Path, tmp_path: Path
) -> None:
    root = clone(origin, tmp_path / "clone")
    git(root, "branch", "--quiet", "main", "parted~5")
    base = find_base(root, "main")
    assert (base.commit, base.name) == (git(origin, "rev-parse", "parted"), "origin/main")
    git(root, "branch", "--quiet", "--force", "main", "HEAD")
    assert find_base(root, "main").name == "main"


@pytest.mark.parametrize("since", ["main", "origin/main", "parted"])
def test_a_shallow_clone_fetches_what_it_lacks_and_no_more(
    origin: Path, tmp_path: Path, since: str
) -> None:
    root = clone(origin, tmp_path / "clone", "--depth=1")
    base = find_base(root, since)
    assert base.commit == git(origin, "rev-parse", "parted")
    assert changed_files(root, base) == CHANGED
    assert is_shallow(root)


def test_a_shallow_clone_of_a_commit_with_commits_of_its_own_fetches_it(
    origin: Path, tmp_path: Path
) -> None:
    root = clone(origin, tmp_path / "clone", "--depth=1")
    git(root, "checkout", "--quiet", "--detach")
    (root / "mine.py").touch()
    commit(root, "Mine")
    assert changed_files(root, find_base(root, "main")) == tuple(sorted([*CHANGED, "mine.py"]))


def test_a_revision_of_long_ago_needs_the_whole_history(origin: Path, tmp_path: Path) -> None:
    root = clone(origin, tmp_path / "clone", "--depth=1")
    assert find_base(root, f"HEAD~{COMMITS}").commit == git(
        origin, "rev-parse", f"change~{COMMITS}"
    )


def test_a_clone_of_one_branch_fetches_the_other(origin: Path, tmp_path: Path) -> None:
    root = clone(origin, tmp_path / "clone", "--single-branch")
    assert find_base(root, "main").commit == git(origin, "rev-parse", "parted")


def test_where_nothing_can_be_fetched_it_fails_and_says_what_mends_it(
    origin: Path, tmp_path: Path
) -> None:
    root = clone(origin, tmp_path / "clone", "--depth=1")
    git(root, "remote", "set-url", "origin", str(tmp_path / "nothing"))
    with pytest.raises(UserError, match=re.escape("this clone is shallow")) as failed:
        find_base(root, "main")
    assert "To fix this, run `git fetch --unshallow origin`" in str(failed.value)
    assert failed.value.exit_code == 1


def test_without_a_commit_of_both_it_fails(origin: Path, tmp_path: Path) -> None:
    root = clone(origin, tmp_path / "clone")
    with pytest.raises(UserError, match="have no commit in common") as failed:
        find_base(root, "elsewhere")
    assert failed.value.exit_code == 1


@pytest.mark.parametrize("options", [(), ("--depth=1",)])
def test_a_revision_that_is_nowhere_fails(
    origin: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    root = clone(origin, tmp_path / "clone", *options)
    with pytest.raises(InputError, match=re.escape("No revision 'mian'")):
        find_base(root, "mian")


def test_what_is_not_committed_counts_and_what_is_ignored_or_taken_back_does_not(
    origin: Path, tmp_path: Path
) -> None:
    root = clone(origin, tmp_path / "clone")
    (root / "edited.py").write_text(
        "# edited.py, long enough to be known again when it is renamed.\n"
    )
    (root / "kept.py").write_text("# Edited.\n")
    (root / "new one.py").touch()
    (root / "run.log").touch()
    git(root, "add", "kept.py")
    assert changed_files(root, find_base(root, "main")) == (
        *("gone.py", "kept.py", "new one.py", "näme of now.py", "renamed.py"),
    )


def test_a_clone_of_another_user_is_named_with_the_command_that_trusts_it(
    origin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # git's own switch for its tests: only root could give the files away.
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(UntrustedRepositoryError) as error:
        find_base(origin, "main")
    assert error.value.exit_code == 2
    assert error.value.remedy == f"git config --global --add safe.directory {origin}"
    assert str(error.value) == (
        f"{origin}: git does not read the repository, because it belongs to another user "
        f"(detected dubious ownership in repository at '{origin}'). If you trust it, run: "
        f"{error.value.remedy}"
    )
