"""The doctor as a script on Pants' own Python, and as Pants runs it, in a real repository."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.clones import SharedRepository
from integration.commands import Result, start


def findings(result: Result) -> dict[str, dict[str, str]]:
    return {one["name"]: one for one in json.loads(result.out)}


@pytest.fixture
def repository(shared: SharedRepository) -> Iterator[Path]:
    with shared.lend() as root:
        yield root


def test_it_needs_no_pants_and_finds_the_same_with_one(repository: Path) -> None:
    # Not every lockfile is part of the copy.
    (repository / "3rdparty/python/locks/pytest.lock").unlink()
    script = ("src/tools/health/doctor.py", "--json")
    alone = Result.of(start("python3", *script, cwd=repository), timeout=120)
    assert alone.code == 1, alone.err
    python = findings(alone)["Python 3.9"]
    assert python["state"] == "ok", python
    # An older Python than the one that runs this test.
    oldest = Result.of(
        start(python["detail"].partition(" (")[0], *script, cwd=repository), timeout=120
    )
    assert oldest.code == 1, oldest.err
    command = ("./pants", "--no-dynamic-ui", "run", "src/tools:doctor", "--", "--json")
    by_pants = Result.of(start(*command, cwd=repository, env={"PANTS_PANTSD": "true"}), timeout=600)
    assert by_pants.code == 1, by_pants.err
    for result in (oldest, by_pants):
        found = findings(result)
        assert found.keys() == findings(alone).keys()
        assert "pytest: pytest.lock is missing" in found["lockfiles"]["detail"]
        assert found["git history"]["detail"].startswith("1 commits; 0 since main (")
