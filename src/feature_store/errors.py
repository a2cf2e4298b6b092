"""What can be wrong with a question to the feature store."""

from __future__ import annotations

from collections.abc import Iterable

from cli.errors import InputError


class FeatureStoreError(InputError):
    """A view, a column, a filter or a moment is not as it must be."""


class BrokenViewError(FeatureStoreError):
    """The rows of a view break its contract; `problems` has each broken rule once."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def unknown(kind: str, names: Iterable[str], known: Iterable[str]) -> FeatureStoreError:
    """What was asked for and is not there, beside all that is."""
    asked = ", ".join(repr(name) for name in names)
    return FeatureStoreError(f"{kind} {asked}; known: {', '.join(sorted(known))}.")
