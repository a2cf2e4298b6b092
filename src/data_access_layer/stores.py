"""Open a table by its name or its location.

The libraries for object stores and databases are imported only if a location requires them.
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
    """The table of that name: at its location in `settings.tables`, else below `settings.root`.

    `dtypes` are the columns that a contract declares, by their pandas dtype; text files are read
    with these types. It does not connect or read yet.

    Raises:
        InputError: the name or the location is not valid.
    """
    if name not in settings.tables and not re.fullmatch(r"\w[\w.-]*", name):
        raise InputError(f"{name!r} is not a valid table name: expected letters, digits, _ and -.")
    return _open(name, settings.location_of(name), settings, dtypes)


def open_location(location: str, settings: StoreSettings) -> StoredTable:
    """The table at a location, as `data_access_layer.locations` describes them.

    Raises:
        InputError: the location is not valid, or has credentials in it.
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
