"""A store that holds a trained champion."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from config.tracking import TrackingSettings
from modelling.registry.mlflow_registry import STORE_FOLDER, Registry
from modelling.settings import TrainSettings
from modelling.training.train_task import train
from models.iris.definition import MODEL
from support.tasks import enter, make_repository


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with no version in it, copied and never changed: MLflow takes 4 s to make one."""
    repository = make_repository(tmp_path_factory.mktemp("empty"))
    with pytest.MonkeyPatch.context() as patch:
        enter(repository, patch)
        assert Registry.connect(TrackingSettings()).champion(MODEL.name) is None
    return repository / STORE_FOLDER


@pytest.fixture
def repository(repository: Path, empty_store: Path) -> Path:
    """The current folder, a repository with a store in which nothing is trained yet."""
    shutil.copytree(empty_store, repository / STORE_FOLDER)
    return repository


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Path:
    """A repository whose store holds version 1 of iris, the champion. Copied, never changed."""
    repository = make_repository(tmp_path_factory.mktemp("trained"))
    shutil.copytree(empty_store, repository / STORE_FOLDER)
    with pytest.MonkeyPatch.context() as patch:
        enter(repository, patch)
        train(MODEL, TrainSettings.load(), Registry.connect(TrackingSettings()))
    return repository


@pytest.fixture
def champion(trained: Path, repository: Path) -> Path:
    """The current folder, a repository whose store holds version 1 of iris, the champion."""
    shutil.copytree(trained / STORE_FOLDER, repository / STORE_FOLDER, dirs_exist_ok=True)
    return repository
