"""Open the table that an option names: a file, folder, `-`, object, database table, or name.

| a place is                                            | which means                        |
|-------------------------------------------------------|------------------------------------|
| `rows.parquet`, `rows.csv`, `rows.jsonl.gz`           | a file on this machine             |
| `rows/`, `rows/year=2025/`                            | a folder: all its table files      |
| `-`                                                   | standard input, Parquet or CSV     |
| `rows.delta/`, `s3://bucket/rows.delta`               | a Delta table: its newest version  |
| `s3://bucket/rows.parquet`, `s3://bucket/rows`        | an object, or all below a prefix   |
| `gs://bucket/rows.parquet`                            | the same in Google Cloud Storage   |
| `abfs://container@account.dfs.core.windows.net/rows`  | the same in Azure                  |
| `duckdb:///data/all.duckdb#features.company`          | a table of a DuckDB file           |
| `postgresql+psycopg://host/database#features.company` | a table of any SQLAlchemy database |
| `company`                                             | the table in [stores.tables]       |

The package of one model reads and writes files and objects. Only the packages of all models contain
the libraries for databases.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pyarrow as pa

from cli.errors import InputError
from cli.task import TaskContext
from data_access_layer.atomic import refuse_overwriting
from data_access_layer.column_types import cast_to_schema, plain_columns, plain_schema
from data_access_layer.column_types import to_frame as to_plain_frame
from data_access_layer.commit.destination import Destination
from data_access_layer.conform import conform, declared_types
from data_access_layer.files import (
    DELTA_LOG,
    STANDARD_STREAM,
    WRITTEN_FORMATS,
    WrittenFormat,
    copy_standard_input,
    written_format,
)
from data_access_layer.formats.text_types import TextsAs
from data_access_layer.locations import (
    DUCKDB,
    FileLocation,
    Location,
    TableLocation,
    parse_location,
)
from data_access_layer.optional import DELTA, STORES, import_optional
from data_access_layer.reader import (
    Batch,
    NoRowsError,
    RecordBatch,
    WrongCellReport,
    WrongCellsMode,
    to_frame,
)
from data_access_layer.settings import BATCH_ROWS, StoreSettings
from data_access_layer.tables.files import TableFile, TableFiles, open_files, paths_of
from data_access_layer.tables.objects import ObjectFile
from data_access_layer.tables.written_file import FileDestination
from data_access_layer.text import Formulas

type TableFormat = WrittenFormat | Literal["delta"]

DELTA_ENDING = ".delta"


@dataclass(frozen=True)
class StoreSource:
    """A table of a DuckDB file, a database or Delta, as a source.

    `table` is a `StoredTable`, or has the same `location`, `row_count` and `batches`.
    """

    table: Any
    dtypes: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Where it is, without credentials."""
        return str(self.table.location)

    def row_count(self) -> int | None:
        """The number of rows, from the store's metadata or counted."""
        return int(self.table.row_count())

    def batches(
        self, batch_rows: int = BATCH_ROWS, *, wrong_cells: WrongCellsMode = "raise"
    ) -> Iterator[Batch]:
        """Yield the rows as data frames, with the declared types.

        Raises:
            InputError: the table does not exist, or a value does not have its declared type.
            UserError: the store could not be read.
        """
        declared = declared_types(self.dtypes)
        problems, first_row = WrongCellReport(self.name), 1
        for rows in self.record_batches(batch_rows):
            batch, wrong = conform(rows, declared)
            if wrong_cells == "raise":
                problems.add(wrong, first_row)
            if batch.num_rows and not problems:
                yield Batch(self.name, first_row, to_frame(batch, self.dtypes), wrong)
            first_row += batch.num_rows
        if problems:
            raise problems.error()

    def record_batches(
        self, batch_rows: int = BATCH_ROWS, *, columns: Sequence[str] | None = None
    ) -> Iterator[RecordBatch]:
        """Yield the rows as Arrow batches, only of `columns`; at least one batch.

        Raises:
            InputError: the table or a column does not exist.
            UserError: the store could not be read.
        """
        batches: Iterator[pa.RecordBatch] = self.table.batches(columns, batch_rows=batch_rows)
        return batches


def open_source(
    place: str,
    context: TaskContext,
    *,
    dtypes: Mapping[str, str] | None = None,
    texts_as: TextsAs = "exact",
) -> TableFiles | StoreSource:
    """Open the table that `place` names; `dtypes` are the columns that a contract declares.

    Settings are loaded only if the place is not a file. The table is closed when the task ends.

    Raises:
        InputError: the table does not exist, or this package lacks the library that reads it.
        UserError: the store denies access, or does not answer.
    """
    if place == STANDARD_STREAM:
        file = context.stack.enter_context(copy_standard_input())
        name = "standard input"
        return TableFiles([TableFile(file, dtypes or {}, name, texts_as)], name)
    if _is_name(place):
        place = _find_table(place, context.load(StoreSettings))
    at = parse_location(place)
    if isinstance(at, TableLocation):
        stores = import_optional(STORES, place=place)
        table = stores.open_location(place, context.load(StoreSettings))
        return StoreSource(table, dtypes or {})
    path = _path_of(at, place, context)
    if _is_delta(path):
        return StoreSource(import_optional(DELTA, place=place).DeltaFolder(path), dtypes or {})
    return TableFiles(open_files(path, dtypes, texts_as=texts_as), str(path))


def open_destination(
    place: str,
    context: TaskContext,
    *,
    option: str,
    format: TableFormat | None = None,
    encoding: str = "utf-8",
    formulas: Formulas = "keep",
) -> Destination:
    """The destination that `place` names, in `format` or the format of its ending.

    It does not connect or change anything before `check`. `encoding` and `formulas` are for CSV.

    Raises:
        InputError: neither `format` nor the ending names a format, or this package lacks the
            library that writes it.
    """
    place = _resolve_name(place, context)
    at = parse_location(place)
    if isinstance(at, TableLocation):
        stores = import_optional(STORES, place=place)
        table: Destination = stores.open_location(place, context.load(StoreSettings))
        return table
    path = _path_of(at, place, context)
    if format == "delta" or (format is None and _is_delta(path)):
        delta: Destination = import_optional(DELTA, place=place).DeltaFolder(path, option=option)
        return delta
    return FileDestination(path, format or written_format(path), option, encoding, formulas)


def destination_folder(place: str, context: TaskContext) -> Path | ObjectFile | None:
    """The folder of files that `place` names as a destination; None if it is a single table."""
    place = _resolve_name(place, context)
    at = parse_location(place)
    if isinstance(at, TableLocation):
        return None
    path = _path_of(at, place, context)
    is_table = path.suffix.lower() in WRITTEN_FORMATS or _is_delta(path)
    return None if is_table else path


def open_path(place: str, context: TaskContext, *, option: str) -> Path | ObjectFile:
    """The file or folder that `place` names, on this machine or in an object store.

    Raises:
        InputError: it is a table of a database.
    """
    at = parse_location(place)
    if isinstance(at, TableLocation):
        raise InputError(
            f"{option} {place}: expected a file or folder, on this machine or in an object store."
        )
    return _path_of(at, place, context)


def read_text(place: str, context: TaskContext, *, option: str) -> str:
    """Read a file or object as UTF-8.

    Raises:
        InputError: it cannot be read.
    """
    try:
        return open_path(place, context, option=option).read_text()
    except OSError as error:
        raise InputError(f"{place}: cannot be read: {error.strerror or 'not found'}.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{place}: cannot be read: it is not in UTF-8.") from error


def refuse_own_input(
    source: TableFiles | StoreSource, destination: object, *, option: str = "--output"
) -> None:
    """Refuse a destination that is the source, contains it, or is in it.

    `destination` is the path of a file or folder, or a `Destination`.

    Raises:
        InputError: the destination overlaps the source.
    """
    path = getattr(destination, "path", destination)
    if isinstance(path, Path | ObjectFile):
        own = getattr(getattr(source, "table", None), "path", None)
        refuse_overwriting([own] if own else paths_of([source]), path, option=option)
        return
    place = str(getattr(destination, "location", ""))
    read, written = _parse_table(source.name), _parse_table(place)
    if read is None or written is None or read.url != written.url:
        return
    if read.scheme == DUCKDB:
        raise InputError(
            f"{option} {place}: is in the same DuckDB file as the input. One process cannot "
            f"read and write it at the same time. Choose another {option}, such as a Parquet "
            "file, and export that to the DuckDB file."
        )
    if read == written:
        raise InputError(f"{option} {source.name}: is also the input. Choose another {option}.")


def _parse_table(location: str) -> TableLocation | None:
    """The database table of a location; in PostgreSQL, the default schema is `public`."""
    at = parse_location(location) if "#" in location and "://" in location else None
    if not isinstance(at, TableLocation):
        return None
    usual = "public" if at.scheme.partition("+")[0] == "postgresql" else None
    return replace(at, schema=at.schema or usual)


def read_plain(source: TableFiles | StoreSource) -> pd.DataFrame:
    """Read all rows, with the types of `data_access_layer.column_types`.

    Raises:
        InputError: the source cannot be read, has no rows, or has a column of another type.
    """
    batches = list(source.record_batches())
    schema = plain_schema(plain_columns(batches[0].schema), name=source.name)
    plain = [cast_to_schema(batch, schema, name=source.name) for batch in batches]
    rows = to_plain_frame(pa.Table.from_batches(plain))
    if rows.empty:
        raise NoRowsError(f"{source.name}: the file has no rows.")
    return rows


def _path_of(at: Location, place: str, context: TaskContext) -> Path | ObjectFile:
    if isinstance(at, FileLocation):
        return at.path
    return ObjectFile(place, context.load(StoreSettings))


def _is_delta(path: Path | ObjectFile) -> bool:
    if path.suffix.lower() == DELTA_ENDING:
        return True
    if isinstance(path, Path):
        return (path / DELTA_LOG).is_dir()
    return path.suffix.lower() not in WRITTEN_FORMATS and path.has_folder(DELTA_LOG)


def _is_name(place: str) -> bool:
    """Whether it is the name of a stored table: a word, and not an existing file."""
    return re.fullmatch(r"\w+", place) is not None and not Path(place).exists()


def _resolve_name(place: str, context: TaskContext) -> str:
    """The location of the table of that name in the settings; else the place itself."""
    if not _is_name(place):
        return place
    return context.load(StoreSettings).tables.get(place, place)


def _find_table(name: str, settings: StoreSettings) -> str:
    """The location of a table in the settings, else below their root."""
    location = settings.location_of(name)
    if name not in settings.tables and "://" not in location and not Path(location).exists():
        raise InputError(
            f"{name}: there is no such file or folder, and no table {location}. Set where the "
            f'table is: {name} = "…" under [stores.tables] in the settings file (--config).'
        )
    return location
