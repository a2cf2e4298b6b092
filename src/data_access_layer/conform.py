"""Convert columns to the types of a contract, if no value changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from data_access_layer.formats.csv import WrongCells, pandas_name
from data_access_layer.types import cast_exactly, is_text

_DECIMAL_DIGITS = 38


def declared_types(dtypes: Mapping[str, str]) -> dict[str, pa.DataType]:
    """Convert the pandas dtypes of a contract to Arrow types, if Arrow has such a type."""
    types = {name: arrow_type(dtype) for name, dtype in dtypes.items()}
    return {name: kind for name, kind in types.items() if kind is not None}


def arrow_type(dtype: str) -> pa.DataType | None:
    """The Arrow type of a pandas dtype; None if Arrow must infer it from the values."""
    known = pd.api.types.pandas_dtype(dtype)
    if isinstance(known, pd.DatetimeTZDtype):
        return pa.timestamp(known.unit, str(known.tz))
    if isinstance(known, pd.StringDtype | pd.CategoricalDtype) or known.kind == "O":
        return pa.string()
    plain = getattr(known, "numpy_dtype", known)
    return pa.from_numpy_dtype(plain) if isinstance(plain, np.dtype) else None


def conform(
    batch: pa.RecordBatch, declared: Mapping[str, pa.DataType]
) -> tuple[pa.RecordBatch, Sequence[WrongCells]]:
    """Convert the rows to the declared types; return also the values that do not fit, now missing.

    A column of another kind is not converted: text if a number is declared, or timestamps without
    a time zone if one is declared.
    """
    wrong: list[WrongCells] = []
    for index, field in enumerate(batch.schema):
        target = declared.get(field.name)
        if target is None or field.type == target:
            continue
        column, cells = _convert(batch.column(index), target, field.name)
        wrong += cells
        batch = batch.set_column(index, field.name, column)
    return batch, wrong


def conformed_type(given: pa.DataType | None, target: pa.DataType) -> pa.DataType:
    """The type of a column after `conform`; `given` is None for text of a CSV file."""
    if given is None or given == target or pa.types.is_null(given):
        return target
    plain = given.value_type if pa.types.is_dictionary(given) else given
    return target if _is_alike(plain, target) else plain


def _convert(values: pa.Array, target: pa.DataType, name: str) -> tuple[pa.Array, list[WrongCells]]:
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_null(values.type):
        return pa.nulls(len(values), target), []
    if values.type == target or not _is_alike(values.type, target):
        return values, []
    if pa.types.is_floating(values.type) and pa.types.is_integer(target):
        # Whole numbers become floating-point if one is missing, and that one is NaN.
        values = pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)
    try:
        column = cast_exactly(values, target)
        if not (pa.types.is_decimal(values.type) or pa.types.is_floating(values.type)):
            return column, []
    except pa.ArrowInvalid:
        column = pc.cast(values, target, safe=False)
    changed = np.flatnonzero(_differs(values, column).to_numpy(zero_copy_only=False))
    if not len(changed):
        return column, []
    if pa.types.is_floating(target) and not pa.types.is_integer(values.type):
        # Most values would change, not only a few.
        return values, []
    rows = tuple(map(int, changed))
    mask = np.zeros(len(values), bool)
    mask[changed] = True
    kept = pc.if_else(pa.array(mask), pa.scalar(None, target), column)
    shown = tuple(str(value) for value in values.take(list(rows)).to_pylist())
    return kept, [WrongCells(name, pandas_name(target), rows, shown)]


def _differs(before: pa.Array, after: pa.Array) -> Any:
    """Which values change in their new type."""
    if pa.types.is_decimal(before.type):
        wide = pa.decimal128(_DECIMAL_DIGITS, before.type.scale)
        again = pc.cast(after, wide, safe=False)
        return pc.fill_null(pc.not_equal(again, pc.cast(before, wide)), False)
    again = pc.cast(after, before.type, safe=False)
    different = pc.not_equal(again, before)
    if pa.types.is_integer(after.type):
        # Beyond the range of the type, the result depends on the processor.
        limits = np.iinfo(after.type.to_pandas_dtype())
        outside = pc.or_(
            pc.less(pc.cast(before, pa.float64(), safe=False), float(limits.min)),
            pc.greater_equal(pc.cast(before, pa.float64(), safe=False), float(limits.max) + 1),
        )
        different = pc.or_(different, outside)
    return pc.fill_null(different, False)


def _is_alike(given: pa.DataType, target: pa.DataType) -> bool:
    """Whether values of one type can be converted to the other."""
    if is_text(target):
        return is_text(given)
    if pa.types.is_timestamp(target):
        if pa.types.is_date(given):
            return target.tz is None
        return pa.types.is_timestamp(given) and (given.tz is None) == (target.tz is None)
    if pa.types.is_decimal(target):
        return bool(pa.types.is_integer(given) or pa.types.is_decimal(given))
    if pa.types.is_integer(target) or pa.types.is_floating(target):
        return bool(
            pa.types.is_integer(given) or pa.types.is_floating(given) or pa.types.is_decimal(given)
        )
    return False
