"""MLflow's embedded store: made by one of many processes, and moved with its folder."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from cli.errors import UserError
from config.tracking import TrackingSettings
from modelling.registry.mlflow_registry import STORE_FOLDER, Registry
from modelling.settings import TrainSettings
from modelling.training.train_task import train
from models.iris.definition import MODEL
from models.predict import main
from support.iris import IRIS
from support.tasks import CallTask, enter, make_repository

STAGED = ".mlflow.db.writing-*"

CHAMPION = """
from config.tracking import TrackingSettings
from modelling.registry.mlflow_registry import Registry

print(Registry.connect(TrackingSettings()).champion("iris"))
"""


@pytest.fixture
def without_store(repository: Path) -> Path:
    """The current folder, a repository in which MLflow was never used."""
    shutil.rmtree(repository / STORE_FOLDER)
    return repository


def start() -> subprocess.Popen[str]:
    """A process that connects to the embedded store of the current folder."""
    return subprocess.Popen(
        [sys.executable, "-c", CHAMPION], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_of_first_calls_at_the_same_time_one_makes_the_store(without_store: Path) -> None:
    calls = [start() for _ in range(3)]
    told = [call.communicate(timeout=300) for call in calls]
    assert told == [("None\n", "")] * 3
    assert [file.name for file in (without_store / STORE_FOLDER).iterdir()] == ["mlflow.db"]


def test_a_first_call_that_is_killed_leaves_no_half_of_a_store(without_store: Path) -> None:
    first = start()
    folder = without_store / STORE_FOLDER
    while not any(file.stat().st_size for file in folder.glob(STAGED)):
        assert first.poll() is None, first.communicate()
        time.sleep(0.01)
    first.kill()
    first.communicate()
    assert not (folder / "mlflow.db").exists()
    assert start().communicate(timeout=300) == ("None\n", "")
    assert not list(folder.glob(STAGED))


def test_a_clone_that_was_renamed_finds_its_models_and_trains_where_it_is_now(
    champion: Path, call: CallTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = champion.with_name("other")
    champion.rename(other)
    enter(other, monkeypatch)
    result = call(main, definition=IRIS)
    assert (result.code, result.err) == (0, "")
    registry = Registry.connect(TrackingSettings())
    train(MODEL, TrainSettings(promote=False), registry)
    assert registry.load(registry.version(MODEL.name, "2"), MODEL)
    assert not champion.exists(), "the new run's files are not where the old ones were"
    with closing(sqlite3.connect(other / STORE_FOLDER / "mlflow.db")) as store:
        dump = "\n".join(store.iterdump())
    assert f"{champion}/{STORE_FOLDER}" not in dump
    assert f"{other}/{STORE_FOLDER}/artifacts" in dump


def test_a_copy_of_a_clone_has_models_of_its_own(
    champion: Path, call: CallTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = make_repository(champion.with_name("a copy, 50 %"))
    shutil.copytree(champion / STORE_FOLDER, copy / STORE_FOLDER)
    shutil.rmtree(champion / STORE_FOLDER / "artifacts")
    enter(copy, monkeypatch)
    assert call(main, definition=IRIS).code == 0
    enter(champion, monkeypatch)
    result = call(main, definition=IRIS)
    assert result.code == 1
    assert result.err.startswith(
        f"iris version 1 cannot be read: its files are missing in file://{champion}/{STORE_FOLDER}/"
    )
    assert result.err.endswith(". Restore them, or train the model again.\n")


def test_a_store_of_a_server_keeps_its_places(
    champion: Path, call: CallTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = champion / STORE_FOLDER / "mlflow.db"
    place = "s3://bucket/.mlflow/artifacts"
    with closing(sqlite3.connect(database)) as store, store:
        store.execute("UPDATE experiments SET artifact_location = ?", (place,))
    Registry.connect(TrackingSettings())
    with closing(sqlite3.connect(database)) as store:
        places = store.execute("SELECT DISTINCT artifact_location FROM experiments").fetchall()
    assert places == [(place,)]


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"not a database", "file is not a database"), (b"", "no such table: experiments")],
)
def test_a_file_that_is_no_store_is_named(without_store: Path, content: bytes, reason: str) -> None:
    folder = without_store / STORE_FOLDER
    folder.mkdir()
    database = folder / "mlflow.db"
    database.write_bytes(content)
    with pytest.raises(UserError) as error:
        Registry.connect(TrackingSettings())
    assert str(error.value) == (
        f"{database}: is not a readable MLflow database: {reason}. Restore it, or move {folder} "
        "away and train again."
    )
    assert database.read_bytes() == content


def test_half_a_store_of_an_earlier_version_is_named(champion: Path, call: CallTask) -> None:
    with closing(sqlite3.connect(champion / STORE_FOLDER / "mlflow.db")) as store, store:
        store.execute("DROP TABLE registered_model_aliases")
    result = call(main, definition=IRIS)
    assert result.code == 1
    assert result.err.startswith(f"MLflow at sqlite:///{champion}/{STORE_FOLDER}/mlflow.db: ")
    assert result.err.count("\n") == 1


def test_a_place_that_cannot_hold_a_store_is_named(without_store: Path, call: CallTask) -> None:
    (without_store / STORE_FOLDER).write_text("a file")
    result = call(main, definition=IRIS)
    assert (result.code, result.err) == (
        1,
        f"{without_store / STORE_FOLDER}: MLflow's store cannot be written here: File exists. Make "
        "the folder writable, or set MLFLOW_TRACKING_URI to a server.\n",
    )
