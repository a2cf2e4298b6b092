"""Vulnerabilities that are accepted until a given day."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from vulnerabilities.failures import UsageError


@dataclass(frozen=True)
class Ignored:
    """One line of the list; `until` is the last day on which it counts."""

    id: str
    until: date
    reason: str


def read(file: Path) -> list[Ignored]:
    """Read the list. Each line has an id, the last day and a reason; `#` starts a comment."""
    try:
        lines = file.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: cannot be read ({type(error).__name__}).") from error
    return [
        _parse(line, f"{file}:{number}")
        for number, line in enumerate(lines, start=1)
        if line.strip() and not line.lstrip().startswith("#")
    ]


def find(ids: Iterable[str], ignored: Iterable[Ignored], today: date) -> Ignored | None:
    """The line that accepts one of these ids today."""
    wanted = set(ids)
    return next((line for line in ignored if line.id in wanted and today <= line.until), None)


def _parse(line: str, place: str) -> Ignored:
    match line.split(maxsplit=2):
        case [id_, until, reason]:
            try:
                return Ignored(id_, date.fromisoformat(until), reason)
            except ValueError:
                pass
    raise UsageError(f"{place}: expected `ID YYYY-MM-DD REASON`, got {line!r}.")
