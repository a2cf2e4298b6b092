"""Open a table by its name or its location; which store that is, only the configuration knows.

What opens object stores and databases is imported when a location asks for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from cli.errors import InputError
from data_access_layer.locations import (
    DUCKDB,
    TableLocation,
    parse_location,
)
from data_access_layer.settings import StoreSettings
from data_access_layer.tables.stored_table import StoredTable


def open_table(
    name: str, settings: StoreSettings, *, dtypes: Mapping[str, str] | None = None
) -> StoredTable:
    """The table of that name: where `settings.tables` says, else below `settings.root`.

    `dtypes` are the columns that a contract declares, by their pandas dtype: what a text file holds
    is read as that. Nothing is read or connected to yet.

    Raises:
        InputError: the name cannot be that of a table, or its location is none.
    """
    if name not in settings.tables and not re.fullmatch(r"\w[\w.-]*", name):
        raise InputError(f"{name!r} is not a valid table name: expected letters, digits, _ and -.")
    return _open(name, settings.location_of(name), settings, dtypes)


def open_location(location: str, settings: StoreSettings) -> StoredTable:
    """The table at a location, as `data_access_layer.locations` describes them.

    Raises:
        InputError: the location is none, or has credentials in it.
    """
    return _open(location, location, settings)


def _open(
    name: str,
    location: str,
    settings: StoreSettings,
    dtypes: Mapping[str, str] | None = None,
) -> StoredTable:
    at = parse_location(location)
    match at:
        case TableLocation(scheme=scheme) if scheme == DUCKDB:
            from data_access_layer.tables.duckdb import DuckDBTable

            return DuckDBTable(name, location, settings, at=at)
        case TableLocation():
            from data_access_layer.tables.database import DatabaseTable

            return DatabaseTable(name, location, settings, at=at)
        case _:
            from data_access_layer.tables.stored_files import FilesTable

            return FilesTable(name, location, settings, at=at, dtypes=dtypes)
