"""Whether a data set still is as it was, column by column.

Of our own on scipy: evidently 0.7.23 cannot be imported beside pandas 3.1 (it takes
`infer_dtype_from_object` from pandas' inside, which is gone).
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import chi2_contingency, false_discovery_control, ks_2samp, wasserstein_distance

from cli.errors import InputError
from cli.task import TaskContext
from cli.terminal import show_table
from data_access_layer.commit.staging import refuse_foreign_folder, staged_output
from data_access_layer.open import file_or_folder, open_source
from validation import html
from validation.sampling import Reservoir
from validation.settings import DriftSettings, required

HTML, JSON = "report.html", "report.json"
QUANTILES = 10
SHOWN_COLUMNS = 20
# The share of rows from which a number is a bin.
FREQUENT = 0.05
LEVELS = 30
# A bin that one side does not have would make the index infinite.
LEAST_SHARE = 1e-4


@dataclass(frozen=True, kw_only=True)
class ColumnDrift:
    """How one column differs: `p_value` is corrected for the number of columns.

    `distance` is the Wasserstein distance in standard deviations of the reference; numbers only.
    """

    column: str
    test: str
    statistic: float | None = None
    p_value: float | None = None
    psi: float | None = None
    distance: float | None = None
    drifted: bool = False
    note: str = ""


def drift(settings: DriftSettings, context: TaskContext) -> bool:
    """Compare two data sets, and write the report; True where a column has drifted.

    Raises:
        InputError: a data set cannot be read, or the output cannot be there.
        UserError: the disk is full.
    """
    sides = (
        required(settings.reference, "reference"),
        required(settings.current, "current"),
    )
    output = file_or_folder(settings.output or "drift", context, option="--output")
    refuse_foreign_folder(output, JSON)
    reference, current = (
        _sample(side, context, settings.sample_rows, settings.seed + number)
        for number, side in enumerate(sides)
    )
    columns = compare(reference.rows(), current.rows(), alpha=settings.alpha, psi=settings.psi)
    with staged_output(output) as folder:
        folder.mkdir()
        facts = {
            "reference": sides[0],
            "current": sides[1],
            "reference_rows": reference.seen,
            "current_rows": current.seen,
            "sample_rows": settings.sample_rows,
            "alpha": settings.alpha,
            "psi": settings.psi,
            "drifted": sum(column.drifted for column in columns),
            "columns": [asdict(column) for column in columns],
        }
        (folder / JSON).write_text(json.dumps(facts, indent=2) + "\n")
        page = _page(settings, (reference, current), columns)
        (folder / HTML).write_text(page, encoding="utf-8")
    show_table(
        f"{sum(column.drifted for column in columns)} of {len(columns)} columns drifted",
        ["column", "p-value", "PSI", "drifted"],
        [
            (column.column, _told(column.p_value), _told(column.psi), _verdict(column))
            for column in columns
        ],
    )
    return any(column.drifted for column in columns)


def compare(
    reference: pd.DataFrame, current: pd.DataFrame, *, alpha: float, psi: float
) -> list[ColumnDrift]:
    """Every column of either frame, the one that drifted most first.

    Numbers: Kolmogorov-Smirnov; all else: chi-squared on the 30 most frequent values; missing
    values: chi-squared too, where there are any. A column has drifted where the p-value, after
    Benjamini and Hochberg's correction over all columns, is below `alpha` and its population
    stability index reaches `psi`: of many rows the smallest difference is significant, and of a few
    the largest index may be chance. A column of one side only, or of another kind, has drifted.
    """
    found = [
        _compared(str(name), reference.get(name), current.get(name))
        for name in dict.fromkeys([*reference, *current])
    ]
    tested = [column for column in found if column.p_value is not None]
    corrected = (
        false_discovery_control([column.p_value or 0.0 for column in tested]) if tested else []
    )
    p_values = {column.column: float(p) for column, p in zip(tested, corrected, strict=True)}
    judged = [
        ColumnDrift(
            **{
                **asdict(column),
                "p_value": p_values.get(column.column),
                "drifted": column.drifted
                or (p_values.get(column.column, 1.0) < alpha and (column.psi or 0.0) >= psi),
            }
        )
        for column in found
    ]
    return sorted(judged, key=lambda c: (not c.drifted, -(math.inf if c.psi is None else c.psi)))


def population_stability(
    reference: npt.NDArray[np.float64], current: npt.NDArray[np.float64]
) -> float:
    """The index of two sets of counts of the same bins; 0 where their shares are the same."""
    shares = [np.maximum(counts / counts.sum(), LEAST_SHARE) for counts in (reference, current)]
    return float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())


def _compared(
    name: str, reference: pd.Series[Any] | None, current: pd.Series[Any] | None
) -> ColumnDrift:
    if reference is None or current is None:
        side = "reference" if current is None else "current"
        return ColumnDrift(column=name, test="-", drifted=True, note=f"only in the {side} data")
    if reference.isna().all() and current.isna().all():
        return ColumnDrift(column=name, test="-", psi=0.0, note="missing in all rows of both")
    if all(pd.api.types.is_datetime64_any_dtype(side) for side in (reference, current)):
        reference, current = _seconds(reference), _seconds(current)
    numeric = [html.numeric(side) or side.isna().all() for side in (reference, current)]
    if numeric[0] != numeric[1]:
        kinds = f"{reference.dtype} became {current.dtype}"
        return ColumnDrift(column=name, test="-", drifted=True, note=kinds)
    return (_numbers if all(numeric) else _levels)(name, reference, current)


def _seconds(moments: pd.Series[Any]) -> pd.Series[Any]:
    """Since 1970, so that moments are compared by their place in time and not as so many names."""
    # Through single moments: Arrow's own, as a file gives them, cannot be taken from one another.
    utc = pd.Series(pd.to_datetime(moments.astype("object"), utc=True))
    return (utc - pd.Timestamp(0, tz="UTC")).dt.total_seconds()


def _numbers(name: str, reference: pd.Series[Any], current: pd.Series[Any]) -> ColumnDrift:
    one, other = _present(reference), _present(current)
    gone = np.array(
        [[len(reference) - len(one), len(one)], [len(current) - len(other), len(other)]]
    )
    edges = _edges(one)
    counts = [
        np.append(np.bincount(np.searchsorted(edges, side), minlength=len(edges) + 1), missing)
        for side, missing in ((one, gone[0, 0]), (other, gone[1, 0]))
    ]
    p_values = [_chi_squared(gone)[1]] if gone[:, 0].any() else []
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
        note=_missing_note(gone),
    )


def _edges(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The largest value of each bin but the last: the reference's deciles, smallest and largest.

    So that no move stays inside a bin, all below the smallest value is a bin, all above the largest
    too, and so is each frequent value.
    """
    if not len(values):
        return values
    # Of the values themselves: between two infinite ones there is no number.
    deciles = np.quantile(values, np.linspace(0, 1, QUANTILES + 1), method="inverted_cdf")
    distinct, rows = np.unique(values, return_counts=True)
    frequent = distinct[rows >= max(2, FREQUENT * len(values))]
    below = np.nextafter([distinct[0], *frequent], -np.inf)
    return np.unique(np.concatenate([deciles, frequent, below]))


def _present(values: pd.Series[Any]) -> npt.NDArray[np.float64]:
    numbers = pd.to_numeric(values).astype("Float64").dropna()
    return np.asarray(numbers.to_numpy(dtype="float64"), dtype=np.float64)


def _distance(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> float | None:
    largest = float(np.abs(np.concatenate([one, other])).max())
    if not largest or not np.isfinite(largest):
        return None
    # Of numbers up to 1, no square overflows.
    one, other = one / largest, other / largest
    spread = float(one.std())
    return float(wasserstein_distance(one, other)) / spread if spread else None


def _levels(name: str, reference: pd.Series[Any], current: pd.Series[Any]) -> ColumnDrift:
    sides = [
        side.astype("object").where(side.notna(), None).map(repr).value_counts()
        for side in (reference, current)
    ]
    table = pd.concat(sides, axis=1).fillna(0.0).to_numpy(dtype="float64").T
    order = np.argsort(-table.sum(axis=0), kind="stable")
    table = table[:, order]
    if table.shape[1] > LEVELS:
        rest = table[:, LEVELS:].sum(axis=1, keepdims=True)
        table = np.hstack([table[:, :LEVELS], rest])
    statistic, p_value = _chi_squared(table)
    gone = np.array([[s.isna().sum(), s.notna().sum()] for s in (reference, current)])
    return ColumnDrift(
        column=name,
        test="chi-squared",
        statistic=statistic,
        p_value=p_value,
        psi=population_stability(table[0], table[1]),
        note=_missing_note(gone),
    )


def _chi_squared(table: npt.NDArray[Any]) -> tuple[float, float]:
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2:
        return 0.0, 1.0
    result = chi2_contingency(table)
    return float(result.statistic), float(result.pvalue)


def _missing_note(gone: npt.NDArray[Any]) -> str:
    before, after = (float(row[0] / row.sum()) for row in gone)
    return f"missing: {before:.1%}, now {after:.1%}" if before or after else ""


def _sample(place: str, context: TaskContext, rows: int, seed: int) -> Reservoir:
    reservoir = Reservoir(rows, seed)
    for batch in open_source(place, context, texts_as="numbers").batches():
        reservoir.add(batch.frame)
    if not reservoir.seen:
        raise InputError(f"{place}: expected rows to compare, and there are none.")
    return reservoir


def _told(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _verdict(column: ColumnDrift) -> str:
    return "drifted" if column.drifted else ""


def _page(
    settings: DriftSettings, sides: Sequence[Reservoir], columns: Sequence[ColumnDrift]
) -> str:
    reference, current = (side.rows() for side in sides)
    drifted = sum(column.drifted for column in columns)
    both = [c.column for c in columns if c.column in reference and c.column in current]
    indices = {c.column: c.psi for c in columns[:50] if c.psi is not None}
    sections: list[dict[str, object]] = []
    if indices:
        picture = html.bars(indices, label="population stability index", color=html.PLAIN)
        sections.append({"title": "How far each column moved", "note": "", "pictures": [picture]})
    pictures = [
        html.distributions(
            {
                "reference": (reference[name], html.PLAIN),
                "current": (current[name], html.BAD),
            },
            title=name,
        )
        for name in both[:SHOWN_COLUMNS]
    ]
    note = f"The {SHOWN_COLUMNS} columns that moved most." if len(both) > SHOWN_COLUMNS else ""
    sections.append({"title": "Then and now", "note": note, "pictures": pictures})
    return html.render(
        title=f"Drift from {settings.reference} to {settings.current}",
        passed=not drifted,
        verdict=f"{drifted} of {len(columns)} columns have drifted."
        if drifted
        else f"None of {len(columns)} columns has drifted.",
        facts=[
            ("rows of the reference", f"{sides[0].seen:,}"),
            ("rows now", f"{sides[1].seen:,}"),
            ("compared of each, at most", f"{settings.sample_rows:,}"),
            ("p-value below", f"{settings.alpha:g}"),
            ("and index from", f"{settings.psi:g}"),
        ],
        table_title="Columns, the worst first",
        columns=[
            ("column", False),
            ("test", False),
            ("statistic", True),
            ("p-value, corrected", True),
            ("stability index", True),
            ("distance, std", True),
            ("", False),
            ("", False),
        ],
        rows=[
            (
                c.drifted,
                (
                    c.column,
                    c.test,
                    *map(_told, (c.statistic, c.p_value, c.psi, c.distance)),
                    _verdict(c),
                    c.note,
                ),
            )
            for c in columns
        ],
        sections=sections,
    )
