"""Compare two data sets column by column, and write the report."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from cli.errors import InputError
from cli.task import TaskContext
from cli.terminal import show_table
from data_access_layer.commit.staging import refuse_foreign_folder, stage_output
from data_access_layer.open import open_path, open_source
from validation import html
from validation.column_drift import ColumnDrift, compare_columns
from validation.sampling import Reservoir
from validation.settings import DriftSettings, require

HTML, JSON = "report.html", "report.json"
SHOWN_COLUMNS = 20
SHOWN_INDICES = 50


def drift(settings: DriftSettings, context: TaskContext) -> bool:
    """Compare two data sets, and write the report; True if a column has drifted.

    Raises:
        InputError: a data set cannot be read, or the output cannot be written there.
        UserError: the disk is full.
    """
    places = (
        require(settings.reference, "reference"),
        require(settings.current, "current"),
    )
    output = open_path(settings.output or "drift", context, option="--output")
    refuse_foreign_folder(output, JSON)
    samples = [
        _read_sample(place, context, settings.sample_rows, settings.seed + number)
        for number, place in enumerate(places)
    ]
    reference, current = (sample.rows() for sample in samples)
    columns = compare_columns(reference, current, alpha=settings.alpha, psi=settings.psi)
    with stage_output(output) as folder:
        folder.mkdir()
        facts = _facts(settings, samples, columns)
        (folder / JSON).write_text(json.dumps(facts, indent=2) + "\n")
        page = _page(settings, samples, columns)
        (folder / HTML).write_text(page, encoding="utf-8")
    _show(columns)
    return any(column.drifted for column in columns)


def _read_sample(place: str, context: TaskContext, rows: int, seed: int) -> Reservoir:
    reservoir = Reservoir(rows, seed)
    for batch in open_source(place, context, texts_as="numbers").batches():
        reservoir.add(batch.frame)
    if not reservoir.seen:
        raise InputError(f"{place}: has no rows. Expected rows to compare.")
    return reservoir


def _format_number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _show(columns: Sequence[ColumnDrift]) -> None:
    show_table(
        _summary(columns),
        ["column", "p-value", "PSI", "drifted"],
        [
            (
                column.column,
                _format_number(column.p_value),
                _format_number(column.psi),
                _mark(column),
            )
            for column in columns
        ],
    )


def _summary(columns: Sequence[ColumnDrift]) -> str:
    return f"{sum(column.drifted for column in columns)} of {len(columns)} columns drifted"


def _mark(column: ColumnDrift) -> str:
    return "drifted" if column.drifted else ""


def _facts(
    settings: DriftSettings, samples: Sequence[Reservoir], columns: Sequence[ColumnDrift]
) -> dict[str, Any]:
    return {
        "reference": settings.reference,
        "current": settings.current,
        "reference_rows": samples[0].seen,
        "current_rows": samples[1].seen,
        "sample_rows": settings.sample_rows,
        "alpha": settings.alpha,
        "psi": settings.psi,
        "drifted": sum(column.drifted for column in columns),
        "columns": [asdict(column) for column in columns],
    }


def _page(
    settings: DriftSettings, samples: Sequence[Reservoir], columns: Sequence[ColumnDrift]
) -> str:
    reference, current = samples
    return html.render(
        title=f"Drift from {settings.reference} to {settings.current}",
        passed=not any(column.drifted for column in columns),
        verdict=f"{_summary(columns)}.",
        facts=[
            ("rows of the reference", f"{reference.seen:,}"),
            ("current rows", f"{current.seen:,}"),
            ("compared rows of each, at most", f"{settings.sample_rows:,}"),
            ("drifted: p-value below", f"{settings.alpha:g}"),
            ("and stability index at least", f"{settings.psi:g}"),
        ],
        table_title="Columns, sorted by drift",
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
        rows=[(column.drifted, _cells(column)) for column in columns],
        sections=list(_sections(reference.rows(), current.rows(), columns)),
    )


def _cells(column: ColumnDrift) -> tuple[str, ...]:
    numbers = (column.statistic, column.p_value, column.psi, column.distance)
    return (
        column.column,
        column.test,
        *map(_format_number, numbers),
        _mark(column),
        column.note,
    )


def _sections(
    reference: pd.DataFrame, current: pd.DataFrame, columns: Sequence[ColumnDrift]
) -> Iterator[dict[str, object]]:
    indices = {c.column: c.psi for c in columns[:SHOWN_INDICES] if c.psi is not None}
    if indices:
        bars = html.draw_bars(indices, label="population stability index", color=html.PLAIN)
        yield {"title": "Stability index by column", "note": "", "pictures": [bars]}
    both = [c.column for c in columns if c.column in reference and c.column in current]
    yield {
        "title": "Distributions, reference and current",
        "note": f"The {SHOWN_COLUMNS} columns with the largest drift."
        if len(both) > SHOWN_COLUMNS
        else "",
        "pictures": [
            html.draw_distributions(
                {
                    "reference": (reference[name], html.PLAIN),
                    "current": (current[name], html.BAD),
                },
                title=name,
            )
            for name in both[:SHOWN_COLUMNS]
        ],
    }
