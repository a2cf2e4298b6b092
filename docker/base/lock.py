"""The pin file: the packages in the base image, with their hashes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from cli.errors import InputError

SNAPSHOT_FORMAT = "%Y%m%dT%H%M%SZ"
UPDATE = "./pants run docker/base:debian -- --update-lock"
_PACKAGE = re.compile(r"(?P<name>[a-z0-9][a-z0-9+.-]+) (?P<version>\S+) (?P<sha256>[0-9a-f]{64})")
_HEADER = f"""\
# Written by `{UPDATE}`.
# snapshot.debian.org has these packages at this time, which is also the date of the image's files.
"""


@dataclass(frozen=True, order=True)
class Package:
    """One .deb file."""

    name: str
    version: str
    sha256: str

    def __str__(self) -> str:
        return f"{self.name} {self.version} {self.sha256}"


@dataclass(frozen=True)
class Change:
    """How a package differs from the lock; None on the side that lacks it."""

    locked: Package | None
    found: Package | None

    @property
    def is_same_version(self) -> bool:
        """Whether a version has different content, which never happens in Debian."""
        return bool(self.locked and self.found and self.locked.version == self.found.version)

    def __str__(self) -> str:
        package = self.found or self.locked
        assert package
        if self.is_same_version and self.locked and self.found:
            before, after = (f"sha256 {side.sha256[:12]}…" for side in (self.locked, self.found))
            return f"{package.name} {package.version}: {before} → {after}"
        before = self.locked.version if self.locked else "none"
        return f"{package.name} {before} → {self.found.version if self.found else 'none'}"


@dataclass(frozen=True)
class Lock:
    """The packages of one architecture, as Debian had them at one time."""

    timestamp: datetime
    architecture: str
    packages: tuple[Package, ...]

    @property
    def snapshot(self) -> str:
        """The timestamp in the format of snapshot.debian.org."""
        return self.timestamp.strftime(SNAPSHOT_FORMAT)

    @property
    def seconds(self) -> int:
        """The timestamp in seconds since 1970, as in the dates of files."""
        return int(self.timestamp.timestamp())

    def changes(self, found: Iterable[Package]) -> tuple[Change, ...]:
        """The differences, sorted by name."""
        locked = {package.name: package for package in self.packages}
        present = {package.name: package for package in found}
        return tuple(
            Change(locked.get(name), present.get(name))
            for name in sorted(locked | present)
            if locked.get(name) != present.get(name)
        )


def render(lock: Lock) -> str:
    """The text of the file; `parse` reads it."""
    lines = [f"snapshot {lock.snapshot}", f"architecture {lock.architecture}"]
    return _HEADER + "\n".join([*lines, *map(str, sorted(lock.packages))]) + "\n"


def parse(text: str, *, origin: str) -> Lock:
    """Read a lock.

    Raises:
        InputError: A line is not in the format of `render`.
    """
    numbered = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    lines = [(number, line) for number, line in numbered if line and not line.startswith("#")]
    head = dict(line.split(" ", 1) for _, line in lines[:2] if " " in line)
    try:
        timestamp = datetime.strptime(head["snapshot"], SNAPSHOT_FORMAT).replace(tzinfo=UTC)
        architecture = head["architecture"]
    except (KeyError, ValueError) as error:
        raise InputError(
            f"{origin}: expected `snapshot YYYYMMDDTHHMMSSZ` and `architecture NAME` as its first "
            f"two lines. Recreate it: {UPDATE}"
        ) from error
    packages = tuple(_package(line, f"{origin}:{number}") for number, line in lines[2:])
    return Lock(timestamp, architecture, packages)


def _package(line: str, place: str) -> Package:
    found = _PACKAGE.fullmatch(line)
    if not found:
        raise InputError(
            f"{place}: expected `name version sha256`, got {line!r}. Recreate it: {UPDATE}"
        )
    return Package(**found.groupdict())
