"""Which kind of place an option of the command line names."""

from __future__ import annotations

from pathlib import Path

from config.errors import InputError
from config.task import LoadSettings
from data_access_layer.settings import StoreSettings
from data_access_layer.sql_table import sql_table
from data_exports.destinations import (
    ENDINGS,
    OPTION,
    DeltaDestination,
    Destination,
    FileDestination,
)
from data_exports.sql_destination import SqlDestination
from data_exports.settings import ExportFormat, ExportSettings

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
    if "://" in place:
        return SqlDestination(sql_table(place, load_settings(StoreSettings)))
    path = Path(place)
    if format is None:
        ending = path.suffix.lower()
        if ending == DELTA or (path / "_delta_log").is_dir():
            format = "delta"
        elif ending in ENDINGS:
            format = ENDINGS[ending]
        else:
            raise InputError(
                f"{place}: cannot tell the format from the ending {path.suffix!r}; expected one "
                f"of {', '.join([*ENDINGS, DELTA])}, or URL#TABLE. Or say it with --format."
            )
    if format == "delta":
        return DeltaDestination(path)
    if settings is None:
        return FileDestination(path, format)
    return FileDestination(path, format, settings.encoding, settings.csv_formulas)
