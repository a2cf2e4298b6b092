"""Measure the inference of notebooks' dependencies, compared with a command that infers nothing.

    python3 benchmarks/notebooks.py [notebooks]

In a clone with 300 more notebooks, each with its own code, it runs `./pants dependencies` of all of
them: cold (Pants has just started, with an empty store), warm (the same again), and after an edit
of one notebook. Each is compared with `./pants list` of the same notebooks in the same state.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
FOLDER = "notebooks/generated"
SPEC = f"{FOLDER}::"
ROUNDS = 3
# The modules that edits import. No notebook imports them before.
MODULES = ("duckdb", "numexpr", "fsspec")

CELLS = (
    "%matplotlib inline\nimport matplotlib.pyplot as plt\nimport numpy as np, pandas as pd",
    "%load_ext autoreload\n%autoreload 2\nfrom models.iris.dataset import load_flowers",
    "flowers = load_flowers()\n!echo 'it is number {number}'\nfiles = !ls",
    "%%time\nfrom feature_store.views.company import FeatureViewCompany\nrows = FeatureViewCompany",
    "def summary_{number}(table: pd.DataFrame) -> pd.Series:\n    return table.mean()",
    'type Numbers_{number} = list[float]\nprint(f"{{flowers["species"].nunique()}} species")',
    "for seed in range({number}):\n    np.random.default_rng(seed).normal(size=10)",
    "%%bash\npython -m models.iris.predict --help",
    "figure, axis = plt.subplots()\naxis.plot(summary_{number}(flowers))\nplt.show()",
    "flowers.head?",
)


def notebook(number: int, extra: str = "") -> str:
    sources = [f"# Notebook {number}{extra}", *(cell.format(number=number) for cell in CELLS)]
    cells = [{"cell_type": "code", "metadata": {}, "outputs": [], "source": s} for s in sources]
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells})


def new_repository(root: Path, count: int) -> None:
    subprocess.run(["git", "clone", "--quiet", ROOT, root], check=True)
    folder = root / FOLDER
    folder.mkdir(parents=True)
    (folder / "BUILD").write_text("notebooks()\n")
    for number in range(count):
        (folder / f"study_{number}.ipynb").write_text(notebook(number))


def seconds(root: Path, goal: str, environment: dict[str, str], has: str = "") -> float:
    """The duration of a goal, whose output must contain `has`."""
    start = time.perf_counter()
    done = subprocess.run(
        ["./pants", "--no-dynamic-ui", "--level=error", goal, SPEC],
        cwd=root,
        env=environment,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    took = time.perf_counter() - start
    if has not in done.stdout:
        raise RuntimeError(f"The output of {goal} is from before the edit: it lacks {has}.")
    return took


def store(root: Path, name: str) -> dict[str, str]:
    """Options for an empty store. A new store also starts a new daemon."""
    folder = root.parent / name
    shutil.rmtree(folder, ignore_errors=True)
    return {**os.environ, "PANTS_LOCAL_STORE_DIR": str(folder)}


def cold(root: Path, goal: str) -> tuple[float, dict[str, str]]:
    """The time of a first call without the start of Pants, and the environment for the next."""
    environment = store(root, f"store_{goal}")
    subprocess.run(
        ["./pants", "--version"], cwd=root, env=environment, check=True, stdout=subprocess.DEVNULL
    )
    # Loads options, rules and the BUILD files of another folder, but no notebook.
    subprocess.run(
        ["./pants", "--level=error", "list", "3rdparty/python/tools:ruff"],
        cwd=root,
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return seconds(root, goal, environment), environment


def time_after_edit(root: Path, goal: str, environment: dict[str, str], module: str) -> float:
    (root / FOLDER / "study_0.ipynb").write_text(notebook(0, f"\nimport {module}"))
    # The time until Pants notices the edit is the file system's, not ours.
    time.sleep(1)
    return seconds(root, goal, environment, module if goal == "dependencies" else "")


def measure(root: Path) -> dict[str, dict[str, float]]:
    times: dict[str, dict[str, float]] = {}
    for goal in ("list", "dependencies"):
        first, environment = cold(root, goal)
        warm = median(seconds(root, goal, environment) for _ in range(ROUNDS))
        after = median(time_after_edit(root, goal, environment, module) for module in MODULES)
        times[goal] = {"cold": first, "warm": warm, "after an edit": after}
    return times


def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve() / "repository"
        new_repository(root, count)
        times = measure(root)
    print(f"{count} notebooks      dependencies     list   ratio")
    for name, peer in times["list"].items():
        ours = times["dependencies"][name]
        print(f"{name:<14} {ours:16.2f} s {peer:6.2f} s {ours / peer:7.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 300)
