"""Errors of the feature store."""

from __future__ import annotations

from collections.abc import Iterable

from cli.errors import InputError


class FeatureStoreError(InputError):
    """A view, a column, a filter or a timestamp is invalid."""


class BrokenViewError(FeatureStoreError):
    """Rows of a view break its contract; `problems` has each broken rule once."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def unknown_names(kind: str, names: Iterable[str], known: Iterable[str]) -> FeatureStoreError:
    """The error for unknown names, which lists the known ones."""
    asked = ", ".join(repr(name) for name in names)
    return FeatureStoreError(f"{kind} {asked}; known: {', '.join(sorted(known))}.")
