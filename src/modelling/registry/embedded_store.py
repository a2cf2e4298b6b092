"""MLflow's embedded store: an SQLite database, and a folder for files of runs and models."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from cli.errors import UserError
from data_access_layer.atomic import lock_folder, stage_path

DATABASE, ARTIFACTS = "mlflow.db", "artifacts"


def prepare(folder: Path) -> str:
    """Create the store if it does not exist, and return its URI.

    Creating it takes seconds; other processes wait. If the process is killed, no partial database
    remains. MLflow stores absolute paths of files: if the folder was moved or copied, they are
    updated.

    Raises:
        UserError: the folder is not writable, or the file is not an MLflow database.
    """
    database = folder / DATABASE
    try:
        folder.mkdir(exist_ok=True)
        with lock_folder(folder):
            if database.exists():
                _update_locations(database, artifact_location(folder))
            else:
                with stage_path(database) as path:
                    _create(path, artifact_location(folder))
    except OSError as error:
        raise UserError(
            f"{folder}: MLflow's store cannot be written here: {error.strerror}. Make the folder "
            "writable, or set MLFLOW_TRACKING_URI to a server."
        ) from error
    except sqlite3.Error as error:
        raise UserError(
            f"{database}: is not a readable MLflow database: {error}. Restore it, or move {folder} "
            "away and train again."
        ) from error
    return f"sqlite:///{database}"


def artifact_location(folder: Path) -> str:
    """The URI under which the runs of an experiment store their files."""
    return (folder / ARTIFACTS).as_uri()


def _create(database: Path, artifacts: str) -> None:
    # The import takes half a second, and only a new store needs it.
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    store: Any = SqlAlchemyStore(f"sqlite:///{database}", artifacts)  # type: ignore[no-untyped-call]
    store.engine.dispose()


def _update_locations(database: Path, artifacts: str) -> None:
    with closing(sqlite3.connect(database)) as connection:
        moved = [
            place for place in _find_earlier_locations(connection, database) if place != artifacts
        ]
        if not moved:
            return
        with connection:
            for place in moved:
                _replace_prefix(connection, place, artifacts)


def _find_earlier_locations(connection: sqlite3.Connection, database: Path) -> Iterator[str]:
    """The locations that experiments of a store with the same folder name have recorded."""
    ending = f"/{database.parent.name}/{ARTIFACTS}"
    query = "SELECT DISTINCT artifact_location FROM experiments"
    for (location,) in connection.execute(query):
        before, found, rest = str(location).rpartition(ending)
        if found and before.startswith("file://") and rest[:1] in ("", "/"):
            yield before + found


def _replace_prefix(connection: sqlite3.Connection, before: str, after: str) -> None:
    """Replace in all text columns: MLflow's versions store locations in different ones."""
    tables = "SELECT name FROM sqlite_master WHERE type = 'table'"
    for (table,) in connection.execute(tables).fetchall():
        for column in connection.execute(f"PRAGMA table_info({_quote(table)})").fetchall():
            if "CHAR" in column[2] or "TEXT" in column[2]:
                name = _quote(column[1])
                connection.execute(
                    f"UPDATE {_quote(table)} SET {name} = ? || substr({name}, ?) "
                    f"WHERE {name} = ? OR substr({name}, 1, ?) = ?",
                    (after, len(before) + 1, before, len(before) + 1, f"{before}/"),
                )


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
