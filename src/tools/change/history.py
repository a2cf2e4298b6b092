"""What changed since a revision; what a clone lacks to say so is fetched."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cli.errors import UserError
from tools.workspace.git import Revision, call_git, git, has_commit, is_shallow

REMOTE = "origin"
# Enough for most branches, then for nearly all.
_DEEPER = ("--deepen=100", "--deepen=1000", "--unshallow")


def find_base(root: Path, since: str) -> Revision:
    """Where HEAD parted from `since`, fetched from `origin` where the clone lacks it.

    Raises:
        InputError: it is no git repository, or there is no such revision anywhere.
        UserError: the two parted nowhere, or where cannot be fetched.
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
        f"HEAD and {revision} have no commit in common, so what changed since then cannot be said. "
        "Name a revision of this history with --since."
    )


def commit_before(root: Path, since: str) -> str:
    """Where HEAD parted from `since`; where it did not, the commit before HEAD, or HEAD itself.

    Raises:
        InputError: as `find_base`.
        UserError: as `find_base`.
    """
    base = find_base(root, since).commit
    if base != git(root, "rev-parse", "HEAD"):
        return base
    # In a shallow clone, whether there is one before is not known yet.
    if is_shallow(root) or has_commit(root, "HEAD~1"):
        return find_base(root, "HEAD~1").commit
    return base


def changed_files(root: Path, base: Revision) -> tuple[str, ...]:
    """Files that differ from a revision, committed or not; both names of one that was renamed."""
    told = (
        git(root, "diff", "--name-only", "--no-renames", "--relative", "-z", base.commit, "--"),
        git(root, "ls-files", "--others", "--exclude-standard", "-z"),
    )
    if None in told:
        raise UserError(f"git cannot compare the files of {root} with {base}: see `git status`.")
    return tuple(sorted({file for names in told for file in (names or "").split("\0") if file}))


def _fetch(root: Path, since: str, options: Sequence[str]) -> str:
    """Fetch a branch or a tag, and what lies behind the commits we have; why not, if refused."""
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
    """Where a shallow clone ends: commits that its origin has, whatever was committed here."""
    file = root / (git(root, "rev-parse", "--git-path", "shallow") or "")
    return file.read_text().split() if file.is_file() else []


def _last_line(said: bytes) -> str:
    lines = said.decode(errors="replace").strip().splitlines()
    return lines[-1].removesuffix(".") if lines else "git does not say why"


def _too_shallow(since: str, refused: str) -> str:
    why = f", and `git fetch {REMOTE}` failed: {refused}" if refused else f", nor has {REMOTE}"
    return (
        f"What changed since {since!r} cannot be said: this clone is shallow and has not the "
        f"commit where HEAD left it{why}. "
        f'`git fetch --unshallow {REMOTE}` mends that; in GitLab CI, GIT_DEPTH: "0".'
    )
