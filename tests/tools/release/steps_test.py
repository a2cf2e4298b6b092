"""Steps that fail are undone; tests/integration/release_test.py has real ones."""

from __future__ import annotations

import pytest

from cli.errors import UserError
from tools.release.steps import Step, run_steps


def fail() -> None:
    raise UserError("The bucket is full.")


def run(log: list[str], *, undo_fails: str = "") -> str:
    """Run three steps, of which the last fails; return the message."""

    def step(name: str) -> Step:
        undo = fail if name == undo_fails else lambda: log.append(f"undo {name}")
        return Step(name, lambda: log.append(name), undo)

    last = Step("write b", fail, fail if undo_fails == "write b" else lambda: log.append("undo b"))
    with pytest.raises(UserError) as raised:
        run_steps([Step("push", lambda: log.append("push")), step("write a"), last], title="iris")
    return str(raised.value)


def test_a_step_that_fails_and_the_earlier_ones_are_undone() -> None:
    log: list[str] = []
    assert run(log) == (
        "iris failed at 'write b': The bucket is full.\n"
        "All steps were undone: the earlier release still runs.\n"
        "Done, and kept: push.\n"
        "Fix this, and run the same command again: it continues from here."
    )
    assert log == ["push", "write a", "undo b", "undo write a"]


def test_a_step_that_cannot_be_undone_is_named() -> None:
    left = "Could not undo, so the release may be deployed in part: write a."
    assert left in run([], undo_fails="write a")


def test_a_failed_step_that_cannot_be_undone_may_have_had_an_effect() -> None:
    unknown = "Could not check whether 'write b' had an effect."
    assert unknown in run([], undo_fails="write b")


def test_an_interrupted_step_is_undone(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    undone: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        run_steps([Step("write a", interrupt, lambda: undone.append("a"))], title="iris")
    assert undone == ["a"]
    assert "iris: interrupted at 'write a'. All steps were undone" in capsys.readouterr().err
