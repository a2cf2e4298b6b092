"""Rows as a contract has them: first its dtypes, then its rules."""

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
    failures = FailureCollector()
    rows = failures.check(schema, frame.assign(**converted), source=source, first_row=None)
    if rows is None:
        raise BrokenViewError(tuple(map(str, failures.error().failures)))
    return rows


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
