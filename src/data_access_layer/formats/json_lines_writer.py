"""Write JSON Lines: one JSON object per row, in UTF-8. DuckDB is twelve times as fast as Python.

Timestamps are ISO 8601; those with a time zone are in UTC and end with `Z`. JSON has no NaN, so NaN
is null. Whole numbers are exact, also beyond 2**53. Floating-point numbers have the fewest digits
that give the same number again.
"""

from __future__ import annotations

from typing import IO

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from cli.errors import InputError
from data_access_layer.scratch import make_private_folder
from data_access_layer.types import (
    cast_columns,
    convert_types,
    map_leaf_types,
    signed_type,
    to_plain_types,
)

_ROWS = "rows_to_render"


class JsonLinesWriter:
    """Append tables of one schema to an open binary file."""

    def __init__(self, sink: IO[bytes], schema: pa.Schema) -> None:
        self._sink = sink
        self._lines = JsonLines(schema)

    def write_table(self, table: pa.Table) -> None:
        """Append one line per row."""
        for lines in self._lines.render(convert_types(table, signed_type, "jsonl")).chunks:
            text = pc.binary_join(pa.LargeListArray.from_arrays([0, len(lines)], lines), "\n")
            if len(lines):
                self._sink.write(text[0].as_buffer())
                self._sink.write(b"\n")

    def close(self) -> None:
        """Nothing is left to write."""


class JsonLines:
    """Renders rows of one schema as JSON; with `finite`, infinite numbers are refused.

    Binary values are hexadecimal.
    """

    def __init__(self, schema: pa.Schema, *, finite: bool = True) -> None:
        self._finite = finite
        schema = to_plain_types(schema.empty_table()).schema
        self._target = pa.schema(
            [(field.name, map_leaf_types(field.type, _query_type)) for field in schema]
        )
        fields = ", ".join(
            f"{_quoted(name)} := {_json_expression(_quoted(name), kind, finite=finite)}"
            for name, kind in zip(schema.names, schema.types, strict=True)
        )
        self._query = f"SELECT to_json(struct_pack({fields}))::VARCHAR FROM {_ROWS}"
        # One thread keeps the order of the rows; the caller has other threads.
        self._duckdb = duckdb.connect(
            config={"threads": 1, "temp_directory": make_private_folder()}
        )

    def render(self, table: pa.Table) -> pa.ChunkedArray:
        """The JSON object of each row."""
        table = to_plain_types(table)
        for name, column in zip(table.column_names, table.columns, strict=True):
            if self._finite and _has_infinite(column):
                raise InputError(
                    f"The rows cannot be written as jsonl: column {name!r} has infinite numbers, "
                    "and JSON has none. Choose Parquet or CSV, or leave it out."
                )
        self._duckdb.register(_ROWS, cast_columns(table, self._target))
        try:
            lines: pa.ChunkedArray = self._duckdb.sql(self._query).to_arrow_table().column(0)
            return lines
        finally:
            self._duckdb.unregister(_ROWS)


def _has_infinite(values: pa.ChunkedArray) -> bool:
    """Whether a number is infinite, also inside lists and structs."""
    kind = values.type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _has_infinite(pc.list_flatten(values))
    if pa.types.is_struct(kind):
        fields = range(kind.num_fields)
        return any(_has_infinite(pc.struct_field(values, [index])) for index in fields)
    return bool(pa.types.is_floating(kind) and pc.any(pc.is_inf(values)).as_py())


def _query_type(kind: pa.DataType) -> pa.DataType:
    """The type to pass to DuckDB: timestamps in UTC without a time zone.

    DuckDB has no 16-bit floating-point numbers, and reads seconds and milliseconds as nanoseconds,
    which end in the year 2262.
    """
    if pa.types.is_float16(kind):
        return pa.float64()
    if pa.types.is_timestamp(kind):
        return pa.timestamp("ns" if kind.unit == "ns" else "us")
    return kind


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _json_expression(value: str, kind: pa.DataType, depth: int = 0, *, finite: bool = True) -> str:
    """The SQL expression that converts a value for JSON."""
    if pa.types.is_float64(kind) or pa.types.is_float16(kind):
        condition = "isfinite" if finite else "NOT isnan"
        return f"CASE WHEN {condition}({value}) THEN {value} END"
    if pa.types.is_float32(kind):
        # By way of text, to keep the shortest digits of the 32-bit number.
        condition = "isfinite" if finite else "NOT isnan"
        return f"CASE WHEN {condition}({value}) THEN {value}::VARCHAR::DOUBLE END"
    if pa.types.is_decimal(kind):
        # DuckDB writes only the widest decimals exactly, others as floating-point numbers.
        return f"{value}::DECIMAL(38, {kind.scale})"
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return f"hex({value})"
    if pa.types.is_timestamp(kind):
        digits = {"s": "", "ms": ".%g", "us": ".%f", "ns": ".%n"}[kind.unit]
        return f"strftime({value}, '%Y-%m-%dT%H:%M:%S{digits}{'Z' if kind.tz else ''}')"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        item = f"item{depth}"
        inner = _json_expression(item, kind.value_type, depth + 1, finite=finite)
        return f"list_transform({value}, lambda {item}: {inner})"
    if pa.types.is_struct(kind):
        fields = ", ".join(
            f"{_quoted(field.name)} := "
            + _json_expression(f"{value}.{_quoted(field.name)}", field.type, depth, finite=finite)
            for field in kind
        )
        return f"CASE WHEN {value} IS NOT NULL THEN struct_pack({fields}) END"
    return value
