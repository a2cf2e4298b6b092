"""A plan: what a deployment or a rollback changes, and the steps that change it."""

from __future__ import annotations

import difflib
import hashlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from cli.errors import InputError
from cli.terminal import confirm, say, show, show_table
from tools.release.steps import Step, run_steps

_SHORT = 12
NOTHING = "none"


@dataclass(frozen=True)
class Row:
    """One part of a release: what is deployed now, and what would be."""

    name: str
    current: str
    new: str

    @property
    def is_change(self) -> bool:
        """Whether the plan changes it."""
        return self.current != self.new


@dataclass(frozen=True)
class Plan:
    """The changes; `number` is the release that would run or, if nothing changes, runs now."""

    title: str
    number: int
    rows: tuple[Row, ...]
    details: tuple[str, ...]
    steps: tuple[Step, ...]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.steps

    def show(self) -> None:
        """Print the plan."""
        rows = [
            (row.name, row.current, row.new if row.is_change else "(the same)")
            for row in self.rows
            if (row.current, row.new) != (NOTHING, NOTHING)
        ]
        show_table(self.title, ("", "current", "new"), rows)
        for line in self.details:
            show(line)

    def apply(self) -> None:
        """Run all steps; if one fails, undo the earlier ones.

        Raises:
            UserError: a step failed.
        """
        run_steps(self.steps, title=self.title)

    def confirm_and_apply(self, *, dry_run: bool, yes: bool, done: str) -> int:
        """Show the plan, ask for confirmation, and apply it; return the exit code.

        `done` is the verb of the last message, such as `deployed`.

        Raises:
            InputError: there is no terminal to ask.
            UserError: a step failed.
        """
        if self.is_empty:
            show(f"{self.title}: nothing to do, release {self.number} is already deployed.")
            return 0
        self.show()
        if dry_run:
            return 0
        if not is_confirmed(yes=yes):
            say("Nothing was done.")
            return 1
        self.apply()
        show(f"{self.title}: {done} release {self.number}.")
        return 0


def is_confirmed(*, yes: bool) -> bool:
    """Ask for confirmation; `yes` skips the question.

    Raises:
        InputError: there is no terminal to ask.
    """
    if yes:
        return True
    if not sys.stdin.isatty():
        raise InputError(
            "There is no terminal to ask for confirmation. Nothing was done. "
            "Use --yes to skip the question."
        )
    try:
        return confirm("Do it?")
    except EOFError:
        return False


def shorten(text: str) -> str:
    """The first digits of a digest or a commit."""
    algorithm, colon, digits = text.rpartition(":")
    return f"{algorithm}{colon}{digits[:_SHORT]}"


def image_digest(image: str) -> str:
    """The digest in an image's name, shortened."""
    return shorten(image.partition("@")[2]) or NOTHING


def declaration_digest(declaration: bytes | None) -> str:
    """The digest of a DAG's declaration, shortened."""
    if declaration is None:
        return NOTHING
    return f"dag.toml {hashlib.sha256(declaration).hexdigest()[:_SHORT]}"


def diff_declarations(current: bytes | None, new: bytes, file: str) -> Iterator[str]:
    """The lines in which two declarations differ; nothing if none is deployed."""
    if current is None or current == new:
        return
    before, after = (text.decode().splitlines() for text in (current, new))
    yield from difflib.unified_diff(before, after, f"{file}, current", f"{file}, new", lineterm="")
