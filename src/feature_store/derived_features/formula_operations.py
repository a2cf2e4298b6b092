"""What each operator of a formula does to values: numbers and conditions by numpy, the rest by pandas.

Numbers are float64 arrays in which NaN is missing, conditions are arrays of bool, text and dates are
series with the index 0, 1, ... A constant may stand in place of all but the first.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pandas as pd

from config.errors import InputError

COMPARISONS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
DATE_PARTS: Final = ("day", "dayofweek", "dayofyear", "hour", "minute", "month", "quarter", "year")

type Values = Any


def _power(base: Values, exponent: Values) -> Values:
    """Missing to the power of 0, and 1 to the power of missing, are missing here (not in IEEE 754)."""
    return np.where(np.isnan(base) | np.isnan(exponent), np.nan, np.power(base, exponent))


VECTORISED: Final[dict[str, Callable[..., Values]]] = {
    **COMPARISONS,
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "//": np.floor_divide,
    "%": np.mod,
    "**": _power,
    "negative": np.negative,
    "and": np.logical_and,
    "or": np.logical_or,
    "not": np.logical_not,
    "isna": np.isnan,
    "number": lambda condition: np.asarray(condition, dtype=np.float64),
    "where": np.where,
    "max": np.maximum,
    "min": np.minimum,
    "abs": np.abs,
    "round": np.round,
    **{
        name: getattr(np, name)
        for name in ("ceil", "exp", "expm1", "floor", "log", "log10", "log1p", "log2", "sign", "sqrt")
    },
}


def moments(column: pd.Series) -> pd.Series:
    """A column of dates of any storage as numpy's datetime64 or pandas' one with a time zone."""
    dtype: Any = column.dtype
    if isinstance(dtype, np.dtype | pd.DatetimeTZDtype) and dtype.kind == "M":
        return column
    if isinstance(dtype, pd.ArrowDtype) and dtype.kind == "M":
        stored: Any = dtype.pyarrow_dtype
        return column.astype(
            f"datetime64[{stored.unit}]" if stored.tz is None else f"datetime64[{stored.unit}, {stored.tz}]"
        )
    return pd.to_datetime(column.astype(object))


def text(column: pd.Series) -> pd.Series:
    """A column of text of any storage, categories included, as objects or strings."""
    return column.astype("str") if isinstance(column.dtype, pd.CategoricalDtype) else column


def compare(symbol: str) -> Callable[[Values, Values], Values]:
    """A comparison of text or dates; one with something missing does not hold, except `!=`."""

    def compared(left: Values, right: Values) -> Values:
        left, right = _aligned(left, right)
        there = np.asarray(pd.notna(left)) & np.asarray(pd.notna(right))
        result = np.full(len(there), symbol == "!=")
        if there.any():
            chosen = [
                value[there].astype(object) if _is_text(value) else value[there]
                if isinstance(value, pd.Series)
                else value
                for value in (left, right)
            ]
            result[there] = COMPARISONS[symbol](*chosen).to_numpy(dtype=bool)
        return result

    return compared


def among(choices: tuple[object, ...]) -> Callable[[pd.Series], Values]:
    """Whether a text is one of `choices`."""
    return lambda column: column.isin(choices).to_numpy(dtype=bool)


def date_part(name: str) -> Callable[[pd.Series], Values]:
    """A part of a date as a number, in the date's own time zone."""

    def part(column: pd.Series) -> Values:
        return getattr(moments(column).dt, name).to_numpy(dtype=np.float64, na_value=np.nan)

    return part


def days_between(start: Values, end: Values) -> Values:
    """The days from `start` to `end`."""
    start, end = _aligned(*(moments(v) if isinstance(v, pd.Series) else v for v in (start, end)))
    days = (end - start) / pd.Timedelta(days=1)
    return days.to_numpy(dtype=np.float64, na_value=np.nan)


def choose_text(condition: Values, left: Values, right: Values) -> pd.Series:
    """`where` for text."""
    branches = [
        value.astype(object).to_numpy() if isinstance(value, pd.Series) else value
        for value in (left, right)
    ]
    return pd.Series(np.where(condition, *branches), dtype="str")


def choose_moment(condition: Values, left: Values, right: Values) -> pd.Series:
    """`where` for dates."""
    rows = range(len(condition))
    left, right = _aligned(
        *(
            moments(value) if isinstance(value, pd.Series) else pd.Series(value, index=rows)
            for value in (left, right)
        )
    )
    return left.where(condition, right)


def _is_text(value: Values) -> bool:
    return isinstance(value, pd.Series) and value.dtype.kind != "M"


def _aligned(left: Values, right: Values) -> tuple[Values, Values]:
    """Two dates of which one is written out without a zone: it is meant in the zone of the other."""
    zones = [_zone(left), _zone(right)]
    if (zones[0] is None) == (zones[1] is None) or not (_is_moment(left) and _is_moment(right)):
        return left, right
    if zones[0] is None and isinstance(left, pd.Timestamp):
        return left.tz_localize(zones[1]), right
    if zones[1] is None and isinstance(right, pd.Timestamp):
        return left, right.tz_localize(zones[0])
    raise InputError(
        "formula: a date with a time zone meets one without; give both a zone (`.dt.tz_localize`) "
        "before they reach the formula."
    )


def _is_moment(value: Values) -> bool:
    return isinstance(value, pd.Timestamp) or getattr(value, "dtype", np.dtype(object)).kind == "M"


def _zone(value: Values) -> object:
    return value.tz if isinstance(value, pd.Timestamp) else getattr(getattr(value, "dtype", None), "tz", None)
