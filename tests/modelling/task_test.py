"""What a command line loads, and how its errors come out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import models
from models import evaluate, gate, predict, train
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


def test_the_articles_command_predicts(champion: Path) -> None:
    command = [sys.executable, "-m", "models.predict", "--model", "iris"]
    done = subprocess.run(
        [*command, "--output", "species.csv"], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    header, *rows = (champion / "species.csv").read_text().splitlines()
    assert header.replace('"', "").startswith("species,probability_setosa,")
    assert len(rows) == 150


@pytest.mark.parametrize("task", [predict, train, evaluate, gate], ids=lambda task: task.__name__)
def test_without_a_model_the_packaged_ones_are_listed_with_their_commands(
    repository: Path, call: CallTask, monkeypatch: pytest.MonkeyPatch, task: ModuleType
) -> None:
    """What a package holds are the folders that lie next to its tasks."""
    for name in ("iris", "tulip"):
        (repository / name).mkdir()
        (repository / name / "__init__.py").touch()
    monkeypatch.setattr(models, "__path__", [str(repository)])
    asked = call(task.main)
    assert (asked.code, asked.out) == (2, "")
    assert asked.err.splitlines() == [
        "--model is missing. Choose one of these:",
        f"  iris   python -m {task.__name__} --model iris",
        f"  tulip  python -m {task.__name__} --model tulip",
        f"In a clone: ./pants run src/models:{task.__name__.rpartition('.')[2]} -- --model iris",
    ]


def test_help_names_every_option_with_its_default(repository: Path, call: CallTask) -> None:
    result = call(main, "--help", definition=IRIS)
    assert (result.code, result.err) == (0, "")
    for expected in ("--input", "--output", "--batch-rows", "(default: 262144)", "--environment"):
        assert expected in result.out
