"""How a task ends: its exit code, and what it says."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import ClassVar, NoReturn

import pytest

from config.errors import UserError
from config.settings import Settings
from config.task import Command, Invocation, main, main_of_commands
from support.tasks import CallTask, Result


class GreetSettings(Settings):
    """Whom to greet."""

    section: ClassVar[str] = "greet"

    name: str = "you"


def failing_with(error: BaseException) -> Callable[..., NoReturn]:
    def run(settings: GreetSettings, invocation: Invocation) -> int:
        raise error

    return partial(main, GreetSettings, run, prog="greet", doc=None)


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (UserError("Do this."), 1, "Do this.\n"),
        (KeyboardInterrupt(), 130, "\nInterrupted; the earlier output is untouched.\n"),
        (
            ValueError("odd"),
            1,
            "Unexpected ValueError: odd\n"
            "This is a defect. Run again with DATASCIENCE_DEBUG=1 to see where it happened.\n",
        ),
    ],
)
def test_an_error_is_one_message_and_an_exit_code(
    error: BaseException, code: int, message: str, repository: Path, call: CallTask
) -> None:
    result = call(failing_with(error))
    assert (result.code, result.out, result.err) == (code, "", message)


def test_a_traceback_is_there_for_who_asks(
    repository: Path, call: CallTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATASCIENCE_DEBUG", "1")
    assert "Traceback" in call(failing_with(ValueError("odd"))).err


def test_a_task_gets_its_settings_its_choices_and_further_sections(
    repository: Path, call: CallTask
) -> None:
    (repository / "own.toml").write_text('[greet]\nname = "all"\n')
    seen: list[object] = []

    def run(settings: GreetSettings, invocation: Invocation) -> int:
        seen.extend([settings.name, invocation.choices, invocation.load(GreetSettings).name])
        return 3

    greet = partial(
        main,
        GreetSettings,
        run,
        prog="greet",
        doc=None,
        choices={"language": lambda: ["en", "nl"]},
    )
    assert call(greet, "--language", "nl", "--config", "own.toml", "--name", "me").code == 3
    assert seen == ["me", {"language": "nl"}, "all"]
    assert call(greet, "--language", "fr").code == 2


def test_a_command_line_with_several_commands_runs_the_one_that_is_named(
    repository: Path, call: CallTask
) -> None:
    def run(settings: GreetSettings, invocation: Invocation) -> int:
        print(f"Hello, {settings.name}.")
        return 3

    commands = {"greet": Command(GreetSettings, run, "Say hello.\n\nTo one only.")}
    several = partial(main_of_commands, commands, prog="polite", doc="Be polite.")
    assert call(several, "greet", "--name", "Ann") == Result(3, "Hello, Ann.\n", "")
    assert call(several, "--help") == Result(
        0,
        "usage: python -m polite COMMAND [OPTIONS]\n\nBe polite.\n\ncommands:\n"
        "  greet     Say hello.\n\n`COMMAND --help` lists the options of one.\n",
        "",
    )
    assert "To one only." in call(several, "greet", "--help").out
    unknown = call(several, "gret", "--name", "Ann")
    assert (unknown.code, unknown.err) == (
        2,
        "Unknown command 'gret'; commands: greet. See `python -m polite --help`.\n",
    )
    assert call(several).err == "Name a command: greet. See `python -m polite --help`.\n"
