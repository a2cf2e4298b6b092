"""Rows as a contract has them: first its dtypes, then its rules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, cast

import pandas as pd
import pandera.pandas as pa
from pandera.errors import SchemaErrors

from feature_store.errors import BrokenViewError

_COLUMN_MISSING = "column_in_dataframe"


def dtypes_of(schema: pa.DataFrameSchema) -> dict[str, Any]:
    """The columns of a schema, each with its pandas dtype."""
    return {
        name: pd.api.types.pandas_dtype(str(column.dtype.type))
        for name, column in schema.columns.items()
    }


def subset(schema: pa.DataFrameSchema, columns: Sequence[str]) -> pa.DataFrameSchema:
    """The schema of some columns, in that order; rules on several columns need all of them."""
    chosen: pa.DataFrameSchema = schema.select_columns(list(columns))
    if set(columns) != set(schema.columns):
        chosen.checks = []
    if chosen.unique and not set(chosen.unique) <= set(columns):
        chosen.unique = None
    return chosen


def checked(frame: pd.DataFrame, schema: pa.DataFrameSchema, source: str) -> pd.DataFrame:
    """The rows with the schema's dtypes, if they keep its rules.

    What a store has in another dtype of the same kind (whole numbers as floating-point ones because
    one is missing, moments in another unit) is converted where nothing is lost.

    Raises:
        BrokenViewError: they do not; names every column, rule and an example.
    """
    converted = {
        name: _converted(frame[name], dtype)
        for name, dtype in dtypes_of(schema).items()
        if name in frame.columns and frame[name].dtype != dtype
    }
    frame = frame.assign(**converted)
    try:
        return schema.validate(frame, lazy=True)
    except SchemaErrors as errors:
        raise BrokenViewError(tuple(_problems(errors, frame, source))) from errors


def _converted(values: pd.Series[Any], dtype: Any) -> pd.Series[Any]:
    if isinstance(dtype, pd.DatetimeTZDtype):
        if isinstance(values.dtype, pd.DatetimeTZDtype):
            moments = values.dt.tz_convert(dtype.tz).dt.as_unit(dtype.unit)
            return cast("pd.Series[Any]", moments)
        # Without a time zone nobody knows which moments these are.
        return values.astype(dtype) if values.isna().all() else values
    numeric = pd.api.types.is_numeric_dtype
    if numeric(dtype) and not numeric(values.dtype) and not values.isna().all():
        return values
    if isinstance(dtype, pd.StringDtype) and pd.api.types.infer_dtype(values) not in (
        "string",
        "empty",
        "categorical",
    ):
        return values
    with suppress(TypeError, ValueError):
        return values.astype(dtype)
    return values


def _problems(errors: SchemaErrors, frame: pd.DataFrame, source: str) -> Iterator[str]:
    cases = errors.failure_cases
    checks = cases["check"].astype(str)
    # Of a column that is missing, and of no other, the name is the failing case.
    columns = cases["column"].where(checks != _COLUMN_MISSING, cases["failure_case"])
    for (column, check), group in cases.groupby([columns, checks], sort=False, dropna=False):
        where = f"{source}: column {column!r}"
        example = group["failure_case"].iloc[0]
        if check == _COLUMN_MISSING:
            yield f"{where}: is missing."
        elif check == "not_nullable":
            yield f"{where}: {_rows(len(group))} without a value; the contract needs one in each."
        elif str(check).startswith("dtype("):
            expected = errors.schema.columns[column].dtype.type
            yield f"{where}: expected {expected}, got {frame[column].dtype}."
        else:
            yield f"{where}: expected {check}, got e.g. {example!r} in {_rows(len(group))}."


def _rows(count: int) -> str:
    return f"{count:,} row{'s' if count > 1 else ''}"
