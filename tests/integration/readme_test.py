"""The commands and the Python code of the README and of the documentation's pages, typed.

`bash` blocks of these pages are typed, `shell` blocks are not: those wait for an answer, run a
server or need one.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from integration.commands import (
    ROOT,
    Result,
    commit_all,
    copy_repository,
    copy_test_support,
    start,
    stop_pantsd,
)

# In the order in which their commands are typed: later pages use the files of earlier ones.
PAGES = (
    "README.md",
    *(
        f"docs/pages/{name}.md"
        for name in (
            "predict",
            "new_model",
            "modules/datasets",
            "modules/feature_store",
            "modules/validation",
            "modules/data_exports",
            "modules/config",
            "modules/tools",
            "changes",
            "package",
            "lint",
            "dags",
            "data_scientist",
        )
    ),
)
TEXT = "\n".join((ROOT / page).read_text() for page in PAGES)


def blocks(language: str, text: str = TEXT) -> list[str]:
    """The blocks of a language, without those that show a file of the repository."""
    found = re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [block for block in found if not block.startswith("--8<--")]


def commands(start_with: str) -> list[str]:
    """The different lines of `bash` blocks that start so, in order."""
    lines = [line for block in blocks("bash") for line in block.splitlines()]
    return [line for line in dict.fromkeys(lines) if re.match(start_with, line)]


@dataclass(frozen=True)
class Repository:
    root: Path

    def type(self, line: str) -> Result:
        environment = {"PANTS_PANTSD": "true", "MLFLOW_TRACKING_URI": "", "COLUMNS": "80"}
        result = Result.of(start("bash", "-c", line, cwd=self.root, env=environment), timeout=600)
        assert result.code == 0, (line, result.out, result.err)
        return result


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    root = tmp_path_factory.mktemp("readme")
    copy_repository(root)
    # For the tests of the model that it starts.
    copy_test_support(root)
    commit_all(root)
    (flowers,) = blocks("csv")
    (root / "flowers.csv").write_text(flowers)
    try:
        yield Repository(root)
    finally:
        stop_pantsd(root)


def words(text: str) -> list[list[str]]:
    """Each line's words, without the seconds that it took."""
    lines = [re.sub(r"(seconds +)[0-9.]+", r"\1", line).split() for line in text.splitlines()]
    return [line for line in lines if line]


def test_the_first_command_trains_and_prints_the_output_in_the_readme(
    repository: Repository,
) -> None:
    first, *_ = commands(r"\./pants run")
    assert first == "./pants run src/models/iris:predict"
    result = repository.type(first)
    shown, *_ = (block for block in blocks("text") if block.startswith("iris: predicted"))
    assert words(result.out) == words(shown)
    assert "Training one first" in result.err


def test_every_run_command_works(repository: Repository) -> None:
    for line in commands(r"(DATASCIENCE_\w+=\S+ )?\./pants run"):
        repository.type(line)
    header, *rows = (repository.root / "species.csv").read_text().splitlines()
    assert header.replace('"', "").split(",") == [
        "garden",
        "species",
        "probability_setosa",
        "probability_versicolor",
        "probability_virginica",
    ]
    assert [row.replace('"', "").split(",")[:2] for row in rows] == [
        ["north", "setosa"],
        ["south", "virginica"],
    ]
    manifest = json.loads((repository.root / "species.csv.manifest.json").read_text())
    assert (manifest["rows"], manifest["model"]) == (2, "iris")


def test_every_python_example_runs(repository: Repository) -> None:
    printed = []
    for block in blocks("python"):
        done = subprocess.run(
            [sys.executable, "-c", block],
            cwd=repository.root,
            env={**os.environ, "PYTHONPATH": str(repository.root / "src")},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout)
    assert "revenue_per_employee" in printed[0]
    assert printed[0].count("100.0") == 3


def test_the_package_command_writes_the_package_it_names(repository: Repository) -> None:
    # Images are built in images_test.py, which has an engine.
    (line,) = commands(r"\./pants package \S+:predict$")
    repository.type(line)
    (pex,) = re.findall(r"`python3\.13 (\S+) --help`", TEXT)
    helped = repository.type(f"{sys.executable} {pex} --help")
    assert "Predict the species of iris flowers." in helped.out


def test_bad_input_gets_the_message_in_the_documentation(repository: Repository) -> None:
    errors = (ROOT / "docs/pages/errors.md").read_text()
    (shown,) = (block for block in blocks("text", errors) if block.startswith("flowers.csv"))
    (flowers,) = blocks("csv")
    header, row, _ = flowers.splitlines()
    numbers = [int(number) for number in re.findall(r"\d+", shown.rpartition("rows:")[2])]
    bad = row.replace(",0.2,", ",,")
    rows = [bad if number in numbers else row for number in range(1, max(numbers) + 1)]
    (repository.root / "flowers.csv").write_text("\n".join([header, *rows]) + "\n")
    line = "./pants run src/models/iris:predict -- --input flowers.csv --output species.csv"
    failed = Result.of(start("bash", "-c", line, cwd=repository.root), timeout=600)
    assert (failed.code, failed.out) == (2, "")
    assert failed.err.endswith(shown)
