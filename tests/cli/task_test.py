"""How a task ends: its exit code, and its message."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import ClassVar, NoReturn

import pytest

from cli.errors import UserError
from cli.task import Command, TaskContext, main, main_of_commands
from config.settings import Settings
from support.tasks import CallTask, Result


class GreetSettings(Settings):
    """Whom to greet."""

    section: ClassVar[str] = "greet"

    name: str = "you"


def failing_with(error: BaseException) -> Callable[..., NoReturn]:
    def run(settings: GreetSettings, context: TaskContext) -> int:
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

    def run(settings: GreetSettings, context: TaskContext) -> int:
        seen.extend([settings.name, context.choices, context.load(GreetSettings).name])
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


def greeting(*languages: str) -> Callable[..., NoReturn]:
    """A task that takes one of several languages."""

    def run(settings: GreetSettings, context: TaskContext) -> int:
        return 0

    return partial(
        main,
        GreetSettings,
        run,
        prog="polite.greet",
        doc=None,
        choices={"language": lambda: languages},
    )


@pytest.mark.parametrize("argv", [(), ("--name", "Ann"), ("--languag", "nl")])
def test_a_missing_choice_is_answered_with_the_command_for_each(
    repository: Path, call: CallTask, argv: tuple[str, ...]
) -> None:
    assert call(greeting("nl", "fry"), *argv) == Result(
        2,
        "",
        "--language is missing. Choose one of these:\n"
        "  nl   python -m polite.greet --language nl\n"
        "  fry  python -m polite.greet --language fry\n"
        "In a clone: ./pants run src/polite:greet -- --language nl\n",
    )


def test_in_an_image_the_commands_are_the_engines(
    repository: Path, call: CallTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATASCIENCE_IMAGE", "datascience:content-0123")
    assert call(greeting("nl", "fry")).err == (
        "--language is missing. Choose one of these:\n"
        "  nl   docker run --rm datascience:content-0123 polite.greet --language nl\n"
        "  fry  docker run --rm datascience:content-0123 polite.greet --language fry\n"
    )


@pytest.mark.parametrize("argv", [("--language", "nl"), ("--language=nl",), ("--help",), ("-h",)])
def test_a_choice_that_is_made_and_a_question_for_help_are_answered(
    repository: Path, call: CallTask, argv: tuple[str, ...]
) -> None:
    assert call(greeting("nl", "fry"), *argv).code == 0


def test_where_there_is_one_value_only_the_option_is_still_demanded(
    repository: Path, call: CallTask
) -> None:
    assert call(greeting("nl")) == Result(
        2,
        "",
        "the following arguments are required: --language. See `python -m polite.greet --help`.\n",
    )


def test_a_command_line_with_several_commands_runs_the_one_that_is_named(
    repository: Path, call: CallTask
) -> None:
    def run(settings: GreetSettings, context: TaskContext) -> int:
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
