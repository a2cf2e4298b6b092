"""A repository to work in, and a store that holds a trained champion."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NoReturn

import pytest

from models.iris.definition import MODEL
from models.settings import TrackingSettings, TrainSettings
from models.tracking import STORE_FOLDER, Registry
from models.training import train
from support.tasks import CallTask, Result, enter, make_repository

# Where an MLflow store says where its files lie: as absolute paths.
_LOCATIONS = {
    "experiments": "artifact_location",
    "runs": "artifact_uri",
    "logged_models": "artifact_location",
    "model_versions": "storage_location",
}


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose store holds version 1 of iris, the champion. Copied, never changed."""
    repository = make_repository(tmp_path_factory.mktemp("trained"))
    with pytest.MonkeyPatch.context() as patch:
        enter(repository, patch)
        train(MODEL, TrainSettings.load(), Registry.connect(TrackingSettings()))
    return repository


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, a repository in which nothing is trained yet."""
    repository = make_repository(tmp_path / "repository")
    enter(repository, monkeypatch)
    return repository


@pytest.fixture
def champion(trained: Path, repository: Path) -> Path:
    """The current folder, a repository whose store holds version 1 of iris, the champion."""
    shutil.copytree(trained / STORE_FOLDER, repository / STORE_FOLDER)
    with closing(sqlite3.connect(repository / STORE_FOLDER / "mlflow.db")) as store, store:
        for table, column in _LOCATIONS.items():
            store.execute(
                f"UPDATE {table} SET {column} = replace({column}, ?, ?)",
                (str(trained), str(repository)),
            )
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
