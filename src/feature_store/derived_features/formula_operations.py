"""The implementation of each operator of a formula: numpy for numbers, else pandas.

Numbers are float64 arrays with NaN for missing values, conditions are bool arrays, strings and
dates are series with the index 0, 1, ... All operands but the first may be constants.
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
    """The kind of a value; UNKNOWN is a column without values."""

    NUMBER = "a number"
    CONDITION = "a condition"
    STRING = "a string"
    DATE = "a date"
    UNKNOWN = "a column without values"


NUMERIC: Final = {Kind.NUMBER, Kind.CONDITION}


def _power(base: Values, exponent: Values) -> Values:
    """A power; unlike in IEEE 754, missing ** 0 and 1 ** missing are missing.

    A square is a product, as in numexpr, because NumPy's power is off by one bit on some
    processors.
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
    """The function that computes the operator `name` for operands of these kinds."""
    if name == "in":
        return is_among(value)  # type: ignore[arg-type]
    if name in DATE_PARTS:
        return date_part(name)
    if name == "days_between":
        return days_between
    if name == "isna":
        return lambda values: np.asarray(pd.isna(values))
    if name == "where" and result not in NUMERIC:
        return choose_string if result is Kind.STRING else choose_date
    if name in COMPARISONS and not set(kinds) <= NUMERIC:
        return compare_dates(name) if Kind.DATE in kinds else compare_strings(name)
    return _vectorise(VECTORISED[name], kinds)


def _vectorise(function: Callable[..., Values], kinds: Sequence[Kind]) -> Callable[..., Values]:
    def run(*values: Values) -> Values:
        return function(
            *(
                np.asarray(value, dtype=np.float64) if kind is Kind.NUMBER else value
                for value, kind in zip(values, kinds, strict=True)
            )
        )

    return run


def to_dates(column: pd.Series) -> pd.Series:
    """Convert a column of dates to numpy's datetime64, or to pandas' type with a time zone."""
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


def compare_strings(symbol: str) -> Callable[[Values, Values], Values]:
    """A comparison of strings; with a missing value it is False, or True for `!=`."""
    return lambda left, right: _compare(
        symbol,
        *(
            value.astype(object) if isinstance(value, pd.Series) else value
            for value in (left, right)
        ),
    )


def compare_dates(symbol: str) -> Callable[[Values, Values], Values]:
    """A comparison of dates; with a missing value it is False, or True for `!=`."""
    return lambda left, right: _compare(
        symbol,
        *_align_zones(
            *(to_dates(value) if isinstance(value, pd.Series) else value for value in (left, right))
        ),
    )


def _compare(symbol: str, left: Values, right: Values) -> Values:
    there = np.asarray(pd.notna(left)) & np.asarray(pd.notna(right))
    result = np.full(len(there), symbol == "!=")
    if there.any():
        sides = (value[there] if isinstance(value, pd.Series) else value for value in (left, right))
        result[there] = COMPARISONS[symbol](*sides).to_numpy(dtype=bool)
    return result


def is_among(choices: tuple[object, ...]) -> Callable[[pd.Series], Values]:
    """Whether a string is one of `choices`."""
    return lambda column: column.isin(choices).to_numpy(dtype=bool)


def date_part(name: str) -> Callable[[pd.Series], Values]:
    """A part of a date as a number, in the date's own time zone."""

    def part(column: pd.Series) -> Values:
        return getattr(to_dates(column).dt, DATE_PARTS[name]).to_numpy(
            dtype=np.float64, na_value=np.nan
        )

    return part


def days_between(start: Values, end: Values) -> Values:
    """The days from `start` to `end`."""
    start, end = _align_zones(
        *(to_dates(v) if isinstance(v, pd.Series) else v for v in (start, end))
    )
    days = (end - start) / pd.Timedelta(days=1)
    return days.to_numpy(dtype=np.float64, na_value=np.nan)


def choose_string(condition: Values, left: Values, right: Values) -> pd.Series:
    """`where` for strings."""
    branches = [
        value.astype(object).to_numpy() if isinstance(value, pd.Series) else value
        for value in (left, right)
    ]
    return pd.Series(np.where(condition, *branches), dtype="str")


def choose_date(condition: Values, left: Values, right: Values) -> pd.Series:
    """`where` for dates."""
    rows = range(len(condition))
    left, right = (
        value if isinstance(value, pd.Series) else pd.Series(value, index=rows)
        for value in _align_zones(
            *(to_dates(value) if isinstance(value, pd.Series) else value for value in (left, right))
        )
    )
    chosen: pd.Series = left.where(condition, right)
    return chosen


def _align_zones(left: Values, right: Values) -> tuple[Values, Values]:
    """Two dates, both with a zone or none; a constant without a zone takes the other's."""
    zones = [_zone(left), _zone(right)]
    if (zones[0] is None) == (zones[1] is None):
        return left, right
    if zones[0] is None and _accepts_any_zone(left):
        return _localize(left, zones[1]), right
    if zones[1] is None and _accepts_any_zone(right):
        return left, _localize(right, zones[0])
    raise InputError(
        "formula: one date has a time zone and the other has none; give both a zone with "
        "`.dt.tz_localize` before computing the formula."
    )


def _zone(value: Values) -> Any:
    return (
        value.tz
        if isinstance(value, pd.Timestamp)
        else getattr(getattr(value, "dtype", None), "tz", None)
    )


def _accepts_any_zone(value: Values) -> bool:
    return isinstance(value, pd.Timestamp) or bool(value.isna().all())


def _localize(value: Values, zone: Any) -> Values:
    return (value if isinstance(value, pd.Timestamp) else value.dt).tz_localize(zone)
