"""What changed since a revision. Fetches the history that a clone lacks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cli.errors import UserError
from tools.workspace.git import Revision, call_git, git, has_commit, is_shallow

REMOTE = "origin"
# Deep enough for most branches, for nearly all, for all.
_DEEPER = ("--deepen=100", "--deepen=1000", "--unshallow")


def find_base(root: Path, since: str) -> Revision:
    """The commit at which HEAD left `since`, fetched from `origin` if the clone lacks it.

    Raises:
        InputError: this is not a git repository, or neither it nor `origin` has the revision.
        UserError: there is no such commit, or it cannot be fetched.
    """
    if found := Revision.find_base(root, since):
        return found
    refused = ""
    for deeper in _DEEPER if is_shallow(root) else ("",):
        refused = _fetch(root, since, [deeper] if deeper else [])
        if found := Revision.find_base(root, since):
            return found
        if refused:
            break
    if is_shallow(root):
        raise UserError(_too_shallow(since, refused))
    revision = Revision.find(root, since)
    raise UserError(
        f"HEAD and {revision} have no commit in common, so they cannot be compared. "
        "Name a revision of this branch's history with --since."
    )


def commit_before(root: Path, since: str) -> str:
    """The commit at which HEAD left `since`; if HEAD is on `since`, its parent, or HEAD itself.

    Raises:
        InputError: as `find_base`.
        UserError: as `find_base`.
    """
    base = find_base(root, since).commit
    if base != git(root, "rev-parse", "HEAD"):
        return base
    # A shallow clone may lack the parent.
    if is_shallow(root) or has_commit(root, "HEAD~1"):
        return find_base(root, "HEAD~1").commit
    return base


def changed_files(root: Path, base: Revision) -> tuple[str, ...]:
    """Files that differ from a revision, committed or not; both names of a renamed file."""
    outputs = (
        git(root, "diff", "--name-only", "--no-renames", "--relative", "-z", base.commit, "--"),
        git(root, "ls-files", "--others", "--exclude-standard", "-z"),
    )
    if None in outputs:
        raise UserError(f"git cannot compare the files of {root} with {base}. See `git status`.")
    return tuple(sorted({file for names in outputs for file in (names or "").split("\0") if file}))


def _fetch(root: Path, since: str, options: Sequence[str]) -> str:
    """Fetch a branch or a tag, and more history; return the reason if git fails, else nothing."""
    name = since.removeprefix(f"{REMOTE}/")
    listed = call_git(root, "ls-remote", REMOTE, f"refs/heads/{name}", f"refs/tags/{name}")
    if listed.returncode:
        return _last_line(listed.stderr)
    refs = [line.split()[1] for line in listed.stdout.decode().splitlines()]
    wanted = [f"+{ref}:{ref.replace('refs/heads/', f'refs/remotes/{REMOTE}/')}" for ref in refs]
    wanted += _oldest_commits(root)
    if not wanted:
        return ""
    fetched = call_git(root, "fetch", "--quiet", "--no-tags", *options, REMOTE, *wanted)
    return _last_line(fetched.stderr) if fetched.returncode else ""


def _oldest_commits(root: Path) -> list[str]:
    """The commits at which a shallow clone ends; its origin has them too."""
    file = root / (git(root, "rev-parse", "--git-path", "shallow") or "")
    return file.read_text().split() if file.is_file() else []


def _last_line(output: bytes) -> str:
    lines = output.decode(errors="replace").strip().splitlines()
    return lines[-1].removesuffix(".") if lines else "git gives no reason"


def _too_shallow(since: str, refused: str) -> str:
    why = f"`git fetch {REMOTE}` failed: {refused}" if refused else f"{REMOTE} lacks it too"
    return (
        f"Cannot compare with {since!r}: this clone is shallow and lacks the commit at which HEAD "
        f"left it; {why}. "
        f'To fix this, run `git fetch --unshallow {REMOTE}`, or set GIT_DEPTH: "0" in GitLab CI.'
    )
