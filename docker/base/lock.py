"""The pin file: which packages the base image is made of, byte for byte."""

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
# The moment is where snapshot.debian.org has these packages; every file of the image bears it.
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
    """How a package differs from the lock; None where one of the two has none of it."""

    locked: Package | None
    found: Package | None

    @property
    def is_same_version(self) -> bool:
        """Other bytes under the same version: Debian never does that."""
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
    """The packages of one architecture, as Debian had them at one moment."""

    moment: datetime
    architecture: str
    packages: tuple[Package, ...]

    @property
    def snapshot(self) -> str:
        """The moment as snapshot.debian.org writes it."""
        return self.moment.strftime(SNAPSHOT_FORMAT)

    @property
    def seconds(self) -> int:
        """The moment in seconds since 1970, which is what files bear."""
        return int(self.moment.timestamp())

    def changes(self, found: Iterable[Package]) -> tuple[Change, ...]:
        """What differs, by name."""
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
        InputError: a line is not as `render` writes it.
    """
    numbered = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    lines = [(number, line) for number, line in numbered if line and not line.startswith("#")]
    head = dict(line.split(" ", 1) for _, line in lines[:2] if " " in line)
    try:
        moment = datetime.strptime(head["snapshot"], SNAPSHOT_FORMAT).replace(tzinfo=UTC)
        architecture = head["architecture"]
    except (KeyError, ValueError) as error:
        raise InputError(
            f"{origin}: expected `snapshot YYYYMMDDTHHMMSSZ` and `architecture NAME` as its first "
            f"two lines. Write it anew: {UPDATE}"
        ) from error
    packages = tuple(_package(line, f"{origin}:{number}") for number, line in lines[2:])
    return Lock(moment, architecture, packages)


def _package(line: str, place: str) -> Package:
    found = _PACKAGE.fullmatch(line)
    if not found:
        raise InputError(
            f"{place}: expected `name version sha256`, got {line!r}. Write it anew: {UPDATE}"
        )
    return Package(**found.groupdict())
