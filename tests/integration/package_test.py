"""The packaged prediction of iris, as on a machine with CPython 3.13 and nothing else of ours."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from integration.commands import ROOT, Result, start

PEX = ROOT / "src.models.iris" / "predict.pex"
MEGABYTE = 1_000_000
FLOWERS = """\
sepal_length_cm,sepal_width_cm,petal_length_cm,petal_width_cm,garden
5.1,3.5,1.4,0.2,north
6.7,3.0,5.2,2.3,south
"""
# The last line is MLflow's client, with what its embedded store loads by name.
IMPORTED = {
    *("numpy", "pandas", "pandera", "scikit-learn", "scipy", "skops", "pyarrow"),
    *("pydantic", "pydantic-settings", "rich", "tenacity"),
    *("mlflow-skinny", "sqlalchemy", "alembic", "packaging"),
}
# What else this repository asks for, and what comes with it.
UNUSED = {
    *("matplotlib", "contourpy", "pillow", "jupyterlab", "notebook-shim", "ipykernel", "ipython"),
    *("mlflow", "flask", "graphene", "docker", "pytest", "psutil", "apache-airflow"),
}


def without_network() -> tuple[str, ...]:
    """What to put before a command so that it reaches nothing, not even its own machine."""
    for prefix in (("unshare", "--net"), ("unshare", "--map-root-user", "--net")):
        if (
            shutil.which(prefix[0])
            and not subprocess.run([*prefix, "true"], check=False).returncode
        ):
            return prefix
    pytest.skip("NOT TESTED: the network cannot be taken away here, neither as root nor as a user")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """The working folder of a machine: the package and an empty home lie beside it."""
    for name in ("home", "work"):
        (tmp_path / name).mkdir()
    shutil.copytree(PEX, tmp_path / "predict.pex", symlinks=True)
    return tmp_path / "work"


def predict(work: Path, *arguments: str) -> Result:
    """Run the package offline; PEX_ROOT, below the home, is empty at the first call."""
    environment = ("env", "-i", f"HOME={work.parent / 'home'}", "PATH=/usr/bin:/bin")
    python = Path(sys.executable).resolve()
    package = work.parent / "predict.pex"
    command: list[str | Path] = [*without_network(), *environment, python, package, *arguments]
    # The first call unpacks and compiles 67 packages.
    return Result.of(start(*command, cwd=work), timeout=600)


def test_it_trains_and_predicts_without_repository_network_and_installed_packages(
    work: Path,
) -> None:
    (work / "flowers.csv").write_text(FLOWERS)
    result = predict(work, "--input", "flowers.csv", "--output", "species.csv")
    assert result.code == 0, result.err
    assert "iris has no champion yet. Training one first." in result.err
    assert "iris: predicted" in result.out
    with (work / "species.csv").open(newline="") as file:
        rows = [(row["garden"], row["species"]) for row in csv.DictReader(file)]
    assert rows == [("north", "setosa"), ("south", "virginica")]
    assert sorted(path.name for path in work.iterdir()) == [
        ".mlflow",
        "flowers.csv",
        "species.csv",
        "species.csv.manifest.json",
    ]
    (work / "flowers.delta/_delta_log").mkdir(parents=True)
    for place in ("duckdb:///all.duckdb#flowers", "flowers.delta"):
        result = predict(work, "--input", place, "--output", "species.csv")
        assert (result.code, result.err.count("\n")) == (2, 1)
        assert result.err.startswith(f"{place}: this package reads and writes only Parquet and CSV")


def test_it_asks_for_what_prediction_imports_and_nothing_else() -> None:
    info = json.loads((PEX / "PEX-INFO").read_text())
    assert {requirement.partition("==")[0] for requirement in info["requirements"]} == IMPORTED
    wheels = {re.sub(r"[_.]", "-", wheel.partition("-")[0]) for wheel in info["distributions"]}
    assert wheels >= IMPORTED
    assert wheels & UNUSED == set()


def test_of_our_code_it_holds_what_prediction_imports_and_nothing_else() -> None:
    ours = {"cli", "config", "data_access_layer", "datasets", "modelling", "models", "validation"}
    assert {path.parent.name for path in PEX.glob("*/__init__.py")} - {"__pex__"} == ours
    assert sorted(path.name for path in (PEX / "models" / "iris").iterdir()) == [
        "__init__.py",
        "dataset.py",
        "definition.py",
        "features.py",
        "gate_thresholds.py",
        "pipeline.py",
        "predict.py",
        "schema.py",
    ]
    modelling = PEX / "modelling"
    assert not (modelling / "training" / "plots.py").exists()
    assert not (modelling / "scoring" / "dask_engine.py").exists()


def test_it_is_smaller_than_160_megabytes() -> None:
    size = sum(path.stat().st_size for path in PEX.rglob("*") if path.is_file())
    assert size < 160 * MEGABYTE
