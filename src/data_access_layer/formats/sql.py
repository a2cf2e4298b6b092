"""Convert types and values between Arrow and SQL databases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from data_access_layer.column_types import TIMESTAMP, TIMESTAMP_UTC
from data_access_layer.types import convert_types, signed_type, to_plain_types, to_utc

# The Arrow type of each SQL type; the first match counts.
_READ: Mapping[type[sa.types.TypeEngine[Any]], pa.DataType] = {
    sa.Boolean: pa.bool_(),
    sa.Integer: pa.int64(),
    # `Float` is one of them, in SQLAlchemy 2.0.
    sa.Numeric: pa.float64(),
    sa.Float: pa.float64(),
    sa.Date: pa.date32(),
    # `Enum` is one of them.
    sa.String: pa.string(),
    sa.Uuid: pa.string(),
    sa.LargeBinary: pa.binary(),
}


def arrow_type(kind: sa.types.TypeEngine[Any]) -> pa.DataType | str:
    """The Arrow type of a column; the database's type name if it is not supported."""
    if isinstance(kind, sa.DateTime):
        return TIMESTAMP_UTC if kind.timezone else TIMESTAMP
    for known, read in _READ.items():
        if isinstance(kind, known):
            return read
    return str(kind)


def sql_type(kind: pa.DataType, *, sqlite: bool = False) -> sa.types.TypeEngine[Any]:
    """The narrowest column type that holds all values of an Arrow type."""
    kind = to_plain_types(pa.schema([("column", kind)]).empty_table()).schema.types[0]
    if pa.types.is_boolean(kind):
        return sa.Boolean()
    if pa.types.is_integer(kind):
        bits = kind.bit_width + pa.types.is_unsigned_integer(kind)
        return sa.SmallInteger() if bits <= 16 else sa.Integer() if bits <= 32 else sa.BigInteger()
    if pa.types.is_floating(kind):
        return sa.Double() if kind.bit_width == 64 else sa.REAL()
    if pa.types.is_decimal(kind):
        # SQLite has no decimals; its numbers would not be exact.
        return sa.Text() if sqlite else sa.Numeric(kind.precision, kind.scale)
    if pa.types.is_date(kind):
        return sa.Date()
    if pa.types.is_time(kind):
        return sa.Time()
    if pa.types.is_timestamp(kind):
        return sa.DateTime(timezone=kind.tz is not None)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return sa.LargeBinary()
    return sa.Text()


def to_driver_types(batch: pa.RecordBatch) -> pa.Table:
    """Convert to types that drivers support: signed numbers, timestamps in UTC microseconds.

    Raises:
        InputError: a value does not fit without loss.
    """
    return convert_types(
        to_utc(to_plain_types(pa.Table.from_batches([batch]))), _driver_type, "sql"
    )


def _driver_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", kind.tz)
    if pa.types.is_time(kind):
        return pa.time64("us")
    if pa.types.is_date(kind):
        return pa.date32()
    if pa.types.is_float16(kind):
        return pa.float32()
    return signed_type(kind)


def python_values(column: pa.ChunkedArray) -> list[Any]:
    """A column's values as parameters of an INSERT."""
    if pa.types.is_decimal(column.type):
        return [None if value is None else str(value) for value in column.to_pylist()]
    if pa.types.is_timestamp(column.type) and column.type.tz:
        # SQLite has no time zones: its timestamps are in UTC.
        column = column.cast(pa.timestamp("us"))
    values: list[Any] = column.to_pylist()
    return values


def to_copy_format(table: pa.Table) -> pa.Table:
    r"""Convert bytes to PostgreSQL's `\x…`, for COPY from CSV."""
    for index, field in enumerate(table.schema):
        if pa.types.is_binary(field.type) or pa.types.is_large_binary(field.type):
            texts = [
                None if each is None else rf"\x{each.hex()}" for each in table[index].to_pylist()
            ]
            table = table.set_column(index, field.name, pa.array(texts, pa.string()))
    return table
