"""What a command line loads, and how its errors come out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from models.predict import main
from support.iris import IRIS
from support.tasks import CallTask

HEAVY = {
    "distributed",
    "matplotlib",
    "mlflow",
    "pandas",
    "pandera",
    "pyarrow",
    "scipy",
    "skops",
    "sklearn",
}


def loaded(statements: str, *argv: str) -> set[str]:
    """Which heavy libraries a fresh process has loaded at its end, however it ends."""
    report = "import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr))\n"
    command = [sys.executable, "-c", report + statements, *argv]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return HEAVY & set(done.stderr.splitlines()[-1].split())


RUN = "import runpy; runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize("task", ["predict", "train", "evaluate", "gate"])
@pytest.mark.parametrize("package", ["models", "models.iris"])
def test_neither_import_nor_help_loads_a_heavy_library(package: str, task: str) -> None:
    assert loaded(f"import {package}.{task}") == set()
    assert loaded(RUN, f"{package}.{task}", "--help") == set()


@pytest.mark.usefixtures("repository")
def test_prediction_draws_nothing_even_when_it_trains_first() -> None:
    for _ in ("trains first", "has a champion"):
        assert loaded(RUN, "models.iris.predict") == HEAVY - {"distributed", "matplotlib"}


def test_help_names_every_option_with_its_default(repository: Path, call: CallTask) -> None:
    result = call(main, "--help", definition=IRIS)
    assert (result.code, result.err) == (0, "")
    for expected in ("--input", "--output", "--batch-rows", "(default: 262144)", "--environment"):
        assert expected in result.out
