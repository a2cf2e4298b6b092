"""Which column types each format supports, and conversions between types."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cli.errors import InputError

type Holds = Callable[[pa.DataType], bool]


def refuse_types(schema: pa.Schema, format: str) -> None:
    """Refuse columns whose type a format does not support.

    Raises:
        InputError: the format does not support a column's type.
    """
    holds = _HOLDS.get(format, _accept_any)
    odd = [field for field in schema if not holds(_plain_type(field.type))]
    if odd:
        columns = ", ".join(f"{field.name!r} ({_shown(field.type)})" for field in odd)
        others = [name for name, known in _HOLDS.items() if all(known(f.type) for f in odd)]
        raise InputError(
            f"The rows cannot be written as {format}: it cannot hold the column"
            f"{'s' * (len(odd) > 1)} {columns}. Leave {'them' if len(odd) > 1 else 'it'} out, "
            f"or choose a format that can: {', '.join(others)}."
        )


def _shown(kind: pa.DataType) -> str:
    """The type on one line: names inside a struct may have line breaks."""
    return repr(str(kind))[1:-1]


def reason_of(error: pa.ArrowException) -> str:
    """Arrow's error message, as the end of a sentence."""
    return ". ".join(str(part).rstrip(".") for part in error.args)


def refuse_names(names: Sequence[str], format: str) -> None:
    """Refuse column names that a format does not support or cannot distinguish.

    Raises:
        InputError: a column has no name, or two names differ only in case.
    """
    if format not in _NAMED:
        return
    start = f"The rows cannot be written as {format}: "
    if "" in names:
        raise InputError(
            f"{start}column {names.index('') + 1} has no name. Rename it, or leave it out: it may "
            "be the index of a pandas frame."
        )
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(name.lower(), name)
        if other != name and format in _CASELESS:
            raise InputError(
                f"{start}the names of the columns {other!r} and {name!r} differ only in case. "
                "Rename one, or leave it out."
            )


# Formats that require column names, and formats that ignore case.
_NAMED = ("jsonl", "delta", "sql", "sqlite", "duckdb")
_CASELESS = ("jsonl", "delta", "sqlite", "duckdb")


def to_plain_types(table: pa.Table) -> pa.Table:
    """Convert to types that all of Arrow supports: no dictionaries, views or small decimals."""
    for index, field in enumerate(table.schema):
        target = _plain_type(field.type)
        if target != field.type:
            table = table.set_column(index, field.name, pc.cast(table.column(index), target))
    return table


def convert_types(rows: Any, target_of: Callable[[pa.DataType], pa.DataType], format: str) -> Any:
    """Convert each column of a record batch or table to the type that `target_of` returns.

    Raises:
        InputError: a value does not fit without loss.
    """
    for index, field in enumerate(rows.schema):
        target = target_of(field.type)
        if target == field.type:
            continue
        try:
            column = pc.cast(rows.column(index), target)
        except pa.ArrowInvalid as error:
            reason = str(error).splitlines()[0].rstrip(".")
            raise InputError(
                f"The rows cannot be written as {format}: column {field.name!r} "
                f"({_shown(field.type)}) does not fit into {_shown(target)} without loss "
                f"({reason})."
            ) from error
        rows = rows.set_column(index, field.name, column)
    return rows


def signed_type(kind: pa.DataType) -> pa.DataType:
    """The type with int64 for uint64, which not every store can read back."""
    return map_leaf_types(kind, lambda leaf: pa.int64() if pa.types.is_uint64(leaf) else leaf)


def duckdb_type(kind: pa.DataType) -> pa.DataType:
    """The type that DuckDB stores: it has no 16-bit floating-point numbers."""
    kind = map_leaf_types(
        _plain_type(kind), lambda leaf: pa.float32() if pa.types.is_float16(leaf) else leaf
    )
    return signed_type(kind)


def is_text(kind: pa.DataType) -> bool:
    """Whether a type is text, in any representation."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def empty_batch(schema: pa.Schema) -> pa.RecordBatch:
    """A batch without rows: unlike `empty_table`, it supports a UUID inside a struct."""
    return pa.RecordBatch.from_arrays([pa.nulls(0, kind) for kind in schema.types], schema=schema)


def select_columns(batch: Any, columns: Sequence[str] | None, name: str) -> Any:
    """Select `columns` of a record batch or table, in that order; all if None.

    Raises:
        InputError: a column does not exist.
    """
    if columns is None:
        return batch
    for column in columns:
        if column not in batch.schema.names:
            close = difflib.get_close_matches(column, batch.schema.names, n=1)
            hint = (
                f"did you mean {close[0]!r}?" if close else f"it has {_list_names(batch.schema)}."
            )
            raise InputError(f"{name}: there is no column {column!r}; {hint}")
    return batch.select(list(columns))


def _list_names(schema: pa.Schema) -> str:
    return ", ".join(map(repr, schema.names))


def cast_exactly(values: Any, target: pa.DataType) -> Any:
    """Arrow's safe cast, but with each decimal as the nearest floating-point number.

    Arrow's own conversion is off by one bit for one decimal in seven (0.47 becomes
    0.47000000000000003); a conversion by way of text is exact.

    Raises:
        pyarrow.ArrowInvalid: a value does not fit.
    """
    if pa.types.is_decimal(values.type) and pa.types.is_floating(target):
        values = pc.cast(values, pa.string())
    return pc.cast(values, target)


def cast_columns(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Cast the columns to the types of `schema` without loss.

    Columns of the same type are not cast: Arrow's cast of a list of structs to its own type loses
    rows if a field has no values.
    """
    for index, field in enumerate(schema):
        if table.schema.types[index] != field.type:
            table = table.set_column(index, field.name, pc.cast(table.column(index), field.type))
    return table


def to_utc(table: pa.Table) -> pa.Table:
    """Convert timestamps to UTC: old offsets are not whole minutes, and would be truncated."""
    for index, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type) and field.type.tz not in (None, "UTC"):
            target = pa.timestamp(field.type.unit, "UTC")
            table = table.set_column(index, field.name, pc.cast(table.column(index), target))
    return table


def map_leaf_types(kind: pa.DataType, leaf: Callable[[pa.DataType], pa.DataType]) -> pa.DataType:
    """Apply `leaf` to the type, or to each type inside its lists and structs."""
    if pa.types.is_list(kind):
        return pa.list_(map_leaf_types(kind.value_type, leaf))
    if pa.types.is_large_list(kind):
        return pa.large_list(map_leaf_types(kind.value_type, leaf))
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, map_leaf_types(field.type, leaf)) for field in kind])
    return leaf(kind)


def _plain_type(kind: pa.DataType) -> pa.DataType:
    return map_leaf_types(kind, _plain_leaf)


def _plain_leaf(kind: pa.DataType) -> pa.DataType:
    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_string_view(kind) or pa.types.is_null(kind):
        return pa.string()
    if pa.types.is_decimal32(kind) or pa.types.is_decimal64(kind):
        return pa.decimal128(kind.precision, kind.scale)
    return kind


def _accept_any(kind: pa.DataType) -> bool:
    return True


def _is_simple(kind: pa.DataType) -> bool:
    """Whether a cell or a database column can hold the type: numbers, text, booleans, times."""
    kind = _plain_type(kind)
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or (pa.types.is_decimal(kind) and kind.precision <= 38)
        or pa.types.is_boolean(kind)
        or pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_date(kind)
        or pa.types.is_time(kind)
        or pa.types.is_timestamp(kind)
    )


def _allow_nesting(holds: Holds) -> Holds:
    def nested(kind: pa.DataType) -> bool:
        if pa.types.is_list(kind) or pa.types.is_large_list(kind):
            return nested(kind.value_type)
        if pa.types.is_struct(kind):
            return all(nested(field.type) for field in kind)
        return holds(kind)

    return nested


def _fits_delta(kind: pa.DataType) -> bool:
    kind = _plain_type(kind)
    return bool(
        (_is_simple(kind) and not pa.types.is_time(kind) and not pa.types.is_float16(kind))
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
    )


_HOLDS: dict[str, Holds] = {
    "parquet": _accept_any,
    "delta": _allow_nesting(_fits_delta),
    "jsonl": _allow_nesting(_is_simple),
    "csv": _is_simple,
    "xlsx": _is_simple,
    "sql": _is_simple,
    "duckdb": _allow_nesting(_is_simple),
}
