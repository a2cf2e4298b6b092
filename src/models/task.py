"""The skeleton of every task: its command line, its exit codes, and how it is interrupted.

Light on purpose: `--help` answers before pandas or scikit-learn are loaded.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NoReturn, Protocol, cast

import models
from config.errors import UserError
from config.settings import Settings, parse_command_line

if TYPE_CHECKING:
    from models.definition import LoadDefinition, ModelDefinition

DEBUG_VARIABLE = "DATASCIENCE_DEBUG"
INTERRUPTED = 130
TERMINATED = 143


class _Terminated(SystemExit):
    """SIGTERM came."""


class LoadSettings(Protocol):
    """Loads one more section, from where the task's own came from."""

    def __call__[S: Settings](self, section: type[S], /) -> S:
        """Merge its layers into one checked object."""


type RunTask[S: Settings] = Callable[[ModelDefinition, S, LoadSettings], int]


def main[S: Settings](
    settings: type[S],
    run: RunTask[S],
    load: LoadDefinition | None,
    *,
    prog: str,
    doc: str | None,
    argv: Sequence[str] | None = None,
) -> NoReturn:
    """Run a task's command line and exit: 0 done, 2 bad input, 1 failed, 130 or 143 interrupted.

    `load` gives the model's definition; where it is None, `--model NAME` chooses the model.
    """
    signal.signal(signal.SIGTERM, _terminate)
    sys.exit(_exit_code(lambda: _run(settings, run, load, prog, doc, argv)))


def model_names() -> list[str]:
    """The models that this program was packaged with."""
    return sorted(module.name for module in pkgutil.iter_modules(models.__path__) if module.ispkg)


def definition_of(name: str) -> ModelDefinition:
    """The definition of a model by its name."""
    module = importlib.import_module(f"models.{name}.definition")
    return cast("ModelDefinition", module.MODEL)


def _run[S: Settings](
    settings: type[S],
    run: RunTask[S],
    load: LoadDefinition | None,
    prog: str,
    doc: str | None,
    argv: Sequence[str] | None,
) -> int:
    options, values = parse_command_line(
        settings,
        argv,
        prog=f"python -m {prog}",
        description=doc,
        choices={} if load else {"model": model_names()},
    )

    def load_settings[T: Settings](section: type[T]) -> T:
        return section.load(environment=options.environment, file=options.config)

    definition = load() if load else definition_of(options.model)
    return run(definition, values, load_settings)


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
        # Whoever read our output has gone; Python would complain once more at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if os.environ.get(DEBUG_VARIABLE):
            traceback.print_exc()
        print(
            f"Unexpected {type(error).__name__}: {error}\n"
            f"This is a defect. Run again with {DEBUG_VARIABLE}=1 to see where it happened.",
            file=sys.stderr,
        )
        return 1


def _terminate(signal_number: int, frame: object) -> NoReturn:
    """Leave as an exception does, so that what is half-written is removed."""
    raise _Terminated(TERMINATED)
