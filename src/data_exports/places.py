"""Which kind of place an option of the command line names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from config.errors import InputError
from config.task import LoadSettings
from data_access_layer.files import DELTA_LOG
from data_access_layer.locations import DUCKDB, TableLocation, parse_location
from data_access_layer.open import destination_file
from data_access_layer.settings import StoreSettings
from data_access_layer.sql_table import sql_table
from data_access_layer.stores import open_location
from data_exports.destinations import (
    ENDINGS,
    OPTION,
    DeltaDestination,
    Destination,
    FileDestination,
)
from data_exports.duckdb_destination import DuckDBDestination
from data_exports.settings import ExportFormat, ExportSettings
from data_exports.sql_destination import SqlDestination

if TYPE_CHECKING:
    from data_access_layer.duckdb_tables import DuckDBTable

DELTA = ".delta"


def destination_of(
    place: str,
    format: ExportFormat | None,
    load_settings: LoadSettings,
    *,
    settings: ExportSettings | None = None,
) -> Destination:
    """The destination that `place` names, in `format` or what its ending says.

    Raises:
        InputError: neither says what it is.
    """
    at = parse_location(place)
    if isinstance(at, TableLocation):
        if at.scheme == DUCKDB:
            table = open_location(place, load_settings(StoreSettings))
            return DuckDBDestination(cast("DuckDBTable", table))
        return SqlDestination(sql_table(place, load_settings(StoreSettings)))
    path = destination_file(place, load_settings, option=OPTION)
    if format is None:
        ending = path.suffix.lower()
        if ending == DELTA or (isinstance(path, Path) and (path / DELTA_LOG).is_dir()):
            format = "delta"
        elif ending in ENDINGS:
            format = ENDINGS[ending]
        else:
            raise InputError(
                f"{place}: cannot tell the format from the ending {path.suffix!r}; expected one "
                f"of {', '.join([*ENDINGS, DELTA])}, or URL#TABLE. Or say it with --format."
            )
    if format == "delta":
        if not isinstance(path, Path):
            raise InputError(f"{place}: Delta tables are written to folders on this machine.")
        return DeltaDestination(path)
    if settings is None:
        return FileDestination(path, format)
    return FileDestination(path, format, settings.encoding, settings.csv_formulas)
