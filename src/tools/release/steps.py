"""Steps that are all done, or undone again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cli.errors import UserError
from cli.terminal import say


@dataclass(frozen=True)
class Step:
    """One thing to do, and how it is put back; without that, it may stay."""

    name: str
    do: Callable[[], None]
    undo: Callable[[], None] | None = None


def carry_out(steps: Sequence[Step], *, what: str) -> None:
    """Do one step after the other; where one fails, or somebody interrupts, put back what was done.

    Raises:
        UserError: a step failed; says what is done, what was put back, and what could not be.
    """
    for number, step in enumerate(steps):
        done = steps[:number]
        try:
            step.do()
        except UserError as error:
            told = _undone(done, step)
            raise UserError(_failed(what, step, error, told, done)) from error
        except BaseException:
            say(f"{what}: interrupted at {step.name!r}. {_undone(done, step)}")
            raise
        say(f"  done: {step.name}")


def _undone(done: Sequence[Step], failed: Step) -> str:
    """Undo in reverse, also what a step that failed may have done; what came of it, in words."""
    unknown = "" if _undo(failed) else failed.name
    left = [step.name for step in reversed(done) if not _undo(step)]
    if left:
        return f"Could not be put back, and may be deployed in part: {'; '.join(left)}."
    if unknown:
        return (
            "What runs is what ran before: all else was put back. Only whether "
            f"{unknown!r} was done after all could not be looked at."
        )
    return "What runs is what ran before: all else was put back."


def _undo(step: Step) -> bool:
    """Whether it is as it was before the step, as far as that matters."""
    try:
        if step.undo:
            step.undo()
    except UserError:
        return False
    return True


def _failed(what: str, step: Step, error: UserError, told: str, done: Sequence[Step]) -> str:
    kept = [one.name for one in done if not one.undo]
    lines = [f"{what} failed at {step.name!r}: {error}", told]
    if kept:
        lines.append(f"Done, and kept: {', '.join(kept)}.")
    return "\n".join(
        [*lines, "Run the same command again when that is mended: it goes on from here."]
    )
