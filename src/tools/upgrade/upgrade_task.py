"""Upgrades of requirements in all resolves: found first, then written as one."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

from cli.errors import UserError
from cli.terminal import say
from data_access_layer.atomic import staged
from tools.upgrade.lock_update import Lockfile, LockUpdate, UnresolvableError, versions_of
from tools.upgrade.requirement_lines import Line, asked_for, check_known, read_lines, rewritten
from tools.workspace.lockfiles import resolves
from tools.workspace.pants import call_pants

CLOSURES = "3rdparty/python/closures"
_REQUIREMENTS = "3rdparty/python"
# Of those that are newer, where the newest does not fit.
_MOST_VERSIONS = 4


@dataclass(frozen=True, order=True)
class Move:
    """A package whose version changes in a resolve; empty is not there."""

    resolve: str
    name: str
    old: str
    new: str
    is_required: bool


@dataclass(frozen=True)
class Upgrade:
    """What moves.

    Attributes:
        files: those to be written, by their paths from the root.
        touched: all that change, closures too.
        notes: what a person should know: of versions that do not fit, say.
    """

    root: Path
    moves: tuple[Move, ...]
    files: Mapping[str, str]
    touched: tuple[str, ...]
    notes: tuple[str, ...]
    is_written: bool = False

    def carried_out(self, root: Path) -> Upgrade:
        """Write it, or nothing of it.

        Raises:
            UserError: the closures cannot be made; all files are as they were.
        """
        before = _closures(root)
        with restored_on_failure(root, [*self.files, CLOSURES]):
            for path, text in self.files.items():
                with staged(root / path, option="file") as staging:
                    staging.write_text(text)
                    shutil.copymode(root / path, staging)
            say("Writing the closures …")
            call_pants(root, ["fmt", "--only=requirement-closures", f"{_REQUIREMENTS}::"])
        after = _closures(root)
        changed = {path for path in {*before, *after} if before.get(path) != after.get(path)}
        return replace(self, touched=tuple(sorted({*self.files, *changed})), is_written=True)


def plan_upgrades(root: Path, names: Iterable[str], resolve: str = "") -> Upgrade:
    """Find what has to move so that these requirements are newer, or at the versions named.

    Raises:
        InputError: a name is in no file of requirements.
        UserError: a version cannot be resolved, or the index cannot be asked.
    """
    asked, lines = asked_for(names), read_lines(root, resolve)
    check_known(asked, lines, where=f"of the resolve {resolve}" if resolve else "of requirements")
    versions = {name: _candidates(root, name, asked[name]) for name in asked}
    files: dict[str, str] = {}
    moves: list[Move] = []
    notes: list[str] = []
    for one in sorted({line.resolve for line in lines if line.name in asked}):
        search = _Search(root, one, [line for line in lines if line.resolve == one])
        wanted = {name: found for name, found in versions.items() if name in search.direct}
        lockfile, said = search.best(wanted, asked)
        notes += said
        moved = _moves(one, search.lockfile, lockfile, search.direct)
        if moved:
            moves += moved
            files |= search.files(lockfile, moved)
    touched = (*files, *_expected_closures(root, moves)) if files else ()
    return Upgrade(root, tuple(moves), files, tuple(sorted(touched)), tuple(notes))


class _Search:
    """Looks for the newest versions that fit in one resolve."""

    def __init__(self, root: Path, resolve: str, lines: Sequence[Line]) -> None:
        self.root = root
        self.resolve = resolve
        self.lines = lines
        self.direct: dict[str, Requirement] = {line.name: line.requirement for line in lines}
        self.path = resolves(root)[resolve]
        try:
            self.lockfile = Lockfile.parse((root / self.path).read_text())
        except OSError as error:
            raise UserError(f"{self.path}: cannot be read: {error.strerror}.") from error

    def best(
        self, candidates: Mapping[str, Sequence[str]], asked: Mapping[str, Requirement]
    ) -> tuple[Lockfile, list[str]]:
        """The lockfile with all of them as new as they can be, and what did not fit."""
        lockfile, notes = self.lockfile, []
        for name, versions in candidates.items():
            present = lockfile.pins()[name]
            update = LockUpdate(self.root, lockfile, self.direct)
            open_ended = not asked[name].specifier
            newer = [one for one in versions if not open_ended or Version(one) > Version(present)]
            if not newer or newer[0] == present:
                notes.append(f"{self.resolve}: {name} is at {present}, and nothing newer fits.")
                continue
            for version in newer[:_MOST_VERSIONS]:
                say(f"{self.resolve}: trying {name} {version} …")
                try:
                    lockfile = update.move({name: version})
                    break
                except UnresolvableError as error:
                    notes.append(
                        f"{self.resolve}: {name} {version} cannot be had:\n  {error.reason}"
                    )
            else:
                if not open_ended:
                    raise UserError(f"Nothing was upgraded. {notes[-1]}")
                notes.append(f"{self.resolve}: {name} stays at {present}.")
        return lockfile, notes

    def files(self, lockfile: Lockfile, moved: Iterable[Move]) -> dict[str, str]:
        """The lockfile and the files of requirements, as they are to be."""
        versions = {move.name: move.new for move in moved if move.is_required}
        found = {self.path: lockfile.to_text()}
        for file in dict.fromkeys(line.file for line in self.lines if line.name in versions):
            path = file.relative_to(self.root).as_posix()
            found[path] = rewritten(file.read_text(), versions)
        return found


def _candidates(root: Path, name: str, asked: Requirement) -> list[str]:
    """The versions to try, the newest first."""
    exact = [one.version for one in asked.specifier if one.operator == "=="]
    if exact and "*" not in exact[0]:
        return exact[:1]
    found = list(asked.specifier.filter(versions_of(root, name)))
    if not found:
        raise UserError(f"{asked}: the index has no such version. Nothing was upgraded.")
    return found


def _moves(
    resolve: str, before: Lockfile, after: Lockfile, direct: Mapping[str, Requirement]
) -> list[Move]:
    old, new = before.pins(), after.pins()
    return [
        Move(resolve, name, old.get(name, ""), new.get(name, ""), name in direct)
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    ]


def _closures(root: Path) -> dict[str, str]:
    files = sorted((root / CLOSURES).rglob("*.txt"))
    return {file.relative_to(root).as_posix(): file.read_text() for file in files}


def _expected_closures(root: Path, moves: Iterable[Move]) -> list[str]:
    """Those that name what moves: what is to be written there, Pants knows later."""
    gone = {(move.resolve, f"{move.name}=={move.old}  ") for move in moves if move.old}
    return [
        path
        for path, text in _closures(root).items()
        for resolve, pin in gone
        if Path(path).parent.name == resolve and f"\n{pin}" in text
    ]


@contextmanager
def restored_on_failure(root: Path, paths: Iterable[str]) -> Iterator[None]:
    """Where the body fails or is interrupted, let files and folders of files be as they were."""
    before: dict[Path, bytes] = {}
    folders = [root / path for path in paths if (root / path).is_dir()]
    for path in paths:
        place = root / path
        for file in place.rglob("*.txt") if place.is_dir() else [place]:
            before[file] = file.read_bytes()
    try:
        yield
    except BaseException:
        for file, content in before.items():
            if not file.is_file() or file.read_bytes() != content:
                with staged(file, option="file") as staging:
                    staging.write_bytes(content)
        for folder in folders:
            for file in folder.rglob("*.txt"):
                if file not in before:
                    file.unlink()
        raise
