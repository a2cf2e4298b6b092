"""Which engine is chosen, in a package that does not hold Dask."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from models.engines import DASK
from models.predict import main
from support.iris import IRIS
from support.tasks import CallTask

INPUT = ("--input", "flowers.parquet")


def test_where_dask_is_not_in_the_package_is_said_how_it_comes_there(
    champion: Path, call: CallTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As an import of what is not there fails, whatever this test was packaged with.
    monkeypatch.setitem(sys.modules, DASK, None)
    result = call(main, "--engine", "dask", *INPUT, "--output", "species", definition=IRIS)
    assert (result.code, result.out) == (2, "")
    assert result.err == (
        "--engine dask: Dask is not in this package. It is in that of all models: "
        "./pants run src/models:predict -- --model iris --engine dask. To have it in this one, "
        'write dynamic_dependencies=["src/models/dask_engine.py"] into '
        'pex_binary(name="predict", …) of src/models/iris/BUILD.\n'
    )
    assert "species" not in os.listdir()


@pytest.mark.usefixtures("champion")
@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (("--workers", "2"), "--workers is for --engine dask; the engine is local."),
        (("--scheduler", "tcp://h:1"), "--scheduler is for --engine dask; the engine is local."),
        (
            ("--engine", "dask", "--jobs", "2"),
            "--jobs is for --engine local; how many work for Dask, --workers says.",
        ),
        (
            ("--engine", "dask", "--workers", "2", "--scheduler", "tcp://h:1"),
            "--workers starts worker processes here, and --scheduler uses those that are "
            "elsewhere: choose one.",
        ),
    ],
)
def test_an_option_of_another_engine_is_refused(
    argv: tuple[str, ...], expected: str, call: CallTask
) -> None:
    result = call(main, *argv, *INPUT, definition=IRIS)
    assert (result.code, result.out, result.err) == (2, "", f"{expected}\n")
