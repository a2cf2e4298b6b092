"""Replace a database's table, and its manifest with it, in one transaction.

The rows are loaded into a table beside, which takes the old one's name at the end: readers see the
old rows until then, and a run that is killed leaves nothing, for the database rolls it back. That
takes a database whose transactions hold tables too: PostgreSQL and SQLite, but not MySQL or Oracle.

What hangs on the old table goes with it: indexes and grants; a view on it refuses the export.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, NoSuchTableError, SQLAlchemyError

from config.errors import InputError, UserError
from data_access_layer.commit.manifest import MANIFESTS
from data_access_layer.database_tables import DatabaseTable
from data_access_layer.locations import DUCKDB, TableLocation, parse_location
from data_access_layer.reader import RecordBatch
from data_access_layer.retries import TransientError
from data_access_layer.settings import StoreSettings
from data_access_layer.types import as_types, in_utc, plain, refuse_names, refuse_types, signed

STAGING = "{table}__writing"
DIALECTS = ("postgresql", "sqlite")
# Of PostgreSQL, which would cut longer ones, and so take one table for another.
NAME_BYTES = 63
_MODULUS = 1 << 256


class SqlTable(DatabaseTable):
    """A table of a database that can replace it in one transaction, with its manifest."""

    @property
    def table(self) -> str:
        """Its name in the database."""
        return self._at.table

    @property
    def schema_name(self) -> str | None:
        """Where the database has it, if not in the usual place."""
        return self._at.schema

    def check(self) -> None:
        """Refuse early what could only fail after all the work.

        Raises:
            InputError: the database cannot do it, or the table's name is too long.
            UserError: the database cannot be reached.
        """
        if self._engine.dialect.name not in DIALECTS:
            raise InputError(
                f"{self.location}: {self._engine.dialect.name} cannot replace a table in one "
                f"transaction; expected one of {', '.join(DIALECTS)}."
            )
        if len(STAGING.format(table=self.table).encode()) > NAME_BYTES:
            raise InputError(f"{self.location}: the table's name is too long for one beside it.")
        with self._readable_errors(), self._engine.connect():
            pass

    def replace_with(
        self,
        batches: Iterable[RecordBatch],
        manifest: Callable[[int, str, dict[str, str]], str],
    ) -> str:
        """Make these rows the table; `manifest` makes its text of rows, checksum and columns.

        Raises:
            InputError: a column's type or a value is none that the database has.
            UserError: the database refused, or cannot be reached.
        """
        with self._readable_errors(), self._transaction() as connection:
            columns, staging = self._load(connection, iter(batches))
            rows, checksum = _checksum(connection, staging)
            text = manifest(rows, checksum, columns)
            self._take_place(connection, staging)
            self._keep(connection, text)
        return text

    def manifest(self) -> str | None:
        """What `replace` kept with the table.

        Raises:
            InputError: there is no such table.
        """
        with self._readable_errors(), self._engine.connect() as connection:
            if not sa.inspect(connection).has_table(self.table, self.schema_name):
                raise InputError(f"{self.location}: there is no such table.")
            if not sa.inspect(connection).has_table(MANIFESTS, self.schema_name):
                return None
            kept = self._manifests()
            chosen = sa.select(kept.c.manifest).where(kept.c.table_name == self.table)
            text: str | None = connection.execute(chosen).scalar()
            return text

    def checksum(self) -> tuple[int, str]:
        """Rows and checksum of the table as it is."""
        with self._readable_errors(), self._engine.connect() as connection:
            try:
                table = sa.Table(
                    self.table, sa.MetaData(), schema=self.schema_name, autoload_with=connection
                )
            except NoSuchTableError as error:
                raise InputError(f"{self.location}: there is no such table.") from error
            return _checksum(connection, table)

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        with self._engine.connect() as connection:
            if self._engine.dialect.name == "sqlite":
                # Python's driver begins one by itself only before a change of rows.
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
            connection.commit()

    def _load(
        self, connection: sa.Connection, batches: Iterator[RecordBatch]
    ) -> tuple[dict[str, str], sa.Table]:
        schema, staging = None, None
        for batch in batches:
            if staging is None or schema is None:
                schema = batch.schema
                refuse_types(schema, "sql")
                sqlite = self._engine.dialect.name == "sqlite"
                refuse_names(schema.names, "sqlite" if sqlite else "sql")
                self._refuse_long_names(schema.names)
                staging = self._staging(schema)
                self._make_schema(connection)
                staging.drop(connection, checkfirst=True)
                staging.create(connection)
            elif batch.schema.names != schema.names or batch.schema.types != schema.types:
                raise InputError(
                    f"The tables do not have the same columns: {batch.schema.names} and "
                    f"{schema.names}, or not of the same types."
                )
            _insert(connection, staging, _prepared(batch))
        if staging is None or schema is None:
            raise InputError(f"{self.location}: there are no rows to write.")
        return {field.name: str(field.type) for field in schema}, staging

    def _refuse_long_names(self, names: Sequence[str]) -> None:
        for name in names if self._engine.dialect.name == "postgresql" else ():
            if len(name.encode()) > NAME_BYTES:
                raise InputError(
                    f"{self.location}: the name of the column {name!r} is longer than {NAME_BYTES} "
                    "bytes, and PostgreSQL would cut it. Rename it, or leave it out."
                )

    def _staging(self, schema: pa.Schema) -> sa.Table:
        sqlite = self._engine.dialect.name == "sqlite"
        columns = [sa.Column(f.name, _sql_type(f.type, sqlite=sqlite)) for f in schema]
        name = STAGING.format(table=self.table)
        return sa.Table(name, sa.MetaData(), *columns, schema=self.schema_name)

    def _keep(self, connection: sa.Connection, text: str) -> None:
        kept = self._manifests()
        kept.create(connection, checkfirst=True)
        connection.execute(sa.delete(kept).where(kept.c.table_name == self.table))
        connection.execute(sa.insert(kept).values(table_name=self.table, manifest=text))

    def _manifests(self) -> sa.Table:
        return sa.Table(
            MANIFESTS,
            sa.MetaData(),
            sa.Column("table_name", sa.Text, primary_key=True),
            sa.Column("manifest", sa.Text, nullable=False),
            schema=self.schema_name,
        )

    @contextmanager
    def _readable_errors(self) -> Iterator[None]:
        try:
            with self._faults():
                yield
        except TransientError as error:
            raise UserError(
                f"{self.location}: {error}. The earlier table is untouched; start again."
            ) from None
        except SQLAlchemyError as error:
            raise UserError(
                f"{self.location}: {self._settings.masked(str(error))}. "
                "The earlier table is untouched."
            ) from None


def sql_table(location: str, settings: StoreSettings) -> SqlTable:
    """The table that `URL#table` or `URL#schema.table` names; `settings` have the credentials.

    Raises:
        InputError: it names none, or holds credentials.
    """
    at = parse_location(location)
    if not isinstance(at, TableLocation) or at.scheme == DUCKDB:
        raise InputError(
            f"{location}: exports go to files on this machine, Delta folders and databases "
            "(postgresql+psycopg://host/database#table, sqlite:///file.db#table). Export to a file "
            "and copy that."
        )
    return SqlTable(location, location, settings, at=at)


def _prepared(batch: RecordBatch) -> pa.Table:
    """In types that the database's driver knows: signed numbers, moments in UTC by microseconds."""
    return as_types(in_utc(plain(pa.Table.from_batches([batch]))), _storable, "sql")


def _storable(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", kind.tz)
    if pa.types.is_time(kind):
        return pa.time64("us")
    if pa.types.is_date(kind):
        return pa.date32()
    if pa.types.is_float16(kind):
        return pa.float32()
    return signed(kind)


def _sql_type(kind: pa.DataType, *, sqlite: bool) -> sa.types.TypeEngine[Any]:
    kind = plain(pa.schema([("column", kind)]).empty_table()).schema.types[0]
    if pa.types.is_boolean(kind):
        return sa.Boolean()
    if pa.types.is_integer(kind):
        bits = kind.bit_width + pa.types.is_unsigned_integer(kind)
        return sa.SmallInteger() if bits <= 16 else sa.Integer() if bits <= 32 else sa.BigInteger()
    if pa.types.is_floating(kind):
        return sa.Double() if kind.bit_width == 64 else sa.REAL()
    if pa.types.is_decimal(kind):
        # SQLite has no decimals: its numbers would not be the same.
        return sa.Text() if sqlite else sa.Numeric(kind.precision, kind.scale)
    if pa.types.is_date(kind):
        return sa.Date()
    if pa.types.is_time(kind):
        return sa.Time()
    if pa.types.is_timestamp(kind):
        return sa.DateTime(timezone=kind.tz is not None)
    return sa.Text()


def _insert(connection: sa.Connection, staging: sa.Table, rows: pa.Table) -> None:
    if not rows.num_rows:
        return
    if connection.dialect.name == "postgresql":
        _copy(connection, staging, rows)
        return
    columns = [_values(column) for column in rows.columns]
    names = rows.column_names
    connection.execute(
        sa.insert(staging),
        [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)],
    )


def _values(column: pa.ChunkedArray) -> list[Any]:
    if pa.types.is_decimal(column.type):
        return [None if value is None else str(value) for value in column.to_pylist()]
    if pa.types.is_timestamp(column.type) and column.type.tz:
        # SQLite has no time zones: what is there is UTC.
        column = column.cast(pa.timestamp("us"))
    values: list[Any] = column.to_pylist()
    return values


def _copy(connection: sa.Connection, staging: sa.Table, rows: pa.Table) -> None:
    """Load by PostgreSQL's COPY, to which Arrow's CSV tells a missing text from an empty one."""
    buffer = io.BytesIO()
    pa_csv.write_csv(rows, buffer, pa_csv.WriteOptions(include_header=False))
    quoted = connection.dialect.identifier_preparer
    cursor = connection.connection.cursor()
    statement = f"COPY {quoted.format_table(staging)} FROM STDIN (FORMAT csv, ENCODING 'UTF8')"
    try:
        with cursor.copy(statement) as copy:
            copy.write(buffer.getbuffer())
    except connection.dialect.loaded_dbapi.Error as error:
        raise DBAPIError.instance(
            statement, None, error, connection.dialect.loaded_dbapi.Error
        ) from error
    finally:
        cursor.close()


def _checksum(connection: sa.Connection, table: sa.Table) -> tuple[int, str]:
    """Rows, and the sum of their SHA-256 modulo 2**256: databases keep no order."""
    reflected = sa.Table(table.name, sa.MetaData(), schema=table.schema, autoload_with=connection)
    chosen = sa.select(*reflected.columns)
    streamed = {"stream_results": True, "max_row_buffer": 10_000}
    result = connection.execute(chosen, execution_options=streamed)
    zoned = [
        index
        for index, column in enumerate(reflected.columns)
        if getattr(column.type, "timezone", False)
    ]
    total = _hash(ascii(reflected.columns.keys()))
    count = 0
    for row in result:
        # As Python writes it, which is fast, and the same whatever driver reads it.
        total += _hash(ascii(_in_utc(row, zoned) if zoned else tuple(row)))
        count += 1
    return count, f"{total % _MODULUS:064x}"


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode("ascii")).digest())


def _in_utc(row: sa.Row[Any], zoned: Sequence[int]) -> tuple[Any, ...]:
    values = list(row)
    for index in zoned:
        if isinstance(values[index], dt.datetime):
            values[index] = str(values[index].astimezone(dt.UTC))
    return tuple(values)
