"""The common interface of tables in all stores."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain
from typing import Any, ClassVar, Literal

import pandas as pd
import pyarrow as pa

from cli.errors import InputError, UserError
from data_access_layer.column_types import (
    Columns,
    cast_to_schema,
    from_frame,
    plain_columns,
    plain_schema,
    slice_batch,
    to_frame,
)
from data_access_layer.commit.destination import Origin
from data_access_layer.commit.manifest import Manifest
from data_access_layer.query.filters import AsOf, Filters, Query, make_query
from data_access_layer.reader import RecordBatch
from data_access_layer.retries import TransientError, with_retries
from data_access_layer.settings import BATCH_ROWS, StoreSettings
from data_access_layer.types import reason_of

# Makes a query to a table with these columns.
type MakeQuery = Callable[[Columns], Query]
type Rows = pd.DataFrame | pa.Table | Iterable[pa.RecordBatch] | Iterable[pd.DataFrame]


class StoredTable(ABC):
    """A table in a store; all stores return the same rows for the same query.

    The store applies columns, filters and `as_of`, so that only the result is transferred.
    `filters` are conditions `(column, operator, value)` that must all hold, or a list of such
    lists of which one must hold. The operators are ==, !=, <, <=, >, >=, in, not in, and is and
    is not with None. A missing value matches only `is None`, not even `!=`. `as_of` is applied
    first: a filter never makes an outdated row the latest one.

    Rows of a file keep their order; rows of a database have no order, unless `as_of` sorts them.
    The types are those of `data_access_layer.column_types`.
    """

    def __init__(self, name: str, location: str, settings: StoreSettings) -> None:
        self.name = name
        self.location = location
        self._settings = settings

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, {self.location!r})"

    def exists(self) -> bool:
        """Whether the table exists."""
        return self._retry(self._exists)

    def schema(self) -> pa.Schema:
        """The columns and their types.

        Raises:
            InputError: the table does not exist, or a column's type is not supported.
        """
        return plain_schema(self._retry(self._columns), name=self.location)

    def row_count(self) -> int:
        """The number of rows, from the store's metadata or counted.

        Raises:
            InputError: the table does not exist.
        """
        return self._retry(self._row_count)

    def read(
        self,
        columns: Iterable[str] | None = None,
        filters: Filters | None = None,
        as_of: AsOf | None = None,
    ) -> pd.DataFrame:
        """Read the selected rows, all at once.

        Raises:
            InputError: the table, a column or an operator does not exist, or a value does not fit.
            UserError: the store could not be read.
        """
        query_for = self._query_maker(columns, filters, as_of)
        return to_frame(
            self._retry(lambda: pa.Table.from_batches(self._batches(query_for, BATCH_ROWS)))
        )

    def batches(
        self,
        columns: Iterable[str] | None = None,
        filters: Filters | None = None,
        as_of: AsOf | None = None,
        batch_rows: int = BATCH_ROWS,
    ) -> Iterator[pa.RecordBatch]:
        """Yield the selected rows in batches of one schema, in constant memory.

        There is at least one batch; it is empty if no row matches. Transient failures before the
        first batch are retried; a later retry would duplicate rows.

        Raises:
            InputError: the table, a column or an operator does not exist, or a value does not fit.
            UserError: the store could not be read.
        """
        if batch_rows < 1:
            raise InputError(f"{self.location}: batch_rows: expected 1 or more, got {batch_rows}.")
        query_for = self._query_maker(columns, filters, as_of)

        def start() -> tuple[pa.RecordBatch, Iterator[pa.RecordBatch]]:
            batches = self._batches(query_for, batch_rows)
            return next(batches), batches

        first, rest = self._retry(start)
        with _drop_error_context():
            try:
                for batch in chain([first], rest):
                    yield from slice_batch(batch, batch_rows)
            except TransientError as error:
                raise UserError(
                    f"{self.location}: {error}, after some rows were read. Run it again."
                ) from None

    def write(
        self,
        rows: Rows,
        *,
        mode: Literal["replace"] = "replace",
        origin: Origin = Origin(),  # noqa: B008 - it is frozen
    ) -> None:
        """Replace the table by `rows`, in the types of `data_access_layer.column_types`.

        Batches are written one by one, in constant memory; the first one sets the schema. After a
        transient failure, a table in memory is written again, but batches are not.

        Raises:
            InputError: the batches have different columns, or a column's type is not supported.
            UserError: the store could not be written; the earlier table is untouched.
        """
        if mode != "replace":
            raise InputError(f"{self.location}: unknown mode {mode!r}; known: replace.")
        if isinstance(rows, pd.DataFrame | pa.Table):
            self._retry(lambda: self._replace(plain_batches([rows], name=self.location), origin))
        else:
            self.replace(plain_batches(rows, name=self.location), origin)

    def replace(self, batches: Iterator[RecordBatch], origin: Origin) -> Manifest:
        """Replace the table and its manifest, or leave both unchanged.

        Raises:
            InputError: the rows do not have the same columns, or a value does not fit.
            UserError: the store could not be written.
        """
        with _drop_error_context():
            try:
                return self._replace(batches, origin)
            except TransientError as error:
                raise UserError(
                    f"{self.location}: {error}. The earlier table is untouched; run it again."
                ) from None

    def _retry[T](self, attempt: Callable[[], T]) -> T:
        with _drop_error_context():
            return with_retries(attempt, self._settings, name=self.location)

    def _query_maker(
        self, columns: Iterable[str] | None, filters: Filters | None, as_of: AsOf | None
    ) -> MakeQuery:
        chosen = columns if columns is None or isinstance(columns, str) else tuple(columns)
        return partial(make_query, name=self.location, columns=chosen, filters=filters, as_of=as_of)

    # One attempt each, implemented by each kind of store; raises `TransientError` to be retried.

    @abstractmethod
    def _exists(self) -> bool: ...

    @abstractmethod
    def _columns(self) -> Columns: ...

    @abstractmethod
    def _row_count(self) -> int: ...

    @abstractmethod
    def _batches(self, query_for: MakeQuery, batch_rows: int) -> Iterator[pa.RecordBatch]: ...

    @abstractmethod
    def _replace(self, batches: Iterator[RecordBatch], origin: Origin) -> Manifest: ...


class TransactionalTable(StoredTable):
    """A table that its store replaces in one transaction, with its manifest.

    It is a `data_access_layer.commit.destination.Destination`.
    """

    format: ClassVar[str]

    def check(self, rows: int | None) -> None:
        """Find problems before the work starts."""
        self._retry(self._check)

    def read_manifest(self) -> Manifest | None:
        """Read the manifest of the current table."""
        text = self._retry(self._read_manifest)
        return None if text is None else Manifest.parse(text, self.location)

    def compute_checksum(self, manifest: Manifest) -> tuple[int | None, str]:
        """The number of rows and the checksum of the current table."""
        return self._retry(self._compute_checksum)

    def _check(self) -> None:
        """By default, there is nothing to check."""

    @abstractmethod
    def _read_manifest(self) -> str | None: ...

    @abstractmethod
    def _compute_checksum(self) -> tuple[int, str]: ...


@contextmanager
def _drop_error_context() -> Iterator[None]:
    """Remove the context of a user error, unless it is the explicit cause.

    An error of psycopg contains the password of its connection, which a log of the whole chain
    would show.
    """
    try:
        yield
    except UserError as error:
        if error.__cause__ is None:
            error.__context__ = None
        raise


def plain_batches(parts: Iterable[Any], *, name: str) -> Iterator[RecordBatch]:
    """Convert frames, tables or batches to batches with the schema of the first one.

    Raises:
        InputError: there are none, they have different columns, or a value does not fit.
    """
    schema: pa.Schema | None = None
    for batch in (batch for part in parts for batch in _to_batches(part, name)):
        if schema is None:
            schema = plain_schema(plain_columns(batch.schema), name=name)
        if set(batch.schema.names) != set(schema.names):
            odd = sorted(set(batch.schema.names) ^ set(schema.names))
            raise InputError(f"{name}: column {odd[0]!r} is not in all batches.")
        yield cast_to_schema(batch, schema, name=name)
    if schema is None:
        raise InputError(f"{name}: there is nothing to write, not even columns.")


def _to_batches(part: Any, name: str) -> list[pa.RecordBatch]:
    if isinstance(part, pa.RecordBatch):
        return [part]
    try:
        table = part if isinstance(part, pa.Table) else from_frame(part)
    except pa.ArrowException as error:
        raise InputError(f"{name}: the rows cannot be written: {reason_of(error)}.") from error
    return table.to_batches() or [pa.RecordBatch.from_pylist([], schema=table.schema)]
