"""What a command line loads, and how its errors come out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from config.errors import UserError
from models.definition import ModelDefinition
from models.iris.predict import definition
from models.predict import main
from support.tasks import CallTask

HEAVY = {"matplotlib", "mlflow", "pandas", "pandera", "pyarrow", "scipy", "skops", "sklearn"}


def loaded(statements: str, *argv: str) -> set[str]:
    """Which heavy libraries a fresh process has loaded at its end, however it ends."""
    report = "import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr))\n"
    command = [sys.executable, "-c", report + statements, *argv]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return HEAVY & set(done.stderr.splitlines()[-1].split())


RUN = "import runpy; runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize("task", ["predict", "train", "evaluate"])
@pytest.mark.parametrize("package", ["models", "models.iris"])
def test_neither_import_nor_help_loads_a_heavy_library(package: str, task: str) -> None:
    assert loaded(f"import {package}.{task}") == set()
    assert loaded(RUN, f"{package}.{task}", "--help") == set()


@pytest.mark.usefixtures("repository")
def test_prediction_draws_nothing_even_when_it_trains_first() -> None:
    for _ in ("trains first", "has a champion"):
        assert loaded(RUN, "models.iris.predict") == HEAVY - {"matplotlib"}


def test_help_names_every_option_with_its_default(repository: Path, call: CallTask) -> None:
    result = call(main, "--help", load=definition)
    assert (result.code, result.err) == (0, "")
    for expected in ("--input", "--output", "--batch-rows", "(default: 262144)", "--environment"):
        assert expected in result.out


def failing_with(error: BaseException) -> object:
    def load() -> ModelDefinition:
        raise error

    return load


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
    result = call(main, load=failing_with(error))
    assert (result.code, result.out, result.err) == (code, "", message)


def test_a_traceback_is_there_for_who_asks(
    repository: Path, call: CallTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATASCIENCE_DEBUG", "1")
    assert "Traceback" in call(main, load=failing_with(ValueError("odd"))).err
