"""Tables that DuckDB reads: Parquet and CSV files, here or in object stores, and its own files."""

from __future__ import annotations

import tempfile
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

import duckdb
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from config.errors import InputError, UserError
from data_access_layer.atomic import staged
from data_access_layer.column_types import Columns, as_schema, plain_columns, plain_schema
from data_access_layer.commit.manifest import MANIFESTS
from data_access_layer.files import Format, format_of, table_files
from data_access_layer.filters import Condition, Query
from data_access_layer.retries import TransientError
from data_access_layer.settings import StoreSettings
from data_access_layer.table import BATCH_ROWS, Ask, StoredTable
from data_access_layer.tables.files import TableFiles, open_files

if TYPE_CHECKING:
    from data_access_layer.locations import FileLocation, TableLocation

# As many rows as DuckDB's own: small enough that filters skip some, large enough to compress.
ROW_GROUP_ROWS = 122_880
# A table in a file that another process writes just now.
_LOCKED = "Could not set lock on file"


@contextmanager
def connection(
    database: str = ":memory:", *, read_only: bool = False
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB that looks for nothing on the network and leaves nothing in the current folder."""
    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "temp_directory": tempfile.gettempdir(),
    }
    opened = duckdb.connect(database, read_only=read_only, config=config)
    try:
        opened.execute("set TimeZone = 'UTC'")
        yield opened
    finally:
        opened.close()


@dataclass(frozen=True)
class Selectable:
    """What rows are selected from: a table function or a table of a connection."""

    connection: duckdb.DuckDBPyConnection
    source: str
    columns: Columns
    parameters: Sequence[Any] = ()

    @classmethod
    def of(
        cls, opened: duckdb.DuckDBPyConnection, source: str, parameters: Sequence[Any] = ()
    ) -> Self:
        """With the columns that DuckDB finds there."""
        relation = opened.sql(f"select * from {source} limit 0", params=list(parameters))
        return cls(opened, source, plain_columns(relation.to_arrow_table().schema), parameters)


class DuckDBReadable(StoredTable):
    """What DuckDB can select from."""

    @abstractmethod
    def _source(self) -> AbstractContextManager[Selectable]:
        """What to select from."""

    def _columns(self) -> Columns:
        with self._source() as found:
            return found.columns

    def _row_count(self) -> int:
        with self._source() as found:
            statement = f"select count(*) from {found.source}"
            counted = found.connection.execute(statement, found.parameters).fetchall()
            return int(counted[0][0])

    def _batches(self, ask: Ask, batch_rows: int) -> Iterator[pa.RecordBatch]:
        with self._source() as found:
            query = ask(found.columns)
            statement, values = select_statement(query, found.source)
            relation = found.connection.sql(statement, params=[*found.parameters, *values])
            empty = True
            for batch in relation.to_arrow_reader(batch_rows):
                empty = False
                yield as_schema(batch, query.schema, name=self.location)
            if empty:
                yield pa.RecordBatch.from_pylist([], schema=query.schema)


def quoted(name: str) -> str:
    """A name as SQL has it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def select_statement(query: Query, source: str) -> tuple[str, list[Any]]:
    """DuckDB's statement for `query`, and the values that it is run with."""
    values: list[Any] = []
    order = ""
    if query.as_of:
        keys = ", ".join(map(quoted, query.as_of.keys))
        times = " and ".join(f"{quoted(column)} <= ?" for column in query.moments)
        ties = ", ".join(f"{quoted(column)} desc nulls last" for column in query.ties)
        values += query.moments.values()
        source = (
            f"(select * from {source} where {times} "
            f"qualify row_number() over (partition by {keys} order by {ties}) = 1)"
        )
        order = f" order by {', '.join(f'{quoted(key)} nulls last' for key in query.as_of.keys)}"
    where, more = _where(query.either)
    columns = ", ".join(map(quoted, query.columns))
    return f"select {columns} from {source}{where}{order}", [*values, *more]


def _where(either: Sequence[Sequence[Condition]]) -> tuple[str, list[Any]]:
    if not either:
        return "", []
    groups, values = [], []
    for conditions in either:
        texts = []
        for condition in conditions:
            text, more = _compared(condition)
            texts.append(text)
            values += more
        groups.append(f"({' and '.join(texts)})")
    return f" where {' or '.join(groups)}", values


def _compared(condition: Condition) -> tuple[str, list[Any]]:
    column, operator = quoted(condition.column), condition.operator
    if operator in ("is", "is not"):
        return f"{column} {operator} null", []
    if operator in ("in", "not in"):
        if not condition.value:
            return ("false" if operator == "in" else "true"), []
        return f"{column} {operator} ({', '.join('?' * len(condition.value))})", [*condition.value]
    return f"{column} {'=' if operator == '==' else operator} ?", [condition.value]


def file_source(files: Sequence[str], format: Format) -> tuple[str, list[Any]]:
    """What DuckDB selects from to read some files of one format.

    Raises:
        InputError: tables are not kept in that format.
    """
    _check_format(format)
    if format == "parquet":
        return "read_parquet(?)", [list(files)]
    # All rows decide about a column's type: one that only the last row shows is no surprise.
    return "read_csv(?, header = true, sample_size = -1)", [list(files)]


def write_file(
    sink: str | IO[bytes], format: Format, schema: pa.Schema, batches: Iterator[pa.RecordBatch]
) -> None:
    """Write one file of batches.

    Raises:
        InputError: tables are not kept in that format.
    """
    _check_format(format)
    if format == "csv":
        with pa_csv.CSVWriter(sink, schema) as rows:
            for batch in batches:
                rows.write_batch(batch)
        return
    with pq.ParquetWriter(sink, schema) as groups:
        for batch in batches:
            groups.write_batch(batch, row_group_size=ROW_GROUP_ROWS)


def _check_format(format: Format) -> None:
    if format not in ("parquet", "csv"):
        raise InputError(f"Tables are kept as .parquet or .csv, not as {format}.")


class LocalTable(DuckDBReadable):
    """A file on this machine, or a folder of them; `dtypes` are the types that are declared."""

    def __init__(
        self,
        name: str,
        location: str,
        settings: StoreSettings,
        *,
        at: FileLocation,
        dtypes: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(name, location, settings)
        self._path = at.path
        self._dtypes = dtypes or {}

    def _exists(self) -> bool:
        if not self._path.is_dir():
            return self._path.exists()
        try:
            return bool(table_files(self._path))
        except InputError:
            return False

    @contextmanager
    def _source(self) -> Iterator[Selectable]:
        table = TableFiles(open_files(self._path, self._dtypes), self.location)
        if table.is_uniform_parquet():
            with connection() as opened, readable(self.location):
                # A pattern's characters in a file's name are those characters.
                paths = [str(file.path).translate(NO_PATTERN) for file in table.files]
                yield Selectable.of(opened, *file_source(paths, "parquet"))
            return
        # DuckDB would guess the types of a text file, and take those of the first Parquet file.
        failed: list[Exception] = []
        given, rows = table.typed()
        schema = plain_schema(plain_columns(given), name=self.location)
        plain = (as_schema(batch, schema, name=self.location) for batch in rows)
        batches = remembering(plain, failed)
        with connection() as opened, first_of(failed), readable(self.location):
            opened.register(_ROWS, pa.RecordBatchReader.from_batches(schema, batches))
            yield Selectable(opened, _ROWS, plain_columns(schema))

    def _write(self, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
        format = format_of(self._path)
        with staged(self._path) as staging:
            write_file(str(staging), format, schema, batches)


_ROWS = "rows_of_the_files"
NO_PATTERN = str.maketrans({character: f"[{character}]" for character in "*?["})


@contextmanager
def readable(location: str) -> Iterator[None]:
    """Say in our words what DuckDB says about a table that it reads."""
    try:
        yield
    except duckdb.Error as error:
        reason = str(error).splitlines()[0].rstrip(".")
        if _LOCKED in reason:
            raise TransientError("another process writes to the file") from error
        if isinstance(error, duckdb.CatalogException):
            raise InputError(f"{location}: no such table ({reason}).") from error
        raise InputError(f"{location}: cannot be read ({reason}).") from error


class DuckDBTable(DuckDBReadable):
    """A table of a DuckDB file."""

    def __init__(
        self, name: str, location: str, settings: StoreSettings, *, at: TableLocation
    ) -> None:
        super().__init__(name, location, settings)
        path = at.url.removeprefix("duckdb://").removeprefix("/")
        if not path:
            raise InputError(
                f"{location}: names no file; expected e.g. duckdb:///data/all.duckdb#company."
            )
        self._path = Path(path)
        self._schema_name = at.schema or "main"
        self._table = at.table

    def _exists(self) -> bool:
        if not self._path.exists():
            return False
        with connection(str(self._path), read_only=True) as opened, readable(self.location):
            return self._known(opened)

    def _known(self, opened: duckdb.DuckDBPyConnection) -> bool:
        found = opened.execute(
            "select 1 from information_schema.tables where table_schema = ? and table_name = ?",
            [self._schema_name, self._table],
        )
        return bool(found.fetchall())

    @property
    def _quoted(self) -> str:
        return f"{quoted(self._schema_name)}.{quoted(self._table)}"

    @contextmanager
    def _source(self) -> Iterator[Selectable]:
        if not self._path.exists():
            raise InputError(f"{self.location}: there is no file {self._path}.")
        with readable(self.location), connection(str(self._path), read_only=True) as opened:
            if not self._known(opened):
                raise InputError(f"{self.location}: {self._missing(opened)}")
            yield Selectable.of(opened, self._quoted)

    def _missing(self, opened: duckdb.DuckDBPyConnection) -> str:
        rows = opened.execute(
            "select table_schema || '.' || table_name from information_schema.tables order by 1"
        ).fetchall()
        known = ", ".join(name for (name,) in rows) or "none"
        return f"there is no table {self._schema_name}.{self._table}. Its tables: {known}."

    def _write(self, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
        self.replace(schema, batches)

    def replace(
        self,
        schema: pa.Schema,
        batches: Iterator[pa.RecordBatch],
        manifest: Callable[[Iterator[pa.RecordBatch]], str] | None = None,
    ) -> str | None:
        """Make these rows the table, in one transaction with its manifest.

        `manifest` makes the manifest's text of the rows as DuckDB has them.

        Raises:
            UserError: the file cannot be written; the table is as it was.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        failed: list[Exception] = []
        rows = pa.RecordBatchReader.from_batches(schema, remembering(batches, failed))
        try:
            with connection(str(self._path)) as opened:
                opened.begin()
                opened.execute(f"create schema if not exists {quoted(self._schema_name)}")
                opened.register("rows_to_write", rows)
                opened.execute(
                    f"create or replace table {self._quoted} as select * from rows_to_write"
                )
                # What another writer keeps would no longer be true.
                text = manifest(self._rows_of(opened)) if manifest else None
                self._keep(opened, text)
                opened.commit()
                return text
        except duckdb.Error as error:
            if failed:
                raise failed[0] from None
            reason = str(error).splitlines()[0].rstrip(".")
            if _LOCKED in reason:
                raise TransientError("another process writes to the file") from error
            raise UserError(f"{self.location}: cannot be written ({reason}).") from error

    def _rows_of(self, opened: duckdb.DuckDBPyConnection) -> Iterator[pa.RecordBatch]:
        return iter(opened.sql(f"select * from {self._quoted}").to_arrow_reader(BATCH_ROWS))

    @property
    def _manifests(self) -> str:
        return f"{quoted(self._schema_name)}.{quoted(MANIFESTS)}"

    def _keep(self, opened: duckdb.DuckDBPyConnection, text: str | None) -> None:
        opened.execute(
            f"create table if not exists {self._manifests} "
            "(table_name varchar primary key, manifest varchar not null)"
        )
        opened.execute(f"delete from {self._manifests} where table_name = ?", [self._table])
        if text is not None:
            opened.execute(f"insert into {self._manifests} values (?, ?)", [self._table, text])

    def manifest(self) -> str | None:
        """What `replace` kept with the table.

        Raises:
            InputError: there is no such table.
        """
        with self._source() as found:
            kept = (
                "select 1 from information_schema.tables where table_schema = ? and table_name = ?"
            )
            parameters = [self._schema_name, MANIFESTS]
            if not found.connection.execute(kept, parameters).fetchall():
                return None
            chosen = f"select manifest from {self._manifests} where table_name = ?"
            row = found.connection.execute(chosen, [self._table]).fetchone()
            return None if row is None else str(row[0])

    def rows(self) -> Iterator[pa.RecordBatch]:
        """The rows, in the types that DuckDB has."""
        with self._source() as found:
            yield from self._rows_of(found.connection)


@contextmanager
def first_of(failed: Sequence[Exception]) -> Iterator[None]:
    """Raise the error that `remembering` kept, instead of what DuckDB made of it."""
    try:
        yield
    except Exception:
        if failed:
            raise failed[0] from None
        raise


def remembering(
    batches: Iterator[pa.RecordBatch], failed: list[Exception]
) -> Iterator[pa.RecordBatch]:
    """Keep the error of what gives the rows: DuckDB would make a text of it."""
    try:
        yield from batches
    except Exception as error:
        failed.append(error)
        raise
