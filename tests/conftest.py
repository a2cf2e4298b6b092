"""A repository to work in, and a way to call a task."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from support.tasks import CallTask, Result, enter, make_repository


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, a repository in which nothing is trained yet."""
    repository = make_repository(tmp_path / "repository")
    enter(repository, monkeypatch)
    return repository


@pytest.fixture
def call(capfdbinary: pytest.CaptureFixture[bytes]) -> CallTask:
    """Run a task's command line in this process."""

    def call(main: Callable[..., NoReturn], *argv: str, **options: object) -> Result:
        capfdbinary.readouterr()
        with pytest.raises(SystemExit) as left:
            main(argv=argv, **options)
        captured = capfdbinary.readouterr()
        assert isinstance(left.value.code, int)
        return Result(left.value.code, captured.out.decode(), captured.err.decode())

    return call
