"""MLflow's embedded store: an SQLite file, and a folder for the files of runs and models."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from cli.errors import UserError
from data_access_layer.atomic import locked, staged

DATABASE, ARTIFACTS = "mlflow.db", "artifacts"


def prepare(folder: Path) -> str:
    """Make the store where there is none, and return its URI.

    Processes that start at the same time wait for the one that makes it, which takes seconds; a
    killed one leaves nothing half-made. MLflow itself stores the places of files as absolute paths:
    where the folder was moved or copied, they are changed to where it is now.

    Raises:
        UserError: the folder cannot be written, or the file is no database of MLflow.
    """
    database = folder / DATABASE
    try:
        folder.mkdir(exist_ok=True)
        with locked(folder):
            if database.exists():
                _follow_move(database, artifact_location(folder))
            else:
                with staged(database) as path:
                    _make(path, artifact_location(folder))
    except OSError as error:
        raise UserError(
            f"{folder}: cannot hold MLflow's store: {error.strerror}. Make the folder writable, or "
            "set MLFLOW_TRACKING_URI to a server."
        ) from error
    except sqlite3.Error as error:
        raise UserError(
            f"{database}: is no database of MLflow that can be used: {error}. Restore it, or move "
            f"{folder} away and train again."
        ) from error
    return f"sqlite:///{database}"


def artifact_location(folder: Path) -> str:
    """Where the runs of an experiment store their files."""
    return (folder / ARTIFACTS).as_uri()


def _make(database: Path, artifacts: str) -> None:
    # Half a second that only the first call needs.
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    store: Any = SqlAlchemyStore(f"sqlite:///{database}", artifacts)  # type: ignore[no-untyped-call]
    store.engine.dispose()


def _follow_move(database: Path, artifacts: str) -> None:
    with closing(sqlite3.connect(database)) as connection:
        moved = [place for place in _earlier_places(connection, database) if place != artifacts]
        if not moved:
            return
        with connection:
            for place in moved:
                _replace_prefix(connection, place, artifacts)


def _earlier_places(connection: sqlite3.Connection, database: Path) -> Iterator[str]:
    """Where the experiments of stores of the same name keep their files."""
    ending = f"/{database.parent.name}/{ARTIFACTS}"
    query = "SELECT DISTINCT artifact_location FROM experiments"
    for (location,) in connection.execute(query):
        before, found, rest = str(location).rpartition(ending)
        if found and before.startswith("file://") and rest[:1] in ("", "/"):
            yield before + found


def _replace_prefix(connection: sqlite3.Connection, before: str, after: str) -> None:
    """In all columns of text: where MLflow keeps places differs from version to version."""
    tables = "SELECT name FROM sqlite_master WHERE type = 'table'"
    for (table,) in connection.execute(tables).fetchall():
        for column in connection.execute(f"PRAGMA table_info({_quoted(table)})").fetchall():
            if "CHAR" in column[2] or "TEXT" in column[2]:
                name = _quoted(column[1])
                connection.execute(
                    f"UPDATE {_quoted(table)} SET {name} = ? || substr({name}, ?) "
                    f"WHERE {name} = ? OR substr({name}, 1, ?) = ?",
                    (after, len(before) + 1, before, len(before) + 1, f"{before}/"),
                )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
