"""Open what an option names: a file, a folder, `-`, an object, a table of a database, or a name.

| a place is                                            | which means                        |
|-------------------------------------------------------|------------------------------------|
| `rows.parquet`, `rows.csv`, `rows.jsonl.gz`           | a file on this machine             |
| `rows/`, `rows/year=2025/`                            | a folder: all its table files      |
| `-`                                                   | standard input, Parquet or CSV     |
| `rows.delta/`                                         | a Delta table: its newest version  |
| `s3://bucket/rows.parquet`, `s3://bucket/rows`        | an object, or all below a prefix   |
| `duckdb:///data/all.duckdb#features.company`          | a table of a DuckDB file           |
| `postgresql+psycopg://host/database#features.company` | a table of any SQLAlchemy database |
| `company`                                             | the table that [stores.tables] has |

A package of one model reads files and S3. What reads databases is in the packages of all models.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from config.errors import InputError
from data_access_layer.column_types import as_schema, plain_columns, plain_schema
from data_access_layer.column_types import to_frame as to_plain_frame
from data_access_layer.conform import conform, declared_types
from data_access_layer.files import DELTA_LOG, STANDARD_STREAM, FilePath, standard_input_file
from data_access_layer.formats.text_types import TextsAs
from data_access_layer.locations import S3, FileLocation, ObjectLocation, parse_location
from data_access_layer.reader import (
    DEFAULT_BATCH_ROWS,
    Batch,
    NoRowsError,
    Problems,
    RecordBatch,
    WrongCellsMode,
    to_frame,
)
from data_access_layer.settings import StoreSettings
from data_access_layer.tables.files import TableFile, TableFiles, files_of, open_files
from data_access_layer.tables.objects import ObjectFile, ObjectStore

# Imported by name, so that a package holds it, and DuckDB or SQLAlchemy, only where its BUILD file
# says so. A name with two dots would be inferred (`string_imports` in pants.toml).
STORES = "data_access_layer.stores"
DELTA = "data_access_layer.delta"


@dataclass(frozen=True)
class StoreTable:
    """A table of a DuckDB file, of a database or of Delta as a source.

    `table` is a `StoredTable`, or has the same `location`, `row_count` and `batches`.
    """

    table: Any
    dtypes: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Where it is, without credentials."""
        return str(self.table.location)

    def row_count(self) -> int | None:
        """As the store knows or counts them."""
        return int(self.table.row_count())

    def batches(
        self, batch_rows: int = DEFAULT_BATCH_ROWS, *, wrong_cells: WrongCellsMode = "raise"
    ) -> Iterator[Batch]:
        """Yield the rows as pandas has them, in the types that are declared.

        Raises:
            InputError: there is no such table, or a value is not of its declared type.
            UserError: the store could not be read.
        """
        declared = declared_types(self.dtypes)
        problems, first_row = Problems(self.name), 1
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
        self, batch_rows: int = DEFAULT_BATCH_ROWS, *, columns: Sequence[str] | None = None
    ) -> Iterator[RecordBatch]:
        """Yield the rows as Arrow has them, of `columns` only; at least one batch.

        Raises:
            InputError: there is no such table, or a column is not there.
            UserError: the store could not be read.
        """
        batches: Iterator[pa.RecordBatch] = self.table.batches(columns, batch_rows=batch_rows)
        return batches


def open_source(
    place: str,
    load_settings: Callable[[type[StoreSettings]], StoreSettings],
    stack: ExitStack,
    *,
    dtypes: Mapping[str, str] | None = None,
    texts_as: TextsAs = "exact",
) -> TableFiles | StoreTable:
    """The table that `place` names; `dtypes` are the columns that a contract declares.

    The settings are loaded only for a place that is not a file. `stack` closes what is opened.

    Raises:
        InputError: nothing is there, or this package does not hold what reads it.
        UserError: the store denies access, or does not answer.
    """
    if place == STANDARD_STREAM:
        file = stack.enter_context(standard_input_file())
        name = "standard input"
        return TableFiles([TableFile(file, dtypes or {}, name, texts_as)], name)
    if _is_name(place):
        place = _location_of(place, load_settings(StoreSettings))
    at = parse_location(place)
    if isinstance(at, FileLocation):
        if (at.path / DELTA_LOG).is_dir():
            return StoreTable(_imported(DELTA, place).LocalDelta(at.path), dtypes or {})
        return TableFiles(open_files(at.path, dtypes, texts_as=texts_as), str(at.path))
    settings = load_settings(StoreSettings)
    if isinstance(at, ObjectLocation) and at.scheme in S3:
        found = ObjectStore(place, settings).files()
        return TableFiles(files_of(found, dtypes, texts_as=texts_as), place)
    return StoreTable(_imported(STORES, place).open_location(place, settings), dtypes or {})


def destination_file(
    place: str, load_settings: Callable[[type[StoreSettings]], StoreSettings], *, option: str
) -> FilePath:
    """The file, or the object of S3, that `place` names as a destination.

    Raises:
        InputError: it is in another store.
        UserError: the store denies access, or does not answer.
    """
    if "://" not in place:
        return Path(place)
    at = parse_location(place)
    if isinstance(at, FileLocation):
        return at.path
    if not isinstance(at, ObjectLocation) or at.scheme not in S3:
        raise InputError(
            f"{option} {place}: expected a file on this machine, or s3://bucket/name.parquet."
        )
    file = ObjectFile(place, load_settings(StoreSettings))
    # Asked now: what is wrong with the store would be found only after all the work.
    file.is_file()
    return file


def read_plain(source: TableFiles | StoreTable) -> pd.DataFrame:
    """All rows, in the few types of `data_access_layer.column_types`.

    Raises:
        InputError: the source cannot be read, has no rows, or a column of another type.
    """
    batches = list(source.record_batches())
    schema = plain_schema(plain_columns(batches[0].schema), name=source.name)
    plain = [as_schema(batch, schema, name=source.name) for batch in batches]
    rows = to_plain_frame(pa.Table.from_batches(plain))
    if rows.empty:
        raise NoRowsError(f"{source.name}: the file has no rows.")
    return rows


def _is_name(place: str) -> bool:
    """Whether it is the name of a stored table: a word that is the name of no file."""
    return re.fullmatch(r"\w+", place) is not None and not Path(place).exists()


def _location_of(name: str, settings: StoreSettings) -> str:
    """Where the settings say that a table is, else below their root."""
    location = settings.location_of(name)
    if name not in settings.tables and "://" not in location and not Path(location).exists():
        raise InputError(
            f"{name}: there is no such file or folder, and no table {location}. Say where the "
            f'table is: {name} = "…" under [stores.tables] in the settings file (--config).'
        )
    return location


def _imported(module: str, place: str) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise InputError(
            f"{place}: this package reads only files and s3:// ({error.name} is not in it). Use "
            "the package of all models, such as ./pants run src/models:predict. Or add "
            f'dynamic_dependencies=["src/{module.replace(".", "/")}.py"] to the pex_binary in the '
            "model's BUILD file."
        ) from error
