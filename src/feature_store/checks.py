"""Validation of rows against a contract: convert dtypes, then check rules."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, cast

import pandas as pd
import pandera.pandas as pa

from datasets.checks import FailureCollector
from feature_store.errors import BrokenViewError


def dtypes_of(schema: pa.DataFrameSchema) -> dict[str, Any]:
    """The columns of a schema, each with its pandas dtype."""
    return {
        name: pd.api.types.pandas_dtype(str(column.dtype.type))
        for name, column in schema.columns.items()
    }


def select_columns(schema: pa.DataFrameSchema, columns: Sequence[str]) -> pa.DataFrameSchema:
    """The schema of some columns, in that order; checks of whole rows need all columns."""
    chosen: pa.DataFrameSchema = schema.select_columns(list(columns))
    if set(columns) != set(schema.columns):
        chosen.checks = []
    if chosen.unique and not set(chosen.unique) <= set(columns):
        chosen.unique = None
    return chosen


def validate_rows(frame: pd.DataFrame, schema: pa.DataFrameSchema, source: str) -> pd.DataFrame:
    """Validate the rows against the schema; return them with its dtypes.

    A store may use another dtype of the same kind, such as floats for integers because one is
    missing, or another unit of time. Such columns are converted if no value changes.

    Raises:
        BrokenViewError: the rows break the schema; names each column and rule, with an example.
    """
    converted = {
        name: _convert(frame[name], dtype)
        for name, dtype in dtypes_of(schema).items()
        if name in frame.columns and frame[name].dtype != dtype
    }
    failures = FailureCollector()
    rows = failures.check(schema, frame.assign(**converted), source=source, first_row=None)
    if rows is None:
        raise BrokenViewError(tuple(map(str, failures.error().failures)))
    return rows


def _convert(values: pd.Series[Any], dtype: Any) -> pd.Series[Any]:
    if isinstance(dtype, pd.DatetimeTZDtype):
        if isinstance(values.dtype, pd.DatetimeTZDtype):
            timestamps = values.dt.tz_convert(dtype.tz).dt.as_unit(dtype.unit)
            return cast("pd.Series[Any]", timestamps)
        # Timestamps without a time zone are ambiguous.
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
