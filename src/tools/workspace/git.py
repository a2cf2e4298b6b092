"""Read the git repository of the current folder, and its history."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cli.errors import InputError, UserError

# File names need not be UTF-8.
_KEEP_BYTES = "surrogateescape"
# git 2.38 changed the message.
_UNTRUSTED = re.compile(rb"dubious ownership|unsafe repository")


class UntrustedRepositoryError(InputError):
    """git refuses a repository of another user; `remedy` is the command that allows it."""

    def __init__(self, root: Path, message: str) -> None:
        reason = message.splitlines()[0].partition(": ")[2]
        command = re.search(r"git config .*safe\.directory.*", message)
        self.remedy = command[0] if command else ""
        super().__init__(
            f"{root}: git does not read the repository, because it belongs to another user "
            f"({reason}). If you trust it, run: {self.remedy}"
        )


def find_root() -> Path:
    """The folder with `pants.toml`, above or at the current folder.

    Raises:
        InputError: there is none.
    """
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "pants.toml").exists():
            return folder
    raise InputError(
        f"{here}: found no pants.toml here or in a parent folder. Run this inside a clone."
    )


@dataclass(frozen=True)
class Revision:
    """A commit to compare the working tree with; `name` is the branch or tag that was asked for."""

    root: Path
    name: str
    commit: str

    @classmethod
    def find(cls, root: Path, name: str) -> Revision:
        """The commit at which HEAD left `name`, a branch, a tag or a commit.

        Later commits of the branch are not changes of this working tree. A clone without a local
        branch, as in CI, uses `origin`'s.

        Raises:
            InputError: this is not a git repository, or has no such revision.
        """
        for known_as, commit in _known(root, name):
            base = git(root, "merge-base", commit, "HEAD")
            if base is None and is_shallow(root):
                raise InputError(_shallow(name, "lacks the commit at which HEAD left it"))
            return cls(root, known_as, base or commit)
        if is_shallow(root):
            raise InputError(_shallow(name, "may lack it"))
        branches = (git(root, "branch", "--all", "--format=%(refname:short)") or "").split()
        raise InputError(
            f"No revision {name!r} in {root}; branches: {', '.join(branches) or 'none'}. "
            "Name one of them, a tag or a commit with --since, or `git fetch` it."
        )

    @classmethod
    def find_base(cls, root: Path, name: str) -> Revision | None:
        """The later of two commits: where HEAD left our branch, and where it left `origin`'s.

        Our branch may be out of date. None if this clone has neither commit.
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
        """The names and contents of a folder's files; the folder is relative to the root."""
        listed = git(self.root, "ls-tree", "--name-only", self.commit, f"{folder}/") or ""
        return {Path(path).name: self._content(path) for path in listed.splitlines()}

    def _content(self, path: str) -> str:
        content = git(self.root, "show", f"{self.commit}:./{path}")
        if content is None:
            raise UserError(f"{self}: git cannot read {path} at this revision.")
        return content


def is_changed(root: Path, folder: str) -> bool:
    """Whether a folder has uncommitted changes."""
    return bool(git(root, "status", "--porcelain", "--", folder))


def last_commit(root: Path, *paths: str) -> str | None:
    """The latest commit that changed one of these paths, None if there is none."""
    return git(root, "log", "-1", "--format=%H", "HEAD", "--", *paths) or None


def has_commit(root: Path, name: str) -> bool:
    """Whether this clone has a commit."""
    return git(root, "cat-file", "-e", f"{name}^{{commit}}") is not None


def files_with(root: Path, pattern: str, commit: str = "") -> list[str]:
    """Python files and notebooks with a line that matches an extended regular expression.

    Searches the working tree, or `commit`.
    """
    where = [commit] if commit else []
    option = [] if commit else ["--untracked"]
    found = git(root, "grep", *option, "-lE", "-e", pattern, *where, "--", "*.py", "*.ipynb")
    # If a commit is given, each line begins with it. Python 3.8 has no `removeprefix`.
    begin = len(f"{commit}:") if commit else 0
    return [line[begin:] for line in (found or "").splitlines()]


def lines_with(root: Path, pattern: str, *paths: str) -> list[tuple[str, int, str]]:
    """Lines of the working tree that match an extended regular expression: file, number, line."""
    options = ("--untracked", "-nIE", "--full-name", "--null")
    found = git(root, "grep", *options, "-e", pattern, "--", *paths) or ""
    lines = [line.split("\0", 2) for line in found.splitlines()]
    return [(file, int(number), text) for file, number, text in lines]


def uncommitted(root: Path, *paths: str) -> list[str]:
    """Files below these paths with uncommitted content, including ignored files."""
    options = ("--porcelain", "--ignored", "--untracked-files=all", "--no-renames")
    found = git(root, "status", *options, "--", *paths) or ""
    return [line[3:] for line in found.splitlines() if "__pycache__" not in line]


def lines_before(root: Path, folder: str, file: str) -> frozenset[str]:
    """A file's lines in the commit before the first one with files in a folder.

    If no commit has files there, reads HEAD. Empty if this clone lacks the commit.
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
        'To fix this, run `git fetch --unshallow origin`, or set GIT_DEPTH: "0" in GitLab CI.'
    )


def _known(root: Path, name: str) -> list[tuple[str, str]]:
    """The commits that a name may refer to, each with its full name."""
    if git(root, "rev-parse", "--is-inside-work-tree") is None:
        raise InputError(f"{root}: not a git repository, so there is no revision to compare with.")
    found = [
        (known_as, git(root, "rev-parse", "--verify", "--quiet", f"{known_as}^{{commit}}"))
        for known_as in (name, f"origin/{name}")
    ]
    return [(known_as, commit) for known_as, commit in found if commit]


def git(root: Path, *arguments: str) -> str | None:
    """Call git; return its output, or None if it fails."""
    done = call_git(root, *arguments)
    return done.stdout.decode(errors=_KEEP_BYTES).rstrip("\n") if done.returncode == 0 else None


def call_git(root: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Call git without prompts for a password; return the output and exit code.

    Raises:
        UntrustedRepositoryError: git does not trust the repository's owner.
        UserError: git is not installed.
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
        raise UserError(f"git cannot be started: {error.strerror}. Install git.") from error
    if done.returncode and _UNTRUSTED.search(done.stderr):
        raise UntrustedRepositoryError(root, done.stderr.decode(errors="replace").strip())
    return done
