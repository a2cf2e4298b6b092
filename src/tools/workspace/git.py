"""The repository that one stands in, and what its history holds."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cli.errors import InputError, UserError

# Names of files need not be UTF-8.
_AS_IT_IS = "surrogateescape"
# Of git's message; before 2.38, another one.
_UNTRUSTED = re.compile(rb"dubious ownership|unsafe repository")


class UntrustedRepositoryError(InputError):
    """git does not read a repository of another user; `remedy` is the command that allows it."""

    def __init__(self, root: Path, said: str) -> None:
        reason = said.splitlines()[0].partition(": ")[2]
        command = re.search(r"git config .*safe\.directory.*", said)
        self.remedy = command[0] if command else ""
        super().__init__(
            f"{root}: git does not read the repository, because it belongs to another user "
            f"({reason}). If you trust it: {self.remedy}"
        )


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
        for known_as, commit in _known(root, name):
            base = git(root, "merge-base", commit, "HEAD")
            if base is None and is_shallow(root):
                raise InputError(_shallow(name, "has not the commit where the two parted"))
            return cls(root, known_as, base or commit)
        if is_shallow(root):
            raise InputError(_shallow(name, "may therefore lack it"))
        branches = (git(root, "branch", "--all", "--format=%(refname:short)") or "").split()
        raise InputError(
            f"No revision {name!r} in {root}; branches: {', '.join(branches) or 'none'}. "
            "Name one of them, a tag or a commit with --since, or `git fetch` it."
        )

    @classmethod
    def find_base(cls, root: Path, name: str) -> Revision | None:
        """The same, of our branch or `origin`'s: whichever HEAD left last, as ours may be old.

        None where this clone has neither, or no commit of both.
        """
        found = [
            cls(root, known_as, base)
            for known_as, commit in _known(root, name)
            if (base := git(root, "merge-base", commit, "HEAD"))
        ]
        return min(found, key=lambda one: one._commits_since(), default=None)

    def _commits_since(self) -> int:
        return int(git(self.root, "rev-list", "--count", f"{self.commit}..HEAD") or 0)

    def __str__(self) -> str:
        return f"{self.name} ({self.commit[:10]})"

    def files(self, folder: Path) -> dict[str, str]:
        """The names and contents of the files that a folder, seen from the root, held."""
        listed = git(self.root, "ls-tree", "--name-only", self.commit, f"{folder}/") or ""
        return {Path(path).name: self._content(path) for path in listed.splitlines()}

    def _content(self, path: str) -> str:
        content = git(self.root, "show", f"{self.commit}:./{path}")
        if content is None:
            raise UserError(f"{self}: git cannot read {path} there.")
        return content


def is_changed(root: Path, folder: str) -> bool:
    """Whether something in a folder is not committed."""
    return bool(git(root, "status", "--porcelain", "--", folder))


def last_commit(root: Path, *paths: str) -> str | None:
    """The latest commit that changed one of these paths, None where there is none."""
    return git(root, "log", "-1", "--format=%H", "HEAD", "--", *paths) or None


def has_commit(root: Path, name: str) -> bool:
    """Whether a commit is in this clone."""
    return git(root, "cat-file", "-e", f"{name}^{{commit}}") is not None


def files_with(root: Path, pattern: str, commit: str = "") -> list[str]:
    """Python files and notebooks with a line that fits an extended regular expression.

    In the working tree, or in a commit.
    """
    where = [commit] if commit else []
    option = [] if commit else ["--untracked"]
    found = git(root, "grep", *option, "-lE", "-e", pattern, *where, "--", "*.py", "*.ipynb")
    # Of a commit, each line begins with it. Not `removeprefix`, which Python 3.8 lacks.
    begin = len(f"{commit}:") if commit else 0
    return [line[begin:] for line in (found or "").splitlines()]


def lines_with(root: Path, pattern: str, *paths: str) -> list[tuple[str, int, str]]:
    """Lines of the working tree that fit an extended regular expression: file, number, text."""
    options = ("--untracked", "-nIE", "--full-name", "--null")
    found = git(root, "grep", *options, "-e", pattern, "--", *paths) or ""
    lines = [line.split("\0", 2) for line in found.splitlines()]
    return [(file, int(number), text) for file, number, text in lines]


def uncommitted(root: Path, *paths: str) -> list[str]:
    """Files below these paths that git does not hold as they are, ignored ones too."""
    options = ("--porcelain", "--ignored", "--untracked-files=all", "--no-renames")
    found = git(root, "status", *options, "--", *paths) or ""
    return [line[3:] for line in found.splitlines() if "__pycache__" not in line]


def lines_before(root: Path, folder: str, file: str) -> frozenset[str]:
    """A file's lines in the commit before the first that had something in a folder.

    In the last commit where none had; nothing where that is not in this clone.
    """
    log = git(root, "log", "--diff-filter=A", "--reverse", "--format=%H", "HEAD", "--", folder)
    commit = f"{log.split()[0]}^" if log else "HEAD"
    return frozenset((git(root, "show", f"{commit}:./{file}") or "").splitlines())


def is_shallow(root: Path) -> bool:
    """Whether a clone has only the latest commits."""
    return git(root, "rev-parse", "--is-shallow-repository") == "true"


def _shallow(name: str, problem: str) -> str:
    return (
        f"Cannot compare with {name!r}: this clone is shallow and {problem}. "
        '`git fetch --unshallow origin` mends that; in GitLab CI, GIT_DEPTH: "0".'
    )


def _known(root: Path, name: str) -> list[tuple[str, str]]:
    """The commits that a name may mean here, each with what it is called."""
    if git(root, "rev-parse", "--is-inside-work-tree") is None:
        raise InputError(f"{root}: not a git repository: there is no revision to compare with.")
    found = [
        (known_as, git(root, "rev-parse", "--verify", "--quiet", f"{known_as}^{{commit}}"))
        for known_as in (name, f"origin/{name}")
    ]
    return [(known_as, commit) for known_as, commit in found if commit]


def git(root: Path, *arguments: str) -> str | None:
    """What git prints, or None where it fails."""
    done = call_git(root, *arguments)
    return done.stdout.decode(errors=_AS_IT_IS).rstrip("\n") if done.returncode == 0 else None


def call_git(root: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """What git prints and how it ends; it asks nobody for a password.

    Raises:
        UntrustedRepositoryError: git does not trust the repository's owner.
        UserError: there is no git.
    """
    try:
        done = subprocess.run(
            ["git", "-c", "core.quotePath=false", *arguments],
            cwd=root,
            env={**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    except OSError as error:
        raise UserError(f"git cannot be started: {error.strerror}. Install it.") from error
    if done.returncode and _UNTRUSTED.search(done.stderr):
        raise UntrustedRepositoryError(root, done.stderr.decode(errors="replace").strip())
    return done
