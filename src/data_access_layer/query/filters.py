"""Queries: the columns and rows to read, checked against the table before it is read."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from cli.errors import InputError
from data_access_layer.column_types import TIMESTAMP, TIMESTAMP_UTC, Columns, plain_schema

COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")
MEMBERSHIPS = ("in", "not in")
NULL_TESTS = ("is", "is not")
OPERATORS = (*COMPARISONS, *MEMBERSHIPS, *NULL_TESTS)

type Filter = tuple[str, str, Any]
type Filters = Sequence[Filter] | Sequence[Sequence[Filter]]


@dataclass(frozen=True)
class AsOf:
    """A point in time: of each key, read the latest row that was known then.

    Rows without a timestamp are never known. Of rows with the same keys and timestamp, the row that
    became available last wins, then the row with the greatest values in `tie_breakers`, then in the
    other columns that are read, in the order of their names. A missing value is the smallest. The
    rows are sorted by their keys, missing keys last.

    Attributes:
        keys: the columns that identify an entity; each entity gives one row.
        timestamp: the column with the time of the row's event.
        time: the point in time; without a time zone, it is UTC.
        available: the column with the time at which a row became known, if there is one; rows that
            became known after `time` are ignored.
        tie_breakers: columns that decide between rows that are otherwise equal.
    """

    keys: tuple[str, ...]
    timestamp: str
    time: datetime
    available: str | None = None
    tie_breakers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if isinstance(self.keys, str) or not self.keys:
            raise InputError(f"as_of: keys: expected names of columns, got {self.keys!r}.")
        if not isinstance(self.time, datetime) or pd.isna(self.time):
            raise InputError(f"as_of: time: expected a datetime, got {self.time!r}.")

    @property
    def time_columns(self) -> tuple[str, ...]:
        """The columns that must not be after `time`."""
        return (self.timestamp, *([self.available] if self.available else []))


@dataclass(frozen=True)
class Condition:
    """A comparison of a column with a value of its type."""

    column: str
    operator: str
    value: Any


@dataclass(frozen=True)
class Query:
    """A query to one table; every column exists, and every value fits its column.

    `any_of` holds alternatives, each a tuple of conditions that must all hold.
    """

    schema: pa.Schema
    any_of: tuple[tuple[Condition, ...], ...] = ()
    as_of: AsOf | None = None
    time_limits: dict[str, datetime] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns to read, in that order."""
        return tuple(self.schema.names)

    @property
    def ties(self) -> tuple[str, ...]:
        """The columns that decide between rows of the same keys, greatest first."""
        assert self.as_of
        first = (*self.as_of.time_columns, *self.as_of.tie_breakers)
        decided = {*first, *self.as_of.keys}
        return (*first, *sorted(set(self.columns) - decided))


def make_query(
    known: Columns,
    *,
    name: str,
    columns: Iterable[str] | None = None,
    filters: Filters | None = None,
    as_of: AsOf | None = None,
) -> Query:
    """Make a query to a table with the columns `known`, and check it.

    Raises:
        InputError: a column does not exist, an operator is unknown, or a value does not fit.
    """
    if isinstance(columns, str):
        raise InputError(f"{name}: columns: expected a list of names, got {columns!r}.")
    chosen = tuple(known if columns is None else columns)
    _check_columns(chosen, known, name)
    if not chosen:
        raise InputError(f"{name}: no columns are selected.")
    if len(set(chosen)) < len(chosen):
        twice = next(column for column in chosen if chosen.count(column) > 1)
        raise InputError(f"{name}: column {twice!r} is selected twice.")
    any_of = tuple(
        tuple(_make_condition(condition, known, name) for condition in group)
        for group in _normalize_groups(filters, name)
    )
    return Query(
        plain_schema(known, chosen, name=name), any_of, as_of, _time_limits(as_of, known, name)
    )


def _check_columns(columns: Iterable[str], known: Columns, name: str) -> None:
    for column in columns:
        if column in known:
            continue
        close = difflib.get_close_matches(str(column), known, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise InputError(
            f"{name}: there is no column {column!r}.{hint} Its columns: {', '.join(sorted(known))}."
        )


def _normalize_groups(filters: Filters | None, name: str) -> list[list[Filter]]:
    """The filters as alternatives of conditions; a flat list is one alternative."""
    if not filters:
        return []
    if isinstance(filters, str) or not isinstance(filters, Collection):
        raise InputError(_malformed_message(filters, name))
    entries: list[Any] = list(filters)
    if all(isinstance(entry, tuple) and entry and isinstance(entry[0], str) for entry in entries):
        return [entries]
    for entry in entries:
        if not isinstance(entry, list | tuple) or not entry:
            raise InputError(_malformed_message(entry, name))
    return [list(entry) for entry in entries]


def _malformed_message(entry: object, name: str) -> str:
    return (
        f"{name}: filters: expected (column, operator, value), e.g. ('country', '==', 'NL'), in a "
        f"list, or in lists of alternatives; got {entry!r}."
    )


def _make_condition(entry: Filter, known: Columns, name: str) -> Condition:
    if not isinstance(entry, list | tuple) or len(entry) != 3:
        raise InputError(_malformed_message(entry, name))
    column, operator, value = entry
    _check_columns([column], known, name)
    if operator not in OPERATORS:
        raise InputError(
            f"{name}: filters: {column!r}: unknown operator {operator!r}; "
            f"known: {', '.join(OPERATORS)}."
        )
    kind = known[column]
    where = f"{name}: filters: column {column!r} {operator}"
    if operator in NULL_TESTS:
        if value is not None:
            raise InputError(f"{where}: expected None, got {value!r}; compare values with ==.")
        return Condition(column, operator, None)
    if operator in MEMBERSHIPS:
        if isinstance(value, str | bytes) or not isinstance(
            value, Collection | np.ndarray | pd.Series
        ):
            raise InputError(f"{where}: expected a list of values, got {value!r}.")
        return Condition(column, operator, tuple(_check_value(each, kind, where) for each in value))
    return Condition(column, operator, _check_value(value, kind, where))


def _check_value(value: Any, kind: pa.DataType | str, where: str) -> Any:
    """Convert the value to the column's type for the stores."""
    if isinstance(value, np.generic) and not isinstance(value, np.datetime64):
        value = value.item()
    if value is None or value is pd.NaT or value is pd.NA or value != value:
        raise InputError(
            f"{where}: a missing value cannot be compared; use 'is' or 'is not' with None."
        )
    for fits, types, described in _VALUES:
        if isinstance(kind, str) or not fits(kind):
            continue
        if isinstance(value, types) and (isinstance(value, bool) == (types is bool)):
            if isinstance(value, int) and not -(2**63) <= value < 2**63:
                raise InputError(f"{where}: {value} does not fit into 64 bits.")
            return _to_utc(value, kind) if pa.types.is_timestamp(kind) else value
        raise InputError(
            f"{where}: the column holds {described}, got {value!r} ({type(value).__name__})."
        )
    raise InputError(f"{where}: columns of the type {kind} cannot be compared with {value!r}.")


_VALUES: tuple[tuple[Any, Any, str], ...] = (
    (pa.types.is_boolean, bool, "True or False"),
    (pa.types.is_integer, int | float, "numbers"),
    (pa.types.is_floating, int | float, "numbers"),
    (pa.types.is_string, str, "text"),
    (pa.types.is_timestamp, datetime | np.datetime64, "timestamps (datetime)"),
    (pa.types.is_date, date, "dates (date)"),
    (pa.types.is_binary, bytes, "bytes"),
)


def _to_utc(value: Any, kind: pa.DataType | str) -> datetime:
    """Convert to UTC, with a time zone if the column has one; without a time zone, it is UTC."""
    time: datetime = pd.Timestamp(value).to_pydatetime(warn=False)
    time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    return time if kind == TIMESTAMP_UTC else time.replace(tzinfo=None)


def _time_limits(as_of: AsOf | None, known: Columns, name: str) -> dict[str, datetime]:
    """The upper limit of each timestamp column."""
    if as_of is None:
        return {}
    _check_columns((*as_of.keys, *as_of.time_columns, *as_of.tie_breakers), known, name)
    for column in as_of.time_columns:
        if known[column] not in (TIMESTAMP, TIMESTAMP_UTC):
            raise InputError(
                f"{name}: as_of: column {column!r} holds {known[column]}, expected timestamps."
            )
    return {column: _to_utc(as_of.time, known[column]) for column in as_of.time_columns}
