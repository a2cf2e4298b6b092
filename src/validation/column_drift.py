"""Compare the columns of two data sets, and test which ones have drifted.

The tests use scipy. evidently 0.7.23 does not support pandas 3.1: it imports a private pandas
function that was removed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import chi2_contingency, false_discovery_control, ks_2samp, wasserstein_distance

from validation import html
from validation.population_stability import count_by_bin, number_bins, population_stability

MAX_CATEGORIES = 30


@dataclass(frozen=True, kw_only=True)
class ColumnDrift:
    """How one column differs; `p_value` is corrected for the number of columns.

    `distance` is the Wasserstein distance in standard deviations of the reference, for numbers
    only.
    """

    column: str
    test: str
    statistic: float | None = None
    p_value: float | None = None
    psi: float | None = None
    distance: float | None = None
    drifted: bool = False
    note: str = ""


def compare_columns(
    reference: pd.DataFrame, current: pd.DataFrame, *, alpha: float, psi: float
) -> list[ColumnDrift]:
    """Compare every column of either frame, and sort the columns by drift, the largest first.

    Numbers: Kolmogorov-Smirnov test. Other values: chi-squared test of the 30 most frequent values.
    Missing values: chi-squared test. A column has drifted if its p-value, after Benjamini and
    Hochberg's correction for all columns, is below `alpha` and its population stability index is at
    least `psi`: with many rows the smallest difference is significant, and with few rows a large
    index may be chance. A column of only one side, or of another kind, has drifted.
    """
    found = [
        _compare_column(str(name), reference.get(name), current.get(name))
        for name in dict.fromkeys([*reference, *current])
    ]
    judged = [_judge(column, alpha=alpha, psi=psi) for column in _correct_p_values(found)]
    return sorted(judged, key=lambda c: (not c.drifted, -(math.inf if c.psi is None else c.psi)))


def _correct_p_values(columns: list[ColumnDrift]) -> list[ColumnDrift]:
    tested = [column.p_value for column in columns if column.p_value is not None]
    corrected = iter(false_discovery_control(tested) if tested else [])
    return [
        column if column.p_value is None else replace(column, p_value=float(next(corrected)))
        for column in columns
    ]


def _judge(column: ColumnDrift, *, alpha: float, psi: float) -> ColumnDrift:
    if column.p_value is None:
        return column
    drifted = column.p_value < alpha and (column.psi or 0.0) >= psi
    return replace(column, drifted=column.drifted or drifted)


def _compare_column(
    name: str, reference: pd.Series[Any] | None, current: pd.Series[Any] | None
) -> ColumnDrift:
    if reference is None or current is None:
        side = "reference" if current is None else "current"
        return ColumnDrift(column=name, test="-", drifted=True, note=f"only in the {side} data")
    if reference.isna().all() and current.isna().all():
        return ColumnDrift(column=name, test="-", psi=0.0, note="missing in all rows of both")
    if all(pd.api.types.is_datetime64_any_dtype(side) for side in (reference, current)):
        reference, current = _to_seconds(reference), _to_seconds(current)
    numeric = [html.is_numeric(side) or side.isna().all() for side in (reference, current)]
    if numeric[0] != numeric[1]:
        kinds = f"{reference.dtype} became {current.dtype}"
        return ColumnDrift(column=name, test="-", drifted=True, note=kinds)
    return (_compare_numbers if all(numeric) else _compare_categories)(name, reference, current)


def _to_seconds(timestamps: pd.Series[Any]) -> pd.Series[Any]:
    """Seconds since 1970, so that timestamps are compared as numbers and not as categories."""
    # Through objects: pandas cannot subtract Arrow's timestamps.
    utc = pd.Series(pd.to_datetime(timestamps.astype("object"), utc=True))
    return (utc - pd.Timestamp(0, tz="UTC")).dt.total_seconds()


def _compare_numbers(name: str, reference: pd.Series[Any], current: pd.Series[Any]) -> ColumnDrift:
    one, other = _present_numbers(reference), _present_numbers(current)
    missing_counts = _count_missing(reference, current)
    bins = number_bins(one)
    counts = [
        count_by_bin(values, bins, missing)
        for values, missing in zip((one, other), missing_counts[:, 0], strict=True)
    ]
    p_values = [_chi_squared(missing_counts)[1]] if missing_counts[:, 0].any() else []
    statistic = distance = None
    if len(one) and len(other):
        result = ks_2samp(one, other, method="asymp")
        statistic = float(result.statistic)
        p_values.append(float(result.pvalue))
        distance = _distance(one, other)
    return ColumnDrift(
        column=name,
        test="Kolmogorov-Smirnov",
        statistic=statistic,
        p_value=min(1.0, len(p_values) * min(p_values)),
        psi=population_stability(counts[0], counts[1]),
        distance=distance,
        note=_missing_note(missing_counts),
    )


def _present_numbers(values: pd.Series[Any]) -> npt.NDArray[np.float64]:
    numbers = pd.to_numeric(values).astype("Float64").dropna()
    return np.asarray(numbers.to_numpy(dtype="float64"), dtype=np.float64)


def _distance(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> float | None:
    largest = float(np.abs(np.concatenate([one, other])).max())
    if not largest or not np.isfinite(largest):
        return None
    # Scale to at most 1, so that no square overflows.
    one, other = one / largest, other / largest
    spread = float(one.std())
    return float(wasserstein_distance(one, other)) / spread if spread else None


def _compare_categories(
    name: str, reference: pd.Series[Any], current: pd.Series[Any]
) -> ColumnDrift:
    sides = [
        side.astype("object").where(side.notna(), None).map(repr).value_counts()
        for side in (reference, current)
    ]
    table = pd.concat(sides, axis=1).fillna(0.0).to_numpy(dtype="float64").T
    order = np.argsort(-table.sum(axis=0), kind="stable")
    table = table[:, order]
    if table.shape[1] > MAX_CATEGORIES:
        rest = table[:, MAX_CATEGORIES:].sum(axis=1, keepdims=True)
        table = np.hstack([table[:, :MAX_CATEGORIES], rest])
    statistic, p_value = _chi_squared(table)
    return ColumnDrift(
        column=name,
        test="chi-squared",
        statistic=statistic,
        p_value=p_value,
        psi=population_stability(table[0], table[1]),
        note=_missing_note(_count_missing(reference, current)),
    )


def _chi_squared(table: npt.NDArray[Any]) -> tuple[float, float]:
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2:
        return 0.0, 1.0
    result = chi2_contingency(table)
    return float(result.statistic), float(result.pvalue)


def _count_missing(reference: pd.Series[Any], current: pd.Series[Any]) -> npt.NDArray[np.int64]:
    """The numbers of missing and present values, one row for each side."""
    return np.array([[side.isna().sum(), side.notna().sum()] for side in (reference, current)])


def _missing_note(missing_counts: npt.NDArray[Any]) -> str:
    before, after = (float(row[0] / row.sum()) for row in missing_counts)
    return f"missing: {before:.1%}, now {after:.1%}" if before or after else ""
