"""A change of a contract in a repository with a real history, and a real Pants that is asked."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.clones import SharedRepository
from integration.commands import Result, start

FLOWERS = "src/datasets/flowers.py"


def run(root: Path, *command: str) -> Result:
    # A daemon makes each call after the first a quick one; the fixture ends it.
    started = start(*command, cwd=root, env={"PANTS_PANTSD": "true"})
    return Result.of(started, timeout=600)


def contracts(root: Path, *arguments: str) -> Result:
    pants = ("./pants", "--no-dynamic-ui", "--no-colors")
    return run(root, *pants, "run", "src/datasets:contracts", "--", *arguments)


def daemons(root: Path) -> set[str]:
    """The processes that serve the repository: Pants', and the one that its tools ask."""
    return {file.read_text() for file in root.glob(".pids/**/pantsd/pid")}


def edit(root: Path, *replacements: tuple[str, str], times: int = 1) -> None:
    file = root / FLOWERS
    text = file.read_text()
    for pattern, by in replacements:
        text, count = re.subn(pattern, by, text, flags=re.DOTALL)
        assert count == times, (pattern, count)
    file.write_text(text)


@pytest.fixture(scope="module")
def committed(shared: SharedRepository) -> Iterator[Path]:
    with shared.lend() as root:
        assert run(root, "git", "checkout", "--quiet", "-b", "change").code == 0
        yield root


@pytest.fixture
def repository(committed: Path) -> Iterator[Path]:
    yield committed
    assert run(committed, "git", "reset", "--quiet", "--hard").code == 0


def test_a_breaking_change_names_the_models_that_it_reaches_and_needs_the_next_major_version(
    repository: Path,
) -> None:
    edit(
        repository,
        (r"    petal_width_cm: float = .*?\n    \)\n", ""),
        (r"_LONGEST_CM = 30\.0", "_LONGEST_CM = 20.0"),
    )
    refused = contracts(repository, "diff")
    assert refused.code == 1, refused.err
    running = daemons(repository)
    assert len(running) == 2
    (flowers,) = re.findall(r"^flowers 1\.0\.0: breaking\n(.*?)\n\n", refused.out, re.M | re.S)
    lines = [line.split() for line in flowers.splitlines()]
    assert ["breaking", "for", "readers", "petal_width_cm", "column", "removed"] in lines
    tightened = "range tightened: was 0 < x ≤ 30.0, now 0 < x ≤ 20.0"
    assert f"breaking for writers sepal_width_cm {tightened}".split() in lines
    assert "  models: iris" in flowers.splitlines(), refused.err
    assert "src/models/iris/features.py" in flowers
    assert "NOT YET: breaking changes need version 2.0.0, but it is 1.0.0" in flowers

    edit(repository, (r'"version": "1\.0\.0"', '"version": "2.0.0"'), times=2)
    released = contracts(repository, "diff", "--since", "main", "--json")
    assert released.code == 0, released.err
    said = json.loads(released.out)["contracts"]
    assert [one["name"] for one in said] == ["flowers", "labelled_flowers"]
    assert {one["problem"] for one in said} == {""}
    # Both stay: a tool that asks Pants again waits for no start.
    assert daemons(repository) == running


def test_a_compatible_change_needs_the_next_minor_version_and_files_that_say_so(
    repository: Path,
) -> None:
    edit(repository, (r"_LONGEST_CM = 30\.0", "_LONGEST_CM = 40.0"))
    edit(repository, (r'"version": "1\.0\.0"', '"version": "1.1.0"'), times=2)
    compatible = contracts(repository, "diff")
    assert compatible.code == 0, compatible.err
    assert "flowers 1.0.0 -> 1.1.0: compatible" in compatible.out
    stale = contracts(repository, "export", "--check")
    assert stale.code == 1
    assert "src/datasets/contracts/flowers.yaml: differs from src/datasets" in stale.err
    assert contracts(repository, "export").code == 0
    changed = run(repository, "git", "status", "--porcelain").out.split()
    assert changed[1::2] == [
        "src/datasets/contracts/flowers.yaml",
        "src/datasets/contracts/labelled_flowers.yaml",
        FLOWERS,
    ]
