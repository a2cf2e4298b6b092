"""Notebooks in a git repository: what a change touches, what is executed, what is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from integration.clones import SharedRepository
from integration.commands import Result, commit_all, start

CHANGED = ("--changed-since=HEAD", "--changed-dependents=transitive")
FLOWERS = "notebooks/flowers.ipynb"
NUMBERS = "notebooks/numbers.ipynb"
OF_THE_MODEL = "src/models/iris/notebooks/petals.ipynb"
OF_THE_SITE = "docs/pages/notebooks/flowers.ipynb"


def notebook(*cells: str) -> str:
    as_cells = [
        {"cell_type": "code", "id": f"cell{number}", "metadata": {}, "outputs": [], "source": cell}
        for number, cell in enumerate(cells)
    ]
    document = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": as_cells}
    return json.dumps(document)


@dataclass(frozen=True)
class Repository:
    """The build definition, the shared modules, iris, and notebooks of its own."""

    root: Path

    @classmethod
    def new(cls, root: Path) -> Repository:
        repository = cls(root)
        repository.write(FLOWERS, notebook("%%time\nfrom models.iris.dataset import load_flowers"))
        repository.write(NUMBERS, notebook("import os, sys\nx = 1\nprint(x)"))
        repository.write(
            OF_THE_MODEL,
            notebook(
                "%matplotlib inline",
                "from models.iris.dataset import load_flowers\nfrom models.iris.features import "
                "flower_features\n\npetals = flower_features(load_flowers())",
                "petals.plot.scatter('petal_length_cm', 'petal_area_cm2')\nlen(petals)",
            ),
        )
        repository.write(OF_THE_SITE, notebook("import datasets.flowers\nprint('shown')"))
        repository.pants("tailor", "notebooks::", "src/models/iris::", "docs::")
        commit_all(root)
        return repository

    def write(self, file: str, text: str) -> None:
        path = self.root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def append(self, file: str, text: str = "# Changed.\n") -> None:
        self.write(file, (self.root / file).read_text() + text)

    def run(self, *command: str, code: int = 0) -> Result:
        result = Result.of(
            start(*command, cwd=self.root, env={"PANTS_PANTSD": "true"}), timeout=600
        )
        assert result.code == code, (command, result.out, result.err)
        return result

    def pants(self, *arguments: str, code: int = 0) -> Result:
        return self.run("./pants", "--no-dynamic-ui", "--no-colors", *arguments, code=code)

    def touched(self) -> set[str]:
        listed = self.pants(*CHANGED, "list").out.split()
        return {target for target in listed if target.endswith(".ipynb")}


@pytest.fixture(scope="module")
def once(shared: SharedRepository) -> Iterator[Repository]:
    with shared.lend() as root:
        yield Repository.new(root)


@pytest.fixture
def repository(once: Repository) -> Iterator[Repository]:
    yield once
    once.run("git", "reset", "--quiet", "--hard")
    once.run("git", "clean", "--quiet", "--force", "-d")


def test_tailor_finds_each_notebook(repository: Repository) -> None:
    assert (repository.root / "notebooks/BUILD").read_text() == "notebooks()\n"
    assert (repository.root / "src/models/iris/notebooks/BUILD").read_text() == "notebooks()\n"
    assert (repository.root / "docs/pages/notebooks/BUILD").read_text() == "notebooks()\n"
    repository.pants("tailor", "--check", "notebooks::", "src/models/iris::", "docs::")


@pytest.mark.parametrize(
    ("file", "touched"),
    [
        ("src/models/iris/features.py", {OF_THE_MODEL}),
        ("src/models/iris/dataset.py", {OF_THE_MODEL, FLOWERS}),
        ("src/datasets/flowers.py", {OF_THE_MODEL, FLOWERS, OF_THE_SITE}),
        ("src/models/iris/predict.py", set()),
        (
            "3rdparty/python/closures/default/ipykernel.txt",
            {OF_THE_MODEL, FLOWERS, NUMBERS, OF_THE_SITE},
        ),
    ],
)
def test_a_change_touches_the_notebooks_that_it_can_break(
    repository: Repository, file: str, touched: set[str]
) -> None:
    repository.append(file)
    assert repository.touched() == touched


def test_a_model_notebook_imports_no_other_model(repository: Repository) -> None:
    repository.write("src/models/tulip/BUILD", "python_sources()\n")
    repository.write("src/models/tulip/features.py", "")
    repository.write(OF_THE_MODEL, notebook("import models.tulip.features"))
    refused = repository.pants("dependencies", OF_THE_MODEL, code=1)
    assert "a notebook about several belongs in /notebooks" in refused.err


def test_notebooks_are_executed_and_cached_without_their_outputs(repository: Repository) -> None:
    first = repository.pants("test", OF_THE_MODEL, NUMBERS, OF_THE_SITE)
    for place in (OF_THE_MODEL, NUMBERS, OF_THE_SITE):
        assert f"✓ {place} succeeded" in first.err
    executed = repository.root / "dist/test/src.models.iris.notebooks.petals.ipynb/petals.ipynb"
    outputs = json.loads(executed.read_bytes())["cells"][2]["outputs"]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    # What was executed has outputs, and so is another file: nothing runs again for that.
    repository.write(OF_THE_MODEL, executed.read_text())
    again = repository.pants("test", OF_THE_MODEL)
    assert f"✓ {OF_THE_MODEL} succeeded" in again.err
    assert "(memoized)" in again.err or "(cached locally)" in again.err


def test_what_fails_is_told_with_its_cell_and_the_others_run(repository: Repository) -> None:
    repository.write("notebooks/BUILD", 'notebooks(overrides={"endless.ipynb": {"timeout": 15}})\n')
    repository.write("notebooks/broken.ipynb", "<<<<<<< HEAD\n")
    repository.write("notebooks/endless.ipynb", notebook("x = 0", "while True:\n    x += 1"))
    repository.write("notebooks/failing.ipynb", notebook("x = 0", "y = 1\ny / x"))
    failed = repository.pants("test", "notebooks:", code=1)
    assert "notebooks/failing.ipynb: cell 2 failed: ZeroDivisionError" in failed.err
    assert "   2 | y / x" in failed.err
    assert (
        "notebooks/endless.ipynb: cell 2 was running when the notebook's timeout of 15 s ended"
        in failed.err
    )
    assert "notebooks/broken.ipynb:1:1 is not JSON" in failed.err
    assert f"✓ {NUMBERS} succeeded" in failed.err
    assert "Traceback (most recent call last):\n  File" not in failed.err


def test_a_notebook_sees_what_was_inferred_and_nothing_else(repository: Repository) -> None:
    source = "__import__('importlib').import_module('models.' + 'iris.dataset')"
    repository.write(NUMBERS, notebook(source))
    failed = repository.pants("test", NUMBERS, code=1)
    assert "cell 1 failed: ModuleNotFoundError: No module named 'models'" in failed.err


def test_fmt_cleans_and_the_second_time_changes_nothing(repository: Repository) -> None:
    only = ("--only=nbdev-clean",)
    untidy = json.loads(notebook("x=1"))
    untidy["cells"][0].update(execution_count=3, outputs=[{"output_type": "stream", "text": "1"}])
    repository.write(NUMBERS, json.dumps(untidy))
    assert "nbdev-clean failed" in repository.pants("lint", *only, NUMBERS, code=1).err
    repository.pants("fmt", *only, NUMBERS)
    cleaned = (repository.root / NUMBERS).read_text()
    cell = json.loads(cleaned)["cells"][0]
    assert (cell["execution_count"], cell["outputs"]) == (None, [])
    assert "made no changes" in repository.pants("fmt", *only, NUMBERS).err
    assert (repository.root / NUMBERS).read_text() == cleaned


def test_fmt_leaves_a_broken_notebook_and_lint_tells_why(repository: Repository) -> None:
    broken = notebook("x = 1", "def f(:")
    repository.write(NUMBERS, broken)
    repository.write(FLOWERS, "{}")
    told = repository.pants("lint", "--only=jupyter", "notebooks:", code=1)
    assert f"{NUMBERS}: cell 2, line 1 does not parse" in told.err
    assert f"{FLOWERS} is not a notebook: it has no `nbformat`." in told.err
    repository.pants("fmt", "--only=nbdev-clean", "notebooks:")
    assert (repository.root / FLOWERS).read_text() == "{}"
