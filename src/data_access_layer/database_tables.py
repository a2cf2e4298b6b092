"""Tables of databases that SQLAlchemy knows.

A table is replaced by one that was filled beside it, in one transaction. PostgreSQL is what is
tested against a server; databases that cannot roll back a `create table` keep the half-filled
table `<name>_writing_…` of a writer that was killed.
"""

from __future__ import annotations

import io
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.csv as pa_csv
import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, NoSuchTableError

from config.errors import InputError, UserError
from data_access_layer.column_types import TIMESTAMP, TIMESTAMP_UTC, Columns
from data_access_layer.filters import Condition, Query
from data_access_layer.locations import TableLocation
from data_access_layer.retries import TransientError
from data_access_layer.settings import StoreSettings
from data_access_layer.table import Ask, StoredTable

INSERTED_ROWS = 5_000
_RANK = "rank_in_key_"

# The class of an SQLSTATE, or all of it: connections, a server that stops, locks, no room for us.
_TRANSIENT_STATES = re.compile(r"08...|57P0[123]|40001|40P01|53300|55P03")
# Where a server did not even let us in, drivers say why in words alone.
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


class DatabaseTable(StoredTable):
    """A table, or to read from a view, of a database."""

    def __init__(
        self, name: str, location: str, settings: StoreSettings, *, at: TableLocation
    ) -> None:
        super().__init__(name, location, settings)
        self._at = at

    def _exists(self) -> bool:
        with self._faults(), self._engine.connect() as opened:
            return sa.inspect(opened).has_table(self._at.table, schema=self._at.schema)

    def _columns(self) -> Columns:
        with self._faults(), self._engine.connect() as opened:
            return _columns_of(self._table(opened))

    def _row_count(self) -> int:
        with self._faults(), self._engine.connect() as opened:
            table = self._table(opened)
            return int(opened.scalar(sa.select(sa.func.count()).select_from(table)) or 0)

    def _batches(self, ask: Ask, batch_rows: int) -> Iterator[pa.RecordBatch]:
        with self._faults(), self._engine.connect() as opened:
            table = self._table(opened)
            query = ask(_columns_of(table))
            statement = select_statement(query, table, opened.dialect.name)
            # A cursor of the server: rows come as they are asked for.
            empty = True
            with opened.execution_options(yield_per=batch_rows).execute(statement) as result:
                for rows in result.partitions():
                    empty = False
                    yield self._batch(list(zip(*rows, strict=True)), query.schema)
            if empty:
                yield self._batch([()] * len(query.columns), query.schema)

    def _batch(self, columns: list[Any], schema: pa.Schema) -> pa.RecordBatch:
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

    def _write(self, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
        staging = f"{self._at.table[:40]}_writing_{secrets.token_hex(4)}"
        new = sa.Table(
            staging,
            sa.MetaData(schema=self._at.schema),
            *(sa.Column(field.name, _SQL_TYPES[field.type]) for field in schema),
        )
        with self._faults(), self._engine.begin() as opened:
            self._make_schema(opened)
            new.create(opened)
            _fill(opened, new, batches)
            self._take_place(opened, new)

    def _make_schema(self, opened: Connection) -> None:
        name = self._at.schema
        if name and not sa.inspect(opened).has_schema(name):
            # PostgreSQL's `if not exists` fails where two make the same schema at once.
            _take_turns(opened, self._at.url)
            opened.execute(sa.schema.CreateSchema(name, if_not_exists=True))

    def _take_place(self, opened: Connection, new: sa.Table) -> None:
        _take_turns(opened, self.location)
        old = sa.Table(self._at.table, sa.MetaData(schema=self._at.schema))
        opened.execute(sa.schema.DropTable(old, if_exists=True))
        prepare = opened.dialect.identifier_preparer
        opened.exec_driver_sql(
            f"ALTER TABLE {prepare.format_table(new)} RENAME TO {prepare.quote(old.name)}"
        )

    @cached_property
    def _engine(self) -> sa.Engine:
        url = self._url()
        arguments: dict[str, Any] = {}
        if url.get_backend_name() == "postgresql":
            arguments = {"connect_timeout": self._settings.timeout_seconds}
            if url.get_driver_name() == "psycopg":
                arguments["options"] = "-c timezone=UTC"
        try:
            # What a person filters by is not for error messages either.
            return sa.create_engine(
                url, poolclass=sa.NullPool, hide_parameters=True, connect_args=arguments
            )
        except (NoSuchModuleError, ModuleNotFoundError) as error:
            raise InputError(
                f"{self.location}: what reads {self._at.scheme}:// is not installed ({error}). "
                "For PostgreSQL, write postgresql+psycopg://."
            ) from None

    def _url(self) -> URL:
        try:
            url = make_url(self._at.url)
        except (ArgumentError, ValueError):
            raise InputError(
                f"{self.location}: is no URL of a database; expected e.g. "
                "postgresql+psycopg://host/database#schema.table."
            ) from None
        if url.get_backend_name() == "sqlite":
            return url
        password = self._settings.database_password
        return url.set(
            username=self._settings.database_user or url.username,
            password=password.get_secret_value() if password else None,
        )

    def _table(self, opened: Connection) -> sa.Table:
        try:
            return sa.Table(
                self._at.table, sa.MetaData(schema=self._at.schema), autoload_with=opened
            )
        except NoSuchTableError:
            known = ", ".join(sorted(self._tables(opened))) or "none"
            raise InputError(
                f"{self.location}: there is no such table. Tables there: {known}."
            ) from None

    def _tables(self, opened: Connection) -> list[str]:
        inspector = sa.inspect(opened)
        schema = self._at.schema
        if schema and not inspector.has_schema(schema):
            return []
        return inspector.get_table_names(schema) + inspector.get_view_names(schema)

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """Say in our words what went wrong, and what of it may pass.

        Never chained: what a driver raises may hold what it connected with.
        """
        problem: Exception
        try:
            yield
            return
        except DBAPIError as error:
            problem = self._problem(error.orig or error)
        except psycopg.Error as error:
            problem = self._problem(error)
        raise problem from None

    def _problem(self, error: BaseException) -> Exception:
        said = str(error)
        reason = (
            self._settings.masked(said.splitlines()[0].rstrip("."))
            if said
            else type(error).__name__
        )
        state = getattr(error, "sqlstate", None) or ""
        if _REFUSED_WORDS.search(said) or state.startswith("28"):
            return UserError(
                f"{self.location}: the database does not let us in ({reason}). Set [stores] "
                "database_user and DATASCIENCE_STORES_DATABASE_PASSWORD."
            )
        if _TRANSIENT_STATES.fullmatch(state) or (not state and _TRANSIENT_WORDS.search(said)):
            return TransientError(reason)
        return UserError(f"{self.location}: the database refuses ({reason}).")


_SQL_TYPES: Mapping[pa.DataType, sa.types.TypeEngine[Any]] = {
    pa.bool_(): sa.Boolean(),
    pa.int64(): sa.BigInteger(),
    pa.float64(): sa.Double(),
    pa.string(): sa.Text(),
    pa.date32(): sa.Date(),
    TIMESTAMP: sa.DateTime(),
    TIMESTAMP_UTC: sa.DateTime(timezone=True),
    pa.binary(): sa.LargeBinary(),
}


def _columns_of(table: sa.Table) -> Columns:
    return {column.name: _arrow_type(column.type) for column in table.columns}


def _arrow_type(kind: sa.types.TypeEngine[Any]) -> pa.DataType | str:
    if isinstance(kind, sa.DateTime):
        return TIMESTAMP_UTC if kind.timezone else TIMESTAMP
    for known, plain in _PLAIN_TYPES:
        if isinstance(kind, known):
            return plain
    return str(kind)


_PLAIN_TYPES: tuple[tuple[type[Any], pa.DataType], ...] = (
    (sa.Boolean, pa.bool_()),
    (sa.Integer, pa.int64()),
    # `Float` is one of them.
    (sa.Numeric, pa.float64()),
    (sa.Float, pa.float64()),
    (sa.Date, pa.date32()),
    # `Enum` is one of them.
    (sa.String, pa.string()),
    (sa.Uuid, pa.string()),
    (sa.LargeBinary, pa.binary()),
)


def select_statement(query: Query, table: sa.Table, dialect: str) -> sa.Select[Any]:
    """The statement for `query`: all of it is the database's work."""
    if query.as_of is None:
        columns = [_read(table.c[name]) for name in query.columns]
        return sa.select(*columns).where(*_where(query, table.c, dialect))
    rank = sa.func.row_number().over(
        partition_by=[table.c[key] for key in query.as_of.keys],
        order_by=[each for name in query.ties for each in _sorted(table.c[name], dialect, -1)],
    )
    known = sa.and_(*(table.c[name] <= _value(at) for name, at in query.moments.items()))
    ranked = sa.select(*(table.c[name] for name in _used(query)), rank.label(_RANK)).where(known)
    latest = ranked.subquery("ranked")
    order = [each for key in query.as_of.keys for each in _sorted(latest.c[key], dialect, 1)]
    return (
        sa.select(*(_read(latest.c[name]) for name in query.columns))
        .where(latest.c[_RANK] == 1, *_where(query, latest.c, dialect))
        .order_by(*order)
    )


def _used(query: Query) -> list[str]:
    conditions = [condition.column for group in query.either for condition in group]
    keys = query.as_of.keys if query.as_of else ()
    return list(dict.fromkeys([*query.columns, *conditions, *keys]))


def _read(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """Decimals as floating-point numbers, and what is nearly text as text, by the database."""
    kind = column.type
    if isinstance(kind, sa.Numeric) and not isinstance(kind, sa.Float):
        return sa.cast(column, sa.Double).label(None)
    if isinstance(kind, sa.Uuid | sa.Enum):
        return sa.cast(column, sa.Text).label(None)
    return column


def _binary_order(column: sa.ColumnElement[Any], dialect: str) -> sa.ColumnElement[Any]:
    """Text in the order of its characters' numbers, as in all other stores."""
    text = _read(column)
    return sa.collate(text, "C") if dialect == "postgresql" and _is_text(column) else text


def _is_text(column: sa.ColumnElement[Any]) -> bool:
    return isinstance(column.type, sa.String | sa.Uuid)


def _sorted(
    column: sa.ColumnElement[Any], dialect: str, direction: int
) -> list[sa.ColumnElement[Any]]:
    """The column as an order, missing values last; not all databases know `nulls last`."""
    value = _binary_order(column, dialect)
    missing = sa.case((column.is_(None), 1), else_=0)
    return [missing, value.asc() if direction > 0 else value.desc()]


def _where(query: Query, columns: Any, dialect: str) -> list[sa.ColumnElement[bool]]:
    if not query.either:
        return []
    groups = (
        sa.and_(*(_compared(condition, columns[condition.column], dialect) for condition in group))
        for group in query.either
    )
    return [sa.or_(*groups)]


def _compared(
    condition: Condition, column: sa.ColumnElement[Any], dialect: str
) -> sa.ColumnElement[bool]:
    value = condition.value
    match condition.operator:
        case "is":
            return column.is_(None)
        case "is not":
            return column.is_not(None)
        case "in":
            return _read(column).in_([_value(each) for each in value])
        case "not in":
            return _read(column).not_in([_value(each) for each in value])
        case "==":
            return _read(column) == _value(value)
        case "!=":
            return _read(column) != _value(value)
    ordered = _binary_order(column, dialect)
    compared: sa.ColumnElement[bool] = ordered.op(condition.operator, is_comparison=True)(
        _value(value)
    )
    return compared


def _value(value: Any) -> sa.ColumnElement[Any]:
    """Of its own type: of a column's type, 10.5 would be rounded where that is of whole numbers."""
    return sa.literal(value, _SQL_TYPES[pa.scalar(value).type])


def _take_turns(opened: Connection, what: str) -> None:
    """Wait until no other transaction that takes turns over `what` is under way."""
    if opened.dialect.name == "postgresql":
        lock = sa.func.pg_advisory_xact_lock(sa.func.hashtext(what))
        opened.execute(sa.select(lock))


def _fill(opened: Connection, table: sa.Table, batches: Iterator[pa.RecordBatch]) -> None:
    if opened.dialect.name == "postgresql" and opened.dialect.driver == "psycopg":
        _copy(opened, table, batches)
        return
    for batch in batches:
        for start in range(0, batch.num_rows, INSERTED_ROWS):
            opened.execute(sa.insert(table), batch.slice(start, INSERTED_ROWS).to_pylist())


def _copy(opened: Connection, table: sa.Table, batches: Iterator[pa.RecordBatch]) -> None:
    """PostgreSQL's COPY: many times as fast as INSERT."""
    name = opened.dialect.identifier_preparer.format_table(table)
    driver: Any = opened.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f"COPY {name} FROM STDIN (FORMAT csv)") as copy:
        for batch in batches:
            rows = io.BytesIO()
            pa_csv.write_csv(_as_text(batch), rows, pa_csv.WriteOptions(include_header=False))
            copy.write(rows.getvalue())


def _as_text(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Bytes as PostgreSQL writes them; Arrow writes all else so that it is understood."""
    for index, field in enumerate(batch.schema):
        if pa.types.is_binary(field.type):
            texts = [
                None if each is None else rf"\x{each.hex()}" for each in batch[index].to_pylist()
            ]
            batch = batch.set_column(index, field.name, pa.array(texts, pa.string()))
    return batch
