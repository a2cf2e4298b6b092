"""A requirement is moved down and up again in a real repository, by what the index has."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

import pytest

from integration.clones import SharedRepository
from integration.commands import Result, start

INDEX = "https://pypi.org/simple/rich/"
REQUIREMENTS = "3rdparty/python/settings.txt"
CLOSURE = "3rdparty/python/closures/default/rich.txt"
LOCKFILE = "3rdparty/python/locks/default.lock"
OLDER = "14.3.3"
GITLAB = "3rdparty/python/tools/gitlab.txt"
TOOLS_LOCKFILE = "3rdparty/python/locks/tools.lock"
OLDER_GITLAB = "8.5.0"


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
def once(shared: SharedRepository) -> Iterator[Repository]:
    try:
        urllib.request.urlopen(INDEX, timeout=20).close()
    except (URLError, TimeoutError) as error:
        pytest.skip(f"NOT TESTED: no index of packages answers: {error}")
    with shared.lend() as root:
        yield Repository(root)


@pytest.fixture
def repository(once: Repository) -> Iterator[Repository]:
    yield once
    Result.of(start("git", "reset", "--quiet", "--hard", cwd=once.root))


def pinned(repository: Repository, file: str, name: str) -> str:
    """The version of a requirement that a file asks for."""
    lines = (repository.root / file).read_text().splitlines()
    (version,) = (line.partition("==")[2] for line in lines if line.startswith(f"{name}=="))
    return version


def test_what_is_asked_for_moves_and_all_else_stays(repository: Repository) -> None:
    present = pinned(repository, REQUIREMENTS, "rich")
    said = json.loads(repository.upgrade(f"rich=={OLDER}", "--json").out)
    assert said["moved"] == [
        {"resolve": "default", "name": "rich", "old": present, "new": OLDER, "required": True}
    ]
    assert "iris" in said["affected"]["models"]
    assert repository.changed() == [CLOSURE, LOCKFILE, REQUIREMENTS]
    # Pants takes the lockfile: rich is among what the tool itself needs.
    assert repository.upgrade(f"rich=={OLDER}").out.endswith("Nothing to upgrade.\n")


def test_what_moved_down_moves_up_again_to_the_same_bytes(repository: Repository) -> None:
    # Of a resolve with a tenth of the packages: an index without metadata files sends all of them.
    present = pinned(repository, GITLAB, "python-gitlab")
    repository.upgrade(f"python-gitlab=={OLDER_GITLAB}")
    assert repository.changed() == [TOOLS_LOCKFILE, GITLAB]
    said = repository.upgrade(f"python-gitlab=={present}").out
    moved = f"tools: 1 package\n  python-gitlab  {OLDER_GITLAB} → {present}\n"
    assert said.startswith(moved)
    assert repository.changed() == []


def test_what_cannot_be_had_is_told_by_the_resolver_s_reason_and_nothing_changes(
    repository: Repository,
) -> None:
    refused = repository.upgrade("copier==0.0.1", code=1)
    assert "Nothing was upgraded. tools: copier 0.0.1 is not compatible:" in refused.err
    # What pip says of it, whichever of its two ways it takes.
    assert "requirement copier==0.0.1" in refused.err or "Cannot install copier" in refused.err
    unknown = repository.upgrade("ritch", code=2)
    assert "No requirements file has 'ritch'; did you mean 'rich'" in unknown.err
    assert repository.changed() == []
