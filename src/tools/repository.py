"""The repository that one stands in, and what its history holds."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from config.errors import InputError, UserError


def find_root() -> Path:
    """The folder of the enclosing `pants.toml`.

    Raises:
        InputError: there is none.
    """
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "pants.toml").exists():
            return folder
    raise InputError(
        f"{here}: neither this folder nor one above it has a pants.toml: call this inside a clone."
    )


@dataclass(frozen=True)
class Revision:
    """A commit to compare the working tree with; `name` is what a person called it."""

    root: Path
    name: str
    commit: str

    @classmethod
    def find(cls, root: Path, name: str) -> Revision:
        """Where the work that is checked out parted from `name`, a branch, a tag or a commit.

        What came onto a branch later is not this working tree's doing. `origin`'s branch is taken
        where there is none of our own, as in a clone that CI makes.

        Raises:
            InputError: it is no git repository, or has no such revision.
        """
        if _git(root, "rev-parse", "--is-inside-work-tree") is None:
            raise InputError(f"{root}: not a git repository: there is no revision to compare with.")
        for known_as in (name, f"origin/{name}"):
            commit = _git(root, "rev-parse", "--verify", "--quiet", f"{known_as}^{{commit}}")
            if commit:
                base = _git(root, "merge-base", commit, "HEAD")
                if base is None and _is_shallow(root):
                    raise InputError(_shallow(name, "has not the commit where the two parted"))
                return cls(root, known_as, base or commit)
        if _is_shallow(root):
            raise InputError(_shallow(name, "may therefore lack it"))
        branches = (_git(root, "branch", "--all", "--format=%(refname:short)") or "").split()
        raise InputError(
            f"No revision {name!r} in {root}; branches: {', '.join(branches) or 'none'}. "
            "Name one of them, a tag or a commit with --since, or `git fetch` it."
        )

    def __str__(self) -> str:
        return f"{self.name} ({self.commit[:10]})"

    def files(self, folder: Path) -> dict[str, str]:
        """The names and contents of the files that a folder, seen from the root, held."""
        listed = _git(self.root, "ls-tree", "--name-only", self.commit, f"{folder}/") or ""
        return {Path(path).name: self._content(path) for path in listed.splitlines()}

    def _content(self, path: str) -> str:
        content = _git(self.root, "show", f"{self.commit}:./{path}")
        if content is None:
            raise UserError(f"{self}: git cannot read {path} there.")
        return content


def is_changed(root: Path, folder: str) -> bool:
    """Whether something in a folder is not committed."""
    return bool(_git(root, "status", "--porcelain", "--", folder))


def last_commit(root: Path, *paths: str) -> str | None:
    """The latest commit that changed one of these paths, None where there is none."""
    return _git(root, "log", "-1", "--format=%H", "HEAD", "--", *paths) or None


def has_commit(root: Path, name: str) -> bool:
    """Whether a commit is in this clone."""
    return _git(root, "cat-file", "-e", f"{name}^{{commit}}") is not None


def files_with(root: Path, pattern: str) -> list[str]:
    """Files in the working tree that have a line which fits an extended regular expression."""
    found = _git(root, "grep", "--untracked", "-lE", "-e", pattern, "--", "*.py", "*.ipynb")
    return (found or "").splitlines()


def _is_shallow(root: Path) -> bool:
    return _git(root, "rev-parse", "--is-shallow-repository") == "true"


def _shallow(name: str, problem: str) -> str:
    return (
        f"Cannot compare with {name!r}: this clone is shallow and {problem}. "
        '`git fetch --unshallow origin` mends that; in GitLab CI, GIT_DEPTH: "0".'
    )


def _git(root: Path, *arguments: str) -> str | None:
    """What git prints, or None where it fails."""
    try:
        done = subprocess.run(
            ["git", "-c", "core.quotePath=false", *arguments],
            cwd=root,
            capture_output=True,
            check=False,
        )
    except OSError as error:
        raise UserError(f"git cannot be started: {error.strerror}. Install it.") from error
    return done.stdout.decode().rstrip("\n") if done.returncode == 0 else None
