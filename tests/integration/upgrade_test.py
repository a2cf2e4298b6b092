"""A requirement is moved down and up again in a real repository, by what the index has."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

import pytest

from integration.commands import Result, commit_all, copy_repository, start, stop_pantsd

INDEX = "https://pypi.org/simple/rich/"
REQUIREMENTS = "3rdparty/python/settings.txt"
CLOSURE = "3rdparty/python/closures/default/rich.txt"
LOCKFILE = "3rdparty/python/locks/default.lock"
OLDER = "14.3.3"


@dataclass(frozen=True)
class Repository:
    root: Path

    def upgrade(self, *arguments: str, code: int = 0) -> Result:
        command = ("./pants", "--no-dynamic-ui", "--no-colors", "run", "src/tools:upgrade", "--")
        started = start(*command, *arguments, cwd=self.root, env={"PANTS_PANTSD": "true"})
        result = Result.of(started, timeout=800)
        assert result.code == code, (arguments, result.out, result.err)
        return result

    def changed(self) -> list[str]:
        command = ("git", "status", "--porcelain")
        return [line[3:] for line in Result.of(start(*command, cwd=self.root)).out.splitlines()]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    try:
        urllib.request.urlopen(INDEX, timeout=20).close()
    except (URLError, TimeoutError) as error:
        pytest.skip(f"NOT TESTED: no index of packages answers: {error}")
    root = tmp_path_factory.mktemp("upgrade")
    copy_repository(root)
    commit_all(root)
    try:
        yield Repository(root)
    finally:
        stop_pantsd(root)


def test_what_is_asked_for_moves_down_and_up_again_and_all_else_stays(
    repository: Repository,
) -> None:
    (present,) = (
        line.partition("==")[2]
        for line in (repository.root / REQUIREMENTS).read_text().splitlines()
        if line.startswith("rich==")
    )
    told = json.loads(repository.upgrade(f"rich=={OLDER}", "--json").out)
    assert told["moved"] == [
        {"resolve": "default", "name": "rich", "old": present, "new": OLDER, "required": True}
    ]
    assert "iris" in told["affected"]["models"]
    assert repository.changed() == [CLOSURE, LOCKFILE, REQUIREMENTS]
    # Pants takes the lockfile: rich is among what the tool itself needs.
    said = repository.upgrade(f"rich=={present}").out
    assert said.startswith(f"default: 1 package\n  rich  {OLDER} → {present}\n\nmodels: ")
    assert repository.changed() == []


def test_what_cannot_be_had_is_told_by_the_resolver_s_reason_and_nothing_changes(
    repository: Repository,
) -> None:
    refused = repository.upgrade("copier==0.0.1", code=1)
    assert "Nothing was upgraded. tools: copier 0.0.1 cannot be had:" in refused.err
    assert "Nothing was upgraded. tools: copier 0.0.1 cannot be had:" in refused.err
    # What pip says of it, whichever of its two ways it takes.
    assert "requirement copier==0.0.1" in refused.err or "Cannot install copier" in refused.err
    unknown = repository.upgrade("ritch", code=2)
    assert "'ritch' is required by no file of requirements; did you mean 'rich'" in unknown.err
    assert repository.changed() == []
