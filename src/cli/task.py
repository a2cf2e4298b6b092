"""The skeleton of every task: its command line, its exit codes, and how it is interrupted.

It imports little, so that `--help` prints without loading pandas or scikit-learn.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, Protocol, Self

from cli.errors import InputError, UserError
from cli.safe_text import safe

DEBUG_VARIABLE = "DATASCIENCE_DEBUG"
# Set in every image (docker/image.Dockerfile): the image's name.
IMAGE_VARIABLE = "DATASCIENCE_IMAGE"
INTERRUPTED = 130
TERMINATED = 143


class _Terminated(SystemExit):
    """The process received SIGTERM."""


class TaskSettings(Protocol):
    """What a task requires of its settings; `config.settings.Settings` provides it."""

    @classmethod
    def load(cls, *, environment: str | None = None, file: Path | str | None = None) -> Self:
        """Load from files and the environment."""

    @classmethod
    def parse(
        cls,
        argv: Sequence[str] | None,
        *,
        prog: str,
        description: str | None,
        choices: Mapping[str, Sequence[str]] | None = None,
    ) -> tuple[Namespace, Self]:
        """Load from files, the environment and a command line."""


@dataclass(frozen=True)
class TaskContext:
    """How a task was called, apart from its settings; `stack` is closed when the task ends.

    Without a command line, as in a notebook, use `TaskContext()`.
    """

    choices: Mapping[str, str] = field(default_factory=dict)
    environment: str | None = None
    file: Path | str | None = None
    stack: ExitStack = field(default_factory=ExitStack, compare=False, repr=False)

    def load[S: TaskSettings](self, section: type[S], /) -> S:
        """Load another section from the same sources as the task's own settings."""
        return section.load(environment=self.environment, file=self.file)


# For a call without a command line.
DEFAULTS: TaskContext = TaskContext()

type RunTask[S: TaskSettings] = Callable[[S, TaskContext], int]


def main[S: TaskSettings](
    settings: type[S],
    run: RunTask[S],
    *,
    prog: str,
    doc: str | None,
    argv: Sequence[str] | None = None,
    choices: Mapping[str, Callable[[], Sequence[str]]] | None = None,
) -> NoReturn:
    """Run a task's command line and exit: 0 done, 2 bad input, 1 failed, 130 or 143 interrupted.

    `choices` are further required options, each with a function that lists its values.
    """
    signal.signal(signal.SIGTERM, _terminate)

    def call() -> int:
        known = {name: values() for name, values in (choices or {}).items()}
        _check_chosen(prog, known, sys.argv[1:] if argv is None else argv)
        options, values = settings.parse(
            argv,
            prog=f"python -m {prog}",
            description=doc,
            choices=known,
        )
        chosen = {name: getattr(options, name) for name in choices or ()}
        with ExitStack() as stack:
            context = TaskContext(chosen, options.environment, options.config, stack)
            return run(values, context)

    sys.exit(_exit_code(call))


@dataclass(frozen=True)
class Command[S: TaskSettings]:
    """One command of a command line; the first line of `doc` is its summary."""

    settings: type[S]
    run: RunTask[S]
    doc: str


def main_of_commands(
    commands: Mapping[str, Command[Any]],
    *,
    prog: str,
    doc: str | None,
    argv: Sequence[str] | None = None,
) -> NoReturn:
    """Run the command that is the first argument, as `main` runs a task, and exit."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    chosen = commands.get(arguments[0]) if arguments else None
    if chosen:
        main(
            chosen.settings,
            chosen.run,
            prog=f"{prog} {arguments[0]}",
            doc=chosen.doc,
            argv=arguments[1:],
        )

    def explain() -> int:
        known = ", ".join(commands)
        if not arguments:
            raise InputError(f"Name a command: {known}. See `python -m {prog} --help`.")
        if arguments[0] not in ("-h", "--help"):
            raise InputError(
                f"Unknown command {arguments[0]!r}; commands: {known}. "
                f"See `python -m {prog} --help`."
            )
        print(f"usage: python -m {prog} COMMAND [OPTIONS]\n\n{(doc or '').strip()}\n\ncommands:")
        for name, command in commands.items():
            print(f"  {name:<10}{command.doc.strip().splitlines()[0]}")
        print("\n`COMMAND --help` lists the options of one.")
        return 0

    sys.exit(_exit_code(explain))


def _check_chosen(
    module: str, choices: Mapping[str, Sequence[str]], arguments: Sequence[str]
) -> None:
    """If a required choice is missing, list the command for each value."""
    given = {argument.partition("=")[0] for argument in arguments}
    if given & {"-h", "--help"}:
        return
    for name, values in choices.items():
        if f"--{name}" in given or len(values) < 2:
            continue
        image = os.environ.get(IMAGE_VARIABLE)
        command = f"docker run --rm {image} {module}" if image else f"python -m {module}"
        width = max(map(len, values))
        lines = [f"  {value:<{width}}  {command} --{name} {value}" for value in values]
        if not image:
            folder, _, task = module.replace(".", "/").rpartition("/")
            lines.append(f"In a clone: ./pants run src/{folder}:{task} -- --{name} {values[0]}")
        raise InputError("\n".join([f"--{name} is missing. Choose one of these:", *lines]))


def _exit_code(run: Callable[[], int]) -> int:
    try:
        return run()
    except KeyboardInterrupt:
        print("\nInterrupted; the earlier output is untouched.", file=sys.stderr)
        return INTERRUPTED
    except _Terminated:
        print("Terminated; the earlier output is untouched.", file=sys.stderr)
        return TERMINATED
    except UserError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        # The reader of our output is gone; Python would print another error when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if os.environ.get(DEBUG_VARIABLE):
            print(safe(traceback.format_exc()), file=sys.stderr)
        print(
            f"Unexpected {type(error).__name__}: {safe(str(error))}\n"
            f"This is a defect. Run again with {DEBUG_VARIABLE}=1 to see where it happened.",
            file=sys.stderr,
        )
        return 1


def _terminate(signal_number: int, frame: object) -> NoReturn:
    """Raise an exception, so that partial output is removed."""
    raise _Terminated(TERMINATED)
