"""SQLAlchemy's statement for a query."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from data_access_layer.formats.sql import sql_type
from data_access_layer.query.filters import Condition, Query

_RANK = "rank_in_key_"


def select_statement(query: Query, table: sa.Table, dialect: str) -> sa.Select[Any]:
    """The statement for `query`; the database does all the work."""
    if query.as_of is None:
        columns = [_select_expression(table.c[name]) for name in query.columns]
        return sa.select(*columns).where(*_where(query, table.c, dialect))
    rank = sa.func.row_number().over(
        partition_by=[table.c[key] for key in query.as_of.keys],
        order_by=[each for name in query.ties for each in _order(table.c[name], dialect, -1)],
    )
    known = sa.and_(*(table.c[name] <= _literal(at) for name, at in query.time_limits.items()))
    ranked = sa.select(*(table.c[name] for name in _used_columns(query)), rank.label(_RANK)).where(
        known
    )
    latest = ranked.subquery("ranked")
    order = [each for key in query.as_of.keys for each in _order(latest.c[key], dialect, 1)]
    return (
        sa.select(*(_select_expression(latest.c[name]) for name in query.columns))
        .where(latest.c[_RANK] == 1, *_where(query, latest.c, dialect))
        .order_by(*order)
    )


def _used_columns(query: Query) -> list[str]:
    conditions = [condition.column for group in query.any_of for condition in group]
    keys = query.as_of.keys if query.as_of else ()
    return list(dict.fromkeys([*query.columns, *conditions, *keys]))


def _select_expression(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """Let the database convert decimals to floating-point numbers, and UUIDs and enums to text."""
    kind = column.type
    if isinstance(kind, sa.Numeric) and not isinstance(kind, sa.Float):
        return sa.cast(column, sa.Double).label(None)
    if isinstance(kind, sa.Uuid | sa.Enum):
        return sa.cast(column, sa.Text).label(None)
    return column


def _binary_order(column: sa.ColumnElement[Any], dialect: str) -> sa.ColumnElement[Any]:
    """Order text by code point, as all other stores do."""
    text = _select_expression(column)
    return sa.collate(text, "C") if dialect == "postgresql" and _is_text(column) else text


def _is_text(column: sa.ColumnElement[Any]) -> bool:
    return isinstance(column.type, sa.String | sa.Uuid)


def _order(
    column: sa.ColumnElement[Any], dialect: str, direction: int
) -> list[sa.ColumnElement[Any]]:
    """Order by the column, missing values last; not all databases support `nulls last`."""
    value = _binary_order(column, dialect)
    missing = sa.case((column.is_(None), 1), else_=0)
    return [missing, value.asc() if direction > 0 else value.desc()]


def _where(query: Query, columns: Any, dialect: str) -> list[sa.ColumnElement[bool]]:
    if not query.any_of:
        return []
    groups = (
        sa.and_(*(_compare(condition, columns[condition.column], dialect) for condition in group))
        for group in query.any_of
    )
    return [sa.or_(*groups)]


def _compare(
    condition: Condition, column: sa.ColumnElement[Any], dialect: str
) -> sa.ColumnElement[bool]:
    value = condition.value
    match condition.operator:
        case "is":
            return column.is_(None)
        case "is not":
            return column.is_not(None)
        case "in":
            return _select_expression(column).in_([_literal(each) for each in value])
        case "not in":
            return _select_expression(column).not_in([_literal(each) for each in value])
        case "==":
            return _select_expression(column) == _literal(value)
        case "!=":
            return _select_expression(column) != _literal(value)
    ordered = _binary_order(column, dialect)
    compared: sa.ColumnElement[bool] = ordered.op(condition.operator, is_comparison=True)(
        _literal(value)
    )
    return compared


def _literal(value: Any) -> sa.ColumnElement[Any]:
    """A literal of the value's own type: as an integer column's type, 10.5 would be rounded."""
    return sa.literal(value, sql_type(pa.scalar(value).type))
