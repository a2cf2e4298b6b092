"""The supported column types: a column is read with the same type from every store.

| Arrow                     | pandas                                                       |
|---------------------------|--------------------------------------------------------------|
| bool                      | `bool`; with missing values `boolean`                         |
| int64 (all whole numbers) | `int64`; with missing values `Int64`                          |
| float64 (decimals too)    | `float64`; a missing value is NaN                             |
| string                    | `str`; a missing value is NaN                                 |
| timestamp[us, UTC]        | `datetime64[us, UTC]`, converted from the store's time zone    |
| timestamp[us], date32     | `datetime64[us]`                                              |
| binary                    | `object`                                                     |
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from cli.errors import InputError
from data_access_layer.types import cast_exactly

TIMESTAMP_UTC = pa.timestamp("us", "UTC")
TIMESTAMP = pa.timestamp("us")
_TEXT = pd.StringDtype(na_value=float("nan"))

# A string is the store's name of a type that is not supported: the column cannot be read.
type Columns = Mapping[str, pa.DataType | str]


def plain_type(kind: pa.DataType) -> pa.DataType | None:
    """The supported type for values of `kind`; None if there is none."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_timestamp(kind):
        return TIMESTAMP_UTC if kind.tz else TIMESTAMP
    for fits, plain in _PLAIN.items():
        if fits(kind):
            return plain
    return None


_PLAIN = {
    pa.types.is_boolean: pa.bool_(),
    pa.types.is_integer: pa.int64(),
    pa.types.is_floating: pa.float64(),
    pa.types.is_decimal: pa.float64(),
    pa.types.is_string: pa.string(),
    pa.types.is_large_string: pa.string(),
    pa.types.is_string_view: pa.string(),
    pa.types.is_date: pa.date32(),
    pa.types.is_binary: pa.binary(),
    pa.types.is_large_binary: pa.binary(),
    # Only missing values: pandas stores them as text, or as NaN.
    pa.types.is_null: pa.string(),
}


def plain_columns(schema: pa.Schema) -> Columns:
    """The supported type of each column."""
    return {field.name: plain_type(field.type) or str(field.type) for field in schema}


def plain_schema(columns: Columns, chosen: Iterable[str] | None = None, *, name: str) -> pa.Schema:
    """The schema of some of a table's columns, or of all.

    Raises:
        InputError: a column's type is not supported.
    """
    fields = []
    for column in columns if chosen is None else chosen:
        kind = columns[column]
        if isinstance(kind, str):
            raise InputError(
                f"{name}: column {column!r} has the type {kind}, which is not supported. "
                "Read the other columns, or convert it to a supported type."
            )
        fields.append(pa.field(column, kind))
    return pa.schema(fields)


def cast_to_schema(batch: pa.RecordBatch, schema: pa.Schema, *, name: str) -> pa.RecordBatch:
    """Cast the batch to the types of `schema` without loss.

    Raises:
        InputError: a value does not fit.
    """
    if batch.schema.equals(schema):
        return batch.replace_schema_metadata(None)
    columns = []
    for field in schema:
        try:
            columns.append(cast_exactly(batch.column(field.name), field.type))
        except pa.ArrowException as error:
            reason = str(error).splitlines()[0].rstrip(".")
            raise InputError(
                f"{name}: column {field.name!r}: a value does not fit into {field.type} ({reason})."
            ) from error
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def from_frame(frame: pd.DataFrame) -> pa.Table:
    """Convert to Arrow, without the index.

    Timestamps with a time zone are converted separately: pyarrow uses a deprecated pandas API.
    """
    zoned = [
        position
        for position, dtype in enumerate(frame.dtypes)
        if isinstance(dtype, pd.DatetimeTZDtype)
    ]
    table = pa.Table.from_pandas(
        frame.drop(columns=frame.columns[zoned]), preserve_index=False
    ).replace_schema_metadata(None)
    for position in zoned:
        naive = pa.array(frame.iloc[:, position].dt.tz_convert(None))
        table = table.add_column(
            position, str(frame.columns[position]), pc.assume_timezone(naive, "UTC")
        )
    return table


def to_frame(table: pa.Table) -> pd.DataFrame:
    """Convert to pandas; apart from its type, a dtype depends only on missing values."""
    frame: pd.DataFrame = table.to_pandas(
        date_as_object=False, ignore_metadata=True, types_mapper={pa.string(): _TEXT}.get
    )
    for field, column in zip(table.schema, table.columns, strict=True):
        if column.null_count and field.type in _NULLABLE:
            dtype: Any = _NULLABLE[field.type]
            frame[field.name] = dtype.__from_arrow__(column)
        elif pa.types.is_date(field.type):
            frame[field.name] = frame[field.name].astype("datetime64[us]")
    return frame


_NULLABLE = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}


def slice_batch(batch: pa.RecordBatch, rows: int) -> Iterator[pa.RecordBatch]:
    """Split the batch into pieces of at most `rows` rows; one piece if it is empty."""
    for start in range(0, max(batch.num_rows, 1), rows):
        yield batch.slice(start, rows)
