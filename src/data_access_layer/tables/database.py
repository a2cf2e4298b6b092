"""Read tables of databases that SQLAlchemy supports, and replace them in PostgreSQL and SQLite.

The rows are loaded into a new table, which is renamed at the end, in one transaction with the
manifest. Until then, readers see the old rows. If a run is killed, the database rolls back. This
requires transactions that include CREATE and DROP TABLE, unlike those of MySQL and Oracle.

Indexes and grants of the old table are lost. The write fails if there is a view on the table.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.csv as pa_csv
import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    NoSuchModuleError,
    NoSuchTableError,
    SQLAlchemyError,
)

from cli.errors import InputError, UserError
from data_access_layer.column_types import Columns
from data_access_layer.commit.destination import Origin
from data_access_layer.commit.manifest import MANIFESTS, Manifest
from data_access_layer.formats.sql import (
    arrow_type,
    python_values,
    sql_type,
    to_copy_format,
    to_driver_types,
)
from data_access_layer.locations import TableLocation
from data_access_layer.query.sql import select_statement
from data_access_layer.reader import RecordBatch
from data_access_layer.retries import TransientError
from data_access_layer.settings import StoreSettings
from data_access_layer.tables.stored_table import MakeQuery, TransactionalTable
from data_access_layer.types import refuse_names, refuse_types

TRANSACTIONAL = ("postgresql", "sqlite")
# PostgreSQL truncates longer names, and could so replace another table.
NAME_BYTES = 63
SYSTEM_COLUMNS = ("tableoid", "xmin", "cmin", "xmax", "cmax", "ctid")
# Rows that the driver keeps in memory.
BUFFERED_ROWS = 10_000
_MODULUS = 1 << 256

# SQLSTATE codes of connections, server shutdown, locks, and too many clients.
_TRANSIENT_STATES = re.compile(r"08...|57P0[123]|40001|40P01|53300|55P03")
# If no connection was made, drivers have no code, only a message.
_TRANSIENT_WORDS = re.compile(
    "connection refused|is the server running|timeout expired|timed out|closed the connection|"
    "starting up|shutting down|in recovery|too many clients|connection slots|"
    "terminating connection|temporary failure|connection reset|broken pipe|connection is lost|"
    "could not receive data|unreachable|no route to host|database is locked",
    re.IGNORECASE,
)
_REFUSED_WORDS = re.compile(
    "authentication failed|no password supplied|access denied|role .* does not exist|pg_hba",
    re.IGNORECASE,
)


class DatabaseTable(TransactionalTable):
    """A table of a database, or a view to read from."""

    format = "sql"

    def __init__(
        self, name: str, location: str, settings: StoreSettings, *, at: TableLocation
    ) -> None:
        super().__init__(name, location, settings)
        self._at = at

    # Reading

    def _exists(self) -> bool:
        with self._translate_errors(), self._engine.connect() as opened:
            return self._has_table(opened, self._at.table)

    def _columns(self) -> Columns:
        with self._translate_errors(), self._engine.connect() as opened:
            return _columns_of(self._reflect_table(opened))

    def _row_count(self) -> int:
        with self._translate_errors(), self._engine.connect() as opened:
            table = self._reflect_table(opened)
            return int(opened.scalar(sa.select(sa.func.count()).select_from(table)) or 0)

    def _batches(self, query_for: MakeQuery, batch_rows: int) -> Iterator[pa.RecordBatch]:
        with self._translate_errors(), self._engine.connect() as opened:
            table = self._reflect_table(opened)
            query = query_for(_columns_of(table))
            statement = select_statement(query, table, opened.dialect.name)
            # A server-side cursor, so that rows are fetched in batches.
            empty = True
            with opened.execution_options(yield_per=batch_rows).execute(statement) as result:
                for rows in result.partitions():
                    empty = False
                    yield self._to_batch(list(zip(*rows, strict=True)), query.schema)
            if empty:
                yield self._to_batch([()] * len(query.columns), query.schema)

    def _to_batch(self, columns: list[Any], schema: pa.Schema) -> pa.RecordBatch:
        arrays = []
        for field, values in zip(schema, columns, strict=True):
            try:
                arrays.append(pa.array(values, field.type))
            except (pa.ArrowException, OverflowError) as error:
                raise InputError(
                    f"{self.location}: column {field.name!r}: a value does not fit into "
                    f"{field.type} ({error})."
                ) from error
        return pa.RecordBatch.from_arrays(arrays, schema=schema)

    # Writing

    def _check(self) -> None:
        self._check_dialect()
        with self._translate_errors(), self._engine.connect():
            pass

    def _check_dialect(self) -> None:
        if self._dialect not in TRANSACTIONAL:
            raise InputError(
                f"{self.location}: {self._dialect} cannot replace a table in one transaction; "
                f"expected one of {', '.join(TRANSACTIONAL)}."
            )
        self._check_names("table", [self._at.table])

    def _check_names(self, what: str, names: Sequence[str]) -> None:
        for name in names if self._dialect == "postgresql" else ():
            if len(name.encode()) > NAME_BYTES:
                raise InputError(
                    f"{self.location}: the name of the {what} {name!r} is longer than {NAME_BYTES} "
                    "bytes, and PostgreSQL would cut it. Use a shorter name."
                )
            if what == "column" and name in SYSTEM_COLUMNS:
                raise InputError(
                    f"{self.location}: PostgreSQL reserves the column name {name!r}. Rename the "
                    "column, or leave it out."
                )

    def _replace(self, batches: Iterator[RecordBatch], origin: Origin) -> Manifest:
        self._check_dialect()
        with self._translate_errors(), self._transaction() as opened:
            columns, new = self._load_rows(opened, batches)
            rows, checksum = _checksum_rows(opened, new)
            manifest = origin.make_manifest(
                rows=rows, columns=columns, sha256=checksum, format=self.format, checksum="rows"
            )
            self._swap_in(opened, new)
            self._write_manifest(opened, manifest)
        return manifest

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with self._engine.connect() as opened:
            if self._dialect == "sqlite":
                # Python's driver only begins a transaction before it changes rows.
                opened.exec_driver_sql("BEGIN IMMEDIATE")
            yield opened
            opened.commit()

    def _load_rows(
        self, opened: Connection, batches: Iterator[RecordBatch]
    ) -> tuple[dict[str, str], sa.Table]:
        """Load the rows into a new table; return the Arrow types of its columns, and the table."""
        first, table = None, None
        for batch in batches:
            if first is None or table is None:
                first = batch.schema
                table = self._create_table(opened, first)
            elif batch.schema.names != first.names or batch.schema.types != first.types:
                raise InputError(
                    f"The tables do not have the same columns: {batch.schema.names} and "
                    f"{first.names}, or not of the same types."
                )
            _insert(opened, table, to_driver_types(batch))
        if first is None or table is None:
            raise InputError(f"{self.location}: there are no rows to write.")
        return {field.name: str(field.type) for field in first}, table

    def _create_table(self, opened: Connection, schema: pa.Schema) -> sa.Table:
        is_sqlite = self._dialect == "sqlite"
        refuse_types(schema, "sql")
        refuse_names(schema.names, "sqlite" if is_sqlite else "sql")
        self._check_names("column", schema.names)
        columns = [sa.Column(f.name, sql_type(f.type, sqlite=is_sqlite)) for f in schema]
        name = f"writing_{secrets.token_hex(8)}"
        table = sa.Table(name, sa.MetaData(schema=self._at.schema), *columns)
        self._create_schema(opened)
        table.create(opened)
        return table

    def _create_schema(self, opened: Connection) -> None:
        name = self._at.schema
        if name and not sa.inspect(opened).has_schema(name):
            # PostgreSQL's `if not exists` fails if two transactions create the schema.
            _acquire_lock(opened, self._at.url)
            opened.execute(sa.schema.CreateSchema(name, if_not_exists=True))

    def _swap_in(self, opened: Connection, new: sa.Table) -> None:
        _acquire_lock(opened, self.location)
        old = sa.Table(self._at.table, sa.MetaData(schema=self._at.schema))
        opened.execute(sa.schema.DropTable(old, if_exists=True))
        prepare = opened.dialect.identifier_preparer
        opened.exec_driver_sql(
            f"ALTER TABLE {prepare.format_table(new)} RENAME TO {prepare.quote(old.name)}"
        )

    def _write_manifest(self, opened: Connection, manifest: Manifest) -> None:
        # PostgreSQL's `if not exists` fails if two transactions create the table.
        _acquire_lock(opened, f"{self._at.url}#{self._at.schema}.{MANIFESTS}")
        kept = self._manifest_table()
        kept.create(opened, checkfirst=True)
        opened.execute(sa.delete(kept).where(kept.c.table_name == self._at.table))
        opened.execute(
            sa.insert(kept).values(table_name=self._at.table, manifest=manifest.to_json())
        )

    def _manifest_table(self) -> sa.Table:
        return sa.Table(
            MANIFESTS,
            sa.MetaData(schema=self._at.schema),
            sa.Column("table_name", sa.Text, primary_key=True),
            sa.Column("manifest", sa.Text, nullable=False),
        )

    def _read_manifest(self) -> str | None:
        with self._translate_errors(), self._engine.connect() as opened:
            self._reflect_table(opened)
            if not self._has_table(opened, MANIFESTS):
                return None
            kept = self._manifest_table()
            chosen = sa.select(kept.c.manifest).where(kept.c.table_name == self._at.table)
            text: str | None = opened.execute(chosen).scalar()
            return text

    def _compute_checksum(self) -> tuple[int, str]:
        with self._translate_errors(), self._engine.connect() as opened:
            return _checksum_rows(opened, self._reflect_table(opened))

    # The database

    @property
    def _dialect(self) -> str:
        return self._engine.dialect.name

    @cached_property
    def _engine(self) -> sa.Engine:
        url = self._url()
        arguments: dict[str, Any] = {}
        if url.get_backend_name() == "postgresql":
            arguments = {"connect_timeout": self._settings.timeout_seconds}
            if url.get_driver_name() == "psycopg":
                arguments["options"] = "-c timezone=UTC"
        try:
            # Filter values must not appear in error messages either.
            return sa.create_engine(
                url, poolclass=sa.NullPool, hide_parameters=True, connect_args=arguments
            )
        except (NoSuchModuleError, ModuleNotFoundError) as error:
            raise InputError(
                f"{self.location}: the driver of {self._at.scheme}:// is not installed ({error}). "
                "For PostgreSQL, write postgresql+psycopg://."
            ) from None

    def _url(self) -> URL:
        try:
            url = make_url(self._at.url)
        except (ArgumentError, ValueError):
            raise InputError(
                f"{self.location}: is not a valid database URL; expected e.g. "
                "postgresql+psycopg://host/database#schema.table."
            ) from None
        if url.get_backend_name() == "sqlite":
            return url
        password = self._settings.database_password
        return url.set(
            username=self._settings.database_user or url.username,
            password=password.get_secret_value() if password else None,
        )

    def _has_table(self, opened: Connection, name: str) -> bool:
        return sa.inspect(opened).has_table(name, schema=self._at.schema)

    def _reflect_table(self, opened: Connection) -> sa.Table:
        try:
            return sa.Table(
                self._at.table, sa.MetaData(schema=self._at.schema), autoload_with=opened
            )
        except NoSuchTableError:
            known = ", ".join(sorted(self._list_tables(opened))) or "none"
            raise InputError(
                f"{self.location}: there is no such table. Existing tables: {known}."
            ) from None

    def _list_tables(self, opened: Connection) -> list[str]:
        inspector = sa.inspect(opened)
        schema = self._at.schema
        if schema and not inspector.has_schema(schema):
            return []
        return inspector.get_table_names(schema) + inspector.get_view_names(schema)

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        """Translate errors of the driver to user errors and transient errors.

        Never chained: a driver's error may contain credentials.
        """
        problem: Exception
        try:
            yield
            return
        except DBAPIError as error:
            problem = self._translate_error(error.orig or error)
        except psycopg.Error as error:
            problem = self._translate_error(error)
        except SQLAlchemyError as error:
            reason = self._settings.mask_secrets(str(error).splitlines()[0].rstrip("."))
            problem = UserError(f"{self.location}: the database cannot be used ({reason}).")
        raise problem from None

    def _translate_error(self, error: BaseException) -> Exception:
        message = str(error)
        reason = (
            self._settings.mask_secrets(message.splitlines()[0].rstrip("."))
            if message
            else type(error).__name__
        )
        state = getattr(error, "sqlstate", None) or ""
        if _REFUSED_WORDS.search(message) or state.startswith("28"):
            return UserError(
                f"{self.location}: access denied ({reason}). Set [stores] "
                "database_user and DATASCIENCE_STORES_DATABASE_PASSWORD."
            )
        if _TRANSIENT_STATES.fullmatch(state) or (not state and _TRANSIENT_WORDS.search(message)):
            return TransientError(reason)
        return UserError(f"{self.location}: the database failed ({reason}).")


def _columns_of(table: sa.Table) -> Columns:
    return {column.name: arrow_type(column.type) for column in table.columns}


def _acquire_lock(opened: Connection, what: str) -> None:
    """Wait for an exclusive lock named `what`, and hold it until the transaction ends."""
    if opened.dialect.name == "postgresql":
        lock = sa.func.pg_advisory_xact_lock(sa.func.hashtext(what))
        opened.execute(sa.select(lock))


def _insert(opened: Connection, table: sa.Table, rows: pa.Table) -> None:
    if not rows.num_rows:
        return
    if opened.dialect.name == "postgresql" and opened.dialect.driver == "psycopg":
        _copy(opened, table, rows)
        return
    names = rows.column_names
    columns = [python_values(column) for column in rows.columns]
    opened.execute(
        sa.insert(table),
        [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)],
    )


def _copy(opened: Connection, table: sa.Table, rows: pa.Table) -> None:
    """Load with PostgreSQL's COPY; Arrow's CSV distinguishes missing and empty text."""
    text = io.BytesIO()
    pa_csv.write_csv(to_copy_format(rows), text, pa_csv.WriteOptions(include_header=False))
    name = opened.dialect.identifier_preparer.format_table(table)
    driver: Any = opened.connection.driver_connection
    statement = f"COPY {name} FROM STDIN (FORMAT csv, ENCODING 'UTF8')"
    with driver.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(text.getbuffer())


def _checksum_rows(opened: Connection, table: sa.Table) -> tuple[int, str]:
    """The number of rows, and the sum of their SHA-256 modulo 2**256: rows have no order."""
    known = sa.Table(table.name, sa.MetaData(schema=table.schema), autoload_with=opened)
    streamed = {"stream_results": True, "max_row_buffer": BUFFERED_ROWS}
    result = opened.execute(sa.select(*known.columns), execution_options=streamed)
    zoned = [
        index
        for index, column in enumerate(known.columns)
        if getattr(column.type, "timezone", False)
    ]
    total = _hash(ascii(known.columns.keys()))
    count = 0
    for row in result:
        # Python's `ascii` is fast, and the same for every driver.
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
