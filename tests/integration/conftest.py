"""The repository that the test files of one batch take turns in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from integration.clones import SharedRepository
from integration.commands import stop_pantsd


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedRepository]:
    """A repository of the real build definition; `lend` it to one test file at a time."""
    root = tmp_path_factory.mktemp("shared")
    try:
        yield SharedRepository.new(root)
    finally:
        stop_pantsd(root)
