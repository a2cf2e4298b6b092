"""Plan upgrades of requirements in all resolves, and write them."""

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
from data_access_layer.atomic import stage_path
from tools.change.affected_artifacts import trace_change
from tools.change.affected_rules import KINDS
from tools.upgrade.lock_update import Lockfile, LockUpdate, UnresolvableError, list_versions
from tools.upgrade.requirement_lines import (
    Line,
    check_known,
    parse_requirements,
    read_lines,
    with_versions,
)
from tools.workspace.lockfiles import resolves
from tools.workspace.pants import call_pants
from tools.workspace.target_graph import TargetGraph

CLOSURES = "3rdparty/python/closures"
_REQUIREMENTS = "3rdparty/python"
# The number of newer versions to try.
_MOST_VERSIONS = 4


@dataclass(frozen=True, order=True)
class Move:
    """A package whose version changes in a resolve; an empty version means no package."""

    resolve: str
    name: str
    old: str
    new: str
    is_required: bool


@dataclass(frozen=True)
class Upgrade:
    """The packages that change, and the files to write.

    Attributes:
        files: the new content of requirements files and lockfiles, by path from the root.
        touched: all files that change, including closures.
        notes: messages for the user, for example about versions that are not compatible.
    """

    root: Path
    moves: tuple[Move, ...]
    files: Mapping[str, str]
    touched: tuple[str, ...]
    notes: tuple[str, ...]
    is_written: bool = False

    def write(self) -> Upgrade:
        """Write the files and the closures: all or, if that fails, none.

        Raises:
            UserError: Pants cannot write the closures; no file changed.
        """
        root = self.root
        before = _closures(root)
        with restore_on_failure(root, [*self.files, CLOSURES]):
            for path, text in self.files.items():
                with stage_path(root / path, option="file") as staging:
                    staging.write_text(text)
                    shutil.copymode(root / path, staging)
            say("Writing the closures …")
            call_pants(root, ["fmt", "--only=requirement-closures", f"{_REQUIREMENTS}::"])
        after = _closures(root)
        changed = {path for path in {*before, *after} if before.get(path) != after.get(path)}
        return replace(self, touched=tuple(sorted({*self.files, *changed})), is_written=True)


def plan_upgrades(root: Path, names: Iterable[str], resolve: str = "") -> Upgrade:
    """Find what has to change so that these requirements are newer, or at the named versions.

    Raises:
        InputError: no requirements file has a name.
        UserError: a version cannot be resolved, or the index cannot be reached.
    """
    asked, lines = parse_requirements(names), read_lines(root, resolve)
    check_known(asked, lines, resolve)
    versions = {name: _candidates(root, name, asked[name]) for name in asked}
    files: dict[str, str] = {}
    moves: list[Move] = []
    notes: list[str] = []
    for one in sorted({line.resolve for line in lines if line.name in asked}):
        search = _Search(root, one, [line for line in lines if line.resolve == one])
        wanted = {name: found for name, found in versions.items() if name in search.direct}
        lockfile, messages = search.find_newest(wanted, asked)
        notes += messages
        moved = _moves(one, search.lockfile, lockfile, search.direct)
        if moved:
            moves += moved
            files |= search.files(lockfile, moved)
    touched = (*files, *_expected_closures(root, moves)) if files else ()
    return Upgrade(root, tuple(moves), files, tuple(sorted(touched)), tuple(notes))


def find_affected_names(upgrade: Upgrade) -> dict[str, list[str]]:
    """Find the names of the artifacts that the upgrade affects, by kind."""
    if not upgrade.files:
        return {}
    say("Asking Pants for the dependents …")
    change = trace_change(upgrade.touched, TargetGraph.of_repository(upgrade.root))
    return {kind.name: [one.name for one in change.of_kind(kind.name)] for kind in KINDS}


class _Search:
    """Searches the newest compatible versions in one resolve."""

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

    def find_newest(
        self, candidates: Mapping[str, Sequence[str]], asked: Mapping[str, Requirement]
    ) -> tuple[Lockfile, list[str]]:
        """Return the lockfile with the newest compatible versions, and messages about others."""
        lockfile, notes = self.lockfile, []
        for name, versions in candidates.items():
            current = lockfile.pins()[name]
            update = LockUpdate(self.root, lockfile, self.direct)
            open_ended = not asked[name].specifier
            newer = [one for one in versions if not open_ended or Version(one) > Version(current)]
            if not newer or newer[0] == current:
                notes.append(
                    f"{self.resolve}: {name} is at {current}; there is nothing newer to upgrade to."
                )
                continue
            for version in newer[:_MOST_VERSIONS]:
                say(f"{self.resolve}: trying {name} {version} …")
                try:
                    lockfile = update.move({name: version})
                    break
                except UnresolvableError as error:
                    notes.append(
                        f"{self.resolve}: {name} {version} is not compatible:\n  {error.reason}"
                    )
            else:
                if not open_ended:
                    raise UserError(f"Nothing was upgraded. {notes[-1]}")
                notes.append(f"{self.resolve}: {name} stays at {current}.")
        return lockfile, notes

    def files(self, lockfile: Lockfile, moved: Iterable[Move]) -> dict[str, str]:
        """The new content of the lockfile and the requirements files."""
        versions = {move.name: move.new for move in moved if move.is_required}
        found = {self.path: lockfile.to_text()}
        for file in dict.fromkeys(line.file for line in self.lines if line.name in versions):
            path = file.relative_to(self.root).as_posix()
            found[path] = with_versions(file.read_text(), versions)
        return found


def _candidates(root: Path, name: str, asked: Requirement) -> list[str]:
    """The versions to try, newest first."""
    exact = [one.version for one in asked.specifier if one.operator == "=="]
    if exact and "*" not in exact[0]:
        return exact[:1]
    found = list(asked.specifier.filter(list_versions(root, name)))
    if not found:
        raise UserError(f"{asked}: the package index has no such version. Nothing was upgraded.")
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
    """The closures that name a changed package: their new content is not known yet."""
    gone = {(move.resolve, f"{move.name}=={move.old}  ") for move in moves if move.old}
    return [
        path
        for path, text in _closures(root).items()
        for resolve, pin in gone
        if Path(path).parent.name == resolve and f"\n{pin}" in text
    ]


@contextmanager
def restore_on_failure(root: Path, paths: Iterable[str]) -> Iterator[None]:
    """Restore files, and folders of files, if the body fails or is interrupted."""
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
                with stage_path(file, option="file") as staging:
                    staging.write_bytes(content)
        for folder in folders:
            for file in folder.rglob("*.txt"):
                if file not in before:
                    file.unlink()
        raise
