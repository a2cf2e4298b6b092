"""What each operator of a formula does: numbers and conditions by numpy, the rest by pandas.

Numbers are float64 arrays in which NaN is missing, conditions are arrays of bool, text and dates
are series with the index 0, 1, ... A constant may stand in place of all but the first.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any, Final

import numpy as np
import pandas as pd

from cli.errors import InputError

COMPARISONS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
# Name in a formula: pandas' name.
DATE_PARTS: Final = {
    **{name: name for name in ("day", "hour", "minute", "month", "quarter", "year")},
    "dayofweek": "day_of_week",
    "dayofyear": "day_of_year",
}

type Values = Any


class Kind(StrEnum):
    """What a value is; UNKNOWN is a column without a single value."""

    NUMBER = "a number"
    CONDITION = "a condition"
    TEXT = "a text"
    MOMENT = "a date"
    UNKNOWN = "nothing but missing values"


NUMERIC: Final = {Kind.NUMBER, Kind.CONDITION}


def _power(base: Values, exponent: Values) -> Values:
    """Unlike in IEEE 754, missing ** 0 and 1 ** missing are missing.

    A square is a product, as where numexpr computes it: on some processors NumPy's power is off by
    a bit.
    """
    power = np.where(np.equal(exponent, 2), np.multiply(base, base), np.power(base, exponent))
    return np.where(np.isnan(base) | np.isnan(exponent), np.nan, power)


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
        for name in (
            "ceil",
            "exp",
            "expm1",
            "floor",
            "log",
            "log10",
            "log1p",
            "log2",
            "sign",
            "sqrt",
        )
    },
}


def operation(
    name: str, kinds: Sequence[Kind], result: Kind, value: object = None
) -> Callable[..., Values]:
    """What computes the operator `name` for operands of these kinds."""
    if name == "in":
        return among(value)  # type: ignore[arg-type]
    if name in DATE_PARTS:
        return date_part(name)
    if name == "days_between":
        return days_between
    if name == "isna":
        return lambda values: np.asarray(pd.isna(values))
    if name == "where" and result not in NUMERIC:
        return choose_text if result is Kind.TEXT else choose_moment
    if name in COMPARISONS and not set(kinds) <= NUMERIC:
        return compare_moments(name) if Kind.MOMENT in kinds else compare_text(name)
    return _vectorised(VECTORISED[name], kinds)


def _vectorised(function: Callable[..., Values], kinds: Sequence[Kind]) -> Callable[..., Values]:
    def run(*values: Values) -> Values:
        return function(
            *(
                np.asarray(value, dtype=np.float64) if kind is Kind.NUMBER else value
                for value, kind in zip(values, kinds, strict=True)
            )
        )

    return run


def moments(column: pd.Series) -> pd.Series:
    """A column of dates of any storage as numpy's datetime64 or pandas' one with a time zone."""
    dtype: Any = column.dtype
    if isinstance(dtype, np.dtype | pd.DatetimeTZDtype) and dtype.kind == "M":
        return column
    if isinstance(dtype, pd.ArrowDtype) and dtype.kind == "M":
        stored: Any = dtype.pyarrow_dtype
        unit = f"{stored.unit}, {stored.tz}" if stored.tz else stored.unit
        kind: Any = f"datetime64[{unit}]"
        localized: pd.Series = column.astype(kind)
        return localized
    return pd.to_datetime(column.astype(object))


def compare_text(symbol: str) -> Callable[[Values, Values], Values]:
    """A comparison of text; one with something missing does not hold, except `!=`."""
    return lambda left, right: _compared(
        symbol,
        *(
            value.astype(object) if isinstance(value, pd.Series) else value
            for value in (left, right)
        ),
    )


def compare_moments(symbol: str) -> Callable[[Values, Values], Values]:
    """A comparison of dates; one with something missing does not hold, except `!=`."""
    return lambda left, right: _compared(
        symbol,
        *_aligned(
            *(moments(value) if isinstance(value, pd.Series) else value for value in (left, right))
        ),
    )


def _compared(symbol: str, left: Values, right: Values) -> Values:
    there = np.asarray(pd.notna(left)) & np.asarray(pd.notna(right))
    result = np.full(len(there), symbol == "!=")
    if there.any():
        sides = (value[there] if isinstance(value, pd.Series) else value for value in (left, right))
        result[there] = COMPARISONS[symbol](*sides).to_numpy(dtype=bool)
    return result


def among(choices: tuple[object, ...]) -> Callable[[pd.Series], Values]:
    """Whether a text is one of `choices`."""
    return lambda column: column.isin(choices).to_numpy(dtype=bool)


def date_part(name: str) -> Callable[[pd.Series], Values]:
    """A part of a date as a number, in the date's own time zone."""

    def part(column: pd.Series) -> Values:
        return getattr(moments(column).dt, DATE_PARTS[name]).to_numpy(
            dtype=np.float64, na_value=np.nan
        )

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
    left, right = (
        value if isinstance(value, pd.Series) else pd.Series(value, index=rows)
        for value in _aligned(
            *(moments(value) if isinstance(value, pd.Series) else value for value in (left, right))
        )
    )
    chosen: pd.Series = left.where(condition, right)
    return chosen


def _aligned(left: Values, right: Values) -> tuple[Values, Values]:
    """Two dates, both with a zone or none: one that is written out is meant in the other's zone."""
    zones = [_zone(left), _zone(right)]
    if (zones[0] is None) == (zones[1] is None):
        return left, right
    if zones[0] is None and _takes_any_zone(left):
        return _localized(left, zones[1]), right
    if zones[1] is None and _takes_any_zone(right):
        return left, _localized(right, zones[0])
    raise InputError(
        "formula: a date with a time zone meets one without; give both a zone (`.dt.tz_localize`) "
        "before they reach the formula."
    )


def _zone(value: Values) -> Any:
    return (
        value.tz
        if isinstance(value, pd.Timestamp)
        else getattr(getattr(value, "dtype", None), "tz", None)
    )


def _takes_any_zone(value: Values) -> bool:
    return isinstance(value, pd.Timestamp) or bool(value.isna().all())


def _localized(value: Values, zone: Any) -> Values:
    return (value if isinstance(value, pd.Timestamp) else value.dt).tz_localize(zone)
