"""Tables of DuckDB files, and queries by DuckDB to other sources."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import duckdb
import pyarrow as pa

from cli.errors import InputError, UserError
from data_access_layer.column_types import Columns, cast_to_schema, plain_columns
from data_access_layer.commit.destination import Origin
from data_access_layer.commit.digest import RowsDigest
from data_access_layer.commit.manifest import MANIFESTS, Manifest
from data_access_layer.query.duckdb import quoted, select_statement
from data_access_layer.reader import RecordBatch
from data_access_layer.retries import TransientError
from data_access_layer.scratch import make_private_folder
from data_access_layer.settings import BATCH_ROWS, StoreSettings
from data_access_layer.tables.stored_table import MakeQuery, StoredTable, TransactionalTable
from data_access_layer.types import convert_types, duckdb_type, refuse_names, refuse_types

if TYPE_CHECKING:
    from data_access_layer.locations import TableLocation

_ROWS = "rows_to_write"
# DuckDB's error for a file that another process writes.
_LOCKED = "Could not set lock on file"


@contextmanager
def connect(
    database: str = ":memory:", *, read_only: bool = False
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Connect to DuckDB, without downloads of extensions or files in the current folder."""
    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "temp_directory": make_private_folder(),
    }
    opened = duckdb.connect(database, read_only=read_only, config=config)
    try:
        opened.execute("set TimeZone = 'UTC'")
        yield opened
    finally:
        opened.close()


@dataclass(frozen=True)
class Selectable:
    """A source of rows: a table function or a table of a connection."""

    connection: duckdb.DuckDBPyConnection
    source: str
    columns: Columns
    parameters: Sequence[Any] = ()

    @classmethod
    def from_source(
        cls, opened: duckdb.DuckDBPyConnection, source: str, parameters: Sequence[Any] = ()
    ) -> Self:
        """Make one with the columns that DuckDB finds in `source`."""
        relation = opened.sql(f"select * from {source} limit 0", params=list(parameters))
        return cls(opened, source, plain_columns(relation.to_arrow_table().schema), parameters)


class DuckDBSource(StoredTable):
    """A table that DuckDB can select from."""

    @abstractmethod
    def _open_source(self) -> AbstractContextManager[Selectable]:
        """Open the source to select from."""

    def _columns(self) -> Columns:
        with self._open_source() as found:
            return found.columns

    def _row_count(self) -> int:
        with self._open_source() as found:
            statement = f"select count(*) from {found.source}"
            counted = found.connection.execute(statement, found.parameters).fetchall()
            return int(counted[0][0])

    def _batches(self, query_for: MakeQuery, batch_rows: int) -> Iterator[pa.RecordBatch]:
        with self._open_source() as found:
            query = query_for(found.columns)
            statement, values = select_statement(query, found.source)
            relation = found.connection.sql(statement, params=[*found.parameters, *values])
            empty = True
            for batch in relation.to_arrow_reader(batch_rows):
                empty = False
                yield cast_to_schema(batch, query.schema, name=self.location)
            if empty:
                yield pa.RecordBatch.from_pylist([], schema=query.schema)


@contextmanager
def translate_errors(location: str) -> Iterator[None]:
    """Translate DuckDB's errors about a table that it reads."""
    try:
        yield
    except duckdb.Error as error:
        reason = str(error).splitlines()[0].rstrip(".")
        if _LOCKED in reason:
            raise TransientError("another process writes to the file") from error
        if isinstance(error, duckdb.CatalogException):
            raise InputError(f"{location}: no such table ({reason}).") from error
        raise InputError(f"{location}: cannot be read ({reason}).") from error


class DuckDBTable(DuckDBSource, TransactionalTable):
    """A table of a DuckDB file; DuckDB rolls back the writes of killed processes."""

    format = "duckdb"

    def __init__(
        self, name: str, location: str, settings: StoreSettings, *, at: TableLocation
    ) -> None:
        super().__init__(name, location, settings)
        path = at.url.removeprefix("duckdb://").removeprefix("/")
        if not path:
            raise InputError(
                f"{location}: does not name a file; expected e.g. duckdb:///data/all.duckdb#company."
            )
        self._path = Path(path)
        self._schema_name = at.schema or "main"
        self._table = at.table

    def _exists(self) -> bool:
        if not self._path.exists():
            return False
        with connect(str(self._path), read_only=True) as opened, translate_errors(self.location):
            return self._has_table(opened, self._table)

    def _has_table(self, opened: duckdb.DuckDBPyConnection, table: str) -> bool:
        found = opened.execute(
            "select 1 from information_schema.tables where table_schema = ? and table_name = ?",
            [self._schema_name, table],
        )
        return bool(found.fetchall())

    @property
    def _quoted_name(self) -> str:
        return f"{quoted(self._schema_name)}.{quoted(self._table)}"

    @contextmanager
    def _open_source(self) -> Iterator[Selectable]:
        if not self._path.exists():
            raise InputError(f"{self.location}: there is no file {self._path}.")
        with translate_errors(self.location), connect(str(self._path), read_only=True) as opened:
            if not self._has_table(opened, self._table):
                raise InputError(f"{self.location}: {self._missing_message(opened)}")
            yield Selectable.from_source(opened, self._quoted_name)

    def _missing_message(self, opened: duckdb.DuckDBPyConnection) -> str:
        rows = opened.execute(
            "select table_schema || '.' || table_name from information_schema.tables order by 1"
        ).fetchall()
        known = ", ".join(name for (name,) in rows) or "none"
        return f"there is no table {self._schema_name}.{self._table}. Its tables: {known}."

    def _replace(self, batches: Iterator[RecordBatch], origin: Origin) -> Manifest:
        first = next(batches, None)
        if first is None:
            raise InputError(f"{self.location}: there are no rows to write.")
        refuse_types(first.schema, self.format)
        refuse_names(first.schema.names, self.format)
        columns = {field.name: str(field.type) for field in first.schema}
        convert = partial(convert_types, target_of=duckdb_type, format=self.format)
        first = convert(first)
        with self._transaction(first.schema, chain([first], map(convert, batches))) as opened:
            digest = RowsDigest.from_batches(self._read_rows(opened))
            manifest = origin.make_manifest(
                rows=digest.rows,
                columns=columns,
                sha256=digest.hexdigest(),
                format=self.format,
                checksum="rows",
            )
            opened.execute(
                f"create table if not exists {self._manifest_table} "
                "(table_name varchar primary key, manifest varchar not null)"
            )
            opened.execute(
                f"delete from {self._manifest_table} where table_name = ?", [self._table]
            )
            opened.execute(
                f"insert into {self._manifest_table} values (?, ?)",
                [self._table, manifest.to_json()],
            )
        return manifest

    @contextmanager
    def _transaction(
        self, schema: pa.Schema, batches: Iterator[RecordBatch]
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        """Replace the table with these rows, in a transaction that ends with the body."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        failed: list[Exception] = []
        rows = pa.RecordBatchReader.from_batches(schema, record_errors(batches, failed))
        try:
            with connect(str(self._path)) as opened:
                opened.begin()
                opened.execute(f"create schema if not exists {quoted(self._schema_name)}")
                opened.register(_ROWS, rows)
                opened.execute(
                    f"create or replace table {self._quoted_name} as select * from {_ROWS}"
                )
                yield opened
                opened.commit()
        except duckdb.Error as error:
            if failed:
                raise failed[0] from None
            reason = str(error).splitlines()[0].rstrip(".")
            if _LOCKED in reason:
                raise TransientError("another process writes to the file") from error
            raise UserError(f"{self.location}: cannot be written ({reason}).") from error

    def _read_rows(self, opened: duckdb.DuckDBPyConnection) -> Iterator[pa.RecordBatch]:
        chosen = opened.sql(f"select * from {self._quoted_name}")
        return iter(chosen.to_arrow_reader(BATCH_ROWS))

    @property
    def _manifest_table(self) -> str:
        return f"{quoted(self._schema_name)}.{quoted(MANIFESTS)}"

    def _read_manifest(self) -> str | None:
        with self._open_source() as found:
            if not self._has_table(found.connection, MANIFESTS):
                return None
            chosen = f"select manifest from {self._manifest_table} where table_name = ?"
            row = found.connection.execute(chosen, [self._table]).fetchone()
            return None if row is None else str(row[0])

    def _compute_checksum(self) -> tuple[int, str]:
        with self._open_source() as found:
            digest = RowsDigest.from_batches(self._read_rows(found.connection))
        return digest.rows, digest.hexdigest()


@contextmanager
def reraise_first(failed: Sequence[Exception]) -> Iterator[None]:
    """Raise the error that `record_errors` recorded, instead of DuckDB's."""
    try:
        yield
    except Exception:
        if failed:
            raise failed[0] from None
        raise


def record_errors(
    batches: Iterator[pa.RecordBatch], failed: list[Exception]
) -> Iterator[pa.RecordBatch]:
    """Record an error of `batches`: DuckDB would convert it to a string."""
    try:
        yield from batches
    except Exception as error:
        failed.append(error)
        raise
