"""Validate a data set in one pass: write valid rows, quarantined rows and reports."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pandera.pandas as pa
from pandera.errors import SchemaErrors

from cli.errors import InputError
from cli.task import TaskContext
from cli.terminal import say, show_table, with_progress
from data_access_layer.commit.staging import refuse_foreign_folder, stage_output
from data_access_layer.files import stem_of
from data_access_layer.formats.csv import WrongCells
from data_access_layer.formats.writer import TableWriter
from data_access_layer.open import StoreSource, open_path, open_source, refuse_own_input
from data_access_layer.reader import Batch, rename_conflicts
from data_access_layer.tables.files import TableFile, TableFiles
from datasets.checks import BrokenRule, Failure, FailureCollector, broken_rules, contract_dtypes
from datasets.registry import contracts
from validation import html
from validation.sampling import Reservoir
from validation.settings import ValidateDataSettings, require

GOOD_ROWS, QUARANTINE, HTML, JSON = "rows.parquet", "quarantine", "report.html", "report.json"
FILE, ROW, REASONS = "quarantine_file", "quarantine_row", "quarantine_reasons"
SAMPLE_ROWS = 5_000
SEGMENTS = 60
SHOWN_COLUMNS = 12
ROUNDS = 5


@dataclass
class ValidationResult:
    """Counts, failures and samples of a data set's rows."""

    columns: Sequence[str]
    rows: int = 0
    bad_rows: int = 0
    failures: FailureCollector = field(default_factory=FailureCollector)
    missing: Counter[str] = field(default_factory=Counter)
    bad_in: Counter[str] = field(default_factory=Counter)
    # For each segment, its rows and the missing values of each column.
    segments: list[tuple[int, npt.NDArray[np.float64]]] = field(default_factory=list)
    good_sample: Reservoir = field(default_factory=lambda: Reservoir(SAMPLE_ROWS, 0))
    bad_sample: Reservoir = field(default_factory=lambda: Reservoir(SAMPLE_ROWS, 1))

    def add(self, frame: pd.DataFrame) -> None:
        """Count the rows and missing values of one batch."""
        self.rows += len(frame)
        missing = np.column_stack(
            [frame[name].isna() if name in frame else np.ones(len(frame)) for name in self.columns]
        )
        self.missing.update(dict(zip(self.columns, missing.sum(axis=0).astype(int), strict=True)))
        for rows in np.array_split(missing, min(SEGMENTS, len(frame))):
            self.segments.append((len(rows), rows.sum(axis=0)))
        while len(self.segments) > 4 * SEGMENTS:
            pairs = zip(self.segments[::2], self.segments[1::2], strict=False)
            odd = self.segments[-1:] if len(self.segments) % 2 else []
            self.segments = [(a + b, left + right) for (a, left), (b, right) in pairs] + odd

    def list_failures(self) -> list[Failure]:
        """All broken rules: those of whole columns, then the others by their number of rows."""
        failures = self.failures.error().failures
        return sorted(failures, key=lambda failure: (failure.count > 0, -failure.count))


def validate_data(settings: ValidateDataSettings, context: TaskContext) -> bool:
    """Write a data set's valid rows, quarantined rows and reports; True if all rows are valid.

    Raises:
        InputError: the contract is unknown, the input cannot be read, or the output not written.
        UserError: the disk is full.
    """
    name = require(settings.contract, "contract")
    known = contracts()
    if name not in known:
        raise InputError(f"No contract {name!r}. Set --contract to one of {', '.join(known)}.")
    place = require(settings.input, "input")
    output = settings.output or f"validated/{name}"
    destination = open_path(output, context, option="--output")
    refuse_foreign_folder(destination, JSON)
    dtypes = contract_dtypes(known[name])
    result = ValidationResult(list(dtypes))
    source = open_source(place, context, dtypes=dtypes)
    refuse_own_input(source, destination)
    with stage_output(destination) as folder:
        folder.mkdir()
        _split_table(known[name], source, folder, result, settings.batch_rows)
        facts = _facts(name, place, result)
        (folder / JSON).write_text(json.dumps(facts, indent=2, default=str) + "\n")
        (folder / HTML).write_text(_page(name, place, result), encoding="utf-8")
    _show(name, result, output)
    return not result.bad_rows


def split_rows(
    contract: type[pa.DataFrameModel], frame: pd.DataFrame, wrong: Sequence[WrongCells] = ()
) -> tuple[pd.DataFrame, dict[int, list[str]], list[BrokenRule]]:
    """Split off invalid rows: the valid rows, the reasons by invalid row, and the broken rules.

    Rows with cells that do not have their declared type (`wrong`) are invalid. A column that is
    wrong as a whole (missing, unexpected, of another dtype) makes all rows invalid. Integers that
    are floats because of missing values become integers without these rows, and are validated
    again. Uniqueness is only checked within a batch.
    """
    reasons: dict[int, list[str]] = {}
    rules: list[BrokenRule] = []
    for cells in wrong:
        rules.append((cells.column, f"expected {cells.expected}", _failure_cases(cells)))
        for place, text in zip(cells.rows, cells.texts, strict=True):
            reason = f"{cells.column}: expected {cells.expected}, got {text!r}"
            reasons.setdefault(place, []).append(reason)
    rest = _restore_integers(contract, frame.drop(index=list(reasons))) if reasons else frame
    for _ in range(ROUNDS if len(rest) or not reasons else 0):
        try:
            return contract.validate(rest, lazy=True), reasons, rules
        except SchemaErrors as errors:
            found = list(broken_rules(errors, rest))
        rules += found
        for column, problem, cases in found:
            places = cases["index"].dropna().astype(int).unique() if len(cases) else rest.index
            for place in places:
                reasons.setdefault(int(place), []).append(f"{column}: {problem}")
        rest = _restore_integers(contract, rest.drop(index=[i for i in reasons if i in rest.index]))
        if rest.empty:
            break
    for place in rest.index:
        reasons.setdefault(int(place), []).append("could not be separated from invalid rows")
    return frame.iloc[:0], reasons, rules


def _failure_cases(cells: WrongCells) -> pd.DataFrame:
    return pd.DataFrame({"failure_case": cells.texts, "index": cells.rows})


def _restore_integers(contract: type[pa.DataFrameModel], frame: pd.DataFrame) -> pd.DataFrame:
    for name, dtype in contract_dtypes(contract).items():
        if name in frame and dtype.startswith(("int", "uint")) and frame[name].dtype.kind == "f":
            frame = frame.astype({name: dtype})
    return frame


def _split_table(
    contract: type[pa.DataFrameModel],
    table: TableFiles | StoreSource,
    folder: Path,
    result: ValidationResult,
    batch_rows: int,
) -> None:
    total = table.row_count()
    with TableWriter(str(folder / GOOD_ROWS), format="parquet") as good_rows:
        tables: Sequence[TableFile | StoreSource] = (
            table.unify_types() if isinstance(table, TableFiles) else [table]
        )
        for number, one in enumerate(tables):
            quarantine = folder / QUARANTINE / f"{number:04d}-{_name_of(one)}.parquet"
            with ExitStack() as stack:
                bad_rows: TableWriter | None = None
                for batch in with_progress(_read_batches(one, batch_rows), total, what=one.name):
                    good, bad = _check_batch(contract, batch, result)
                    if len(good):
                        good_rows.write(good)
                    if len(bad) and bad_rows is None:
                        quarantine.parent.mkdir(exist_ok=True)
                        writer = TableWriter(str(quarantine), format="parquet")
                        bad_rows = stack.enter_context(writer)
                    if len(bad) and bad_rows is not None:
                        bad_rows.write(bad)
    if not result.rows:
        raise InputError(f"{table.name}: has no rows.")


def _name_of(table: TableFile | StoreSource) -> str:
    return stem_of(table.path) if isinstance(table, TableFile) else "table"


def _read_batches(table: TableFile | StoreSource, batch_rows: int) -> Iterator[tuple[int, Batch]]:
    read = table.batches_if_any if isinstance(table, TableFile) else table.batches
    for batch in read(batch_rows, wrong_cells="keep"):
        yield len(batch.frame), batch


def _check_batch(
    contract: type[pa.DataFrameModel], batch: Batch, result: ValidationResult
) -> tuple[pd.DataFrame, pd.DataFrame]:
    result.add(batch.frame)
    good, reasons, rules = split_rows(contract, batch.frame, batch.wrong)
    places = sorted(reasons)
    result.failures.add_rules(rules, source=batch.source, first_row=batch.first_row)
    for column, _, cases in rules:
        result.bad_in[column] += len(cases) or len(batch.frame)
    added: dict[str, Any] = {
        FILE: batch.source,
        ROW: [batch.first_row + place for place in places],
        REASONS: ["; ".join(reasons[place]) for place in places],
    }
    given = batch.frame.iloc[places]
    bad = rename_conflicts(given, added, ending="_input").assign(**added)
    result.bad_rows += len(bad)
    shown = [name for name in result.columns if name in batch.frame]
    result.good_sample.add(good[shown] if len(good) else good.iloc[:0])
    result.bad_sample.add(bad[shown])
    return good, bad


def _facts(contract: str, location: str, result: ValidationResult) -> dict[str, Any]:
    return {
        "contract": contract,
        "input": location,
        "passed": not result.bad_rows,
        "rows": result.rows,
        "good_rows": result.rows - result.bad_rows,
        "quarantined_rows": result.bad_rows,
        "missing": {name: int(count) for name, count in result.missing.items()},
        "failures": [
            {
                "source": failure.source,
                "column": failure.column,
                "problem": failure.problem,
                "rows": failure.count or "all",
                "first_rows": failure.rows,
                "example": None if failure.example is None else repr(failure.example),
            }
            for failure in result.list_failures()
        ],
    }


def _page(contract: str, location: str, result: ValidationResult) -> str:
    bad = result.bad_rows
    failures = result.list_failures()
    return html.render(
        title=f"{location}, validated against the contract {contract}",
        passed=not bad,
        verdict=f"{bad:,} of {result.rows:,} rows break the contract and are quarantined."
        if bad
        else f"All {result.rows:,} rows are valid.",
        facts=[
            ("rows", f"{result.rows:,}"),
            ("valid", f"{result.rows - bad:,}"),
            ("quarantined", f"{bad:,}"),
            ("share quarantined", f"{bad / result.rows:.2%}"),
            ("broken rules", f"{len(failures):,}"),
        ],
        table_title="Broken rules, sorted by severity",
        columns=[
            ("column", False),
            ("problem", False),
            ("rows", True),
            ("example", False),
            ("first rows", False),
            ("file", False),
        ],
        rows=[(False, _cells(failure)) for failure in failures],
        sections=list(_sections(result)),
    )


def _cells(failure: Failure) -> tuple[str, ...]:
    return (
        failure.column,
        failure.problem,
        f"{failure.count:,}" if failure.count else "all",
        repr(failure.example) if failure.count else "",
        ", ".join(map(str, failure.rows)),
        failure.source,
    )


def _sections(result: ValidationResult) -> Iterator[dict[str, object]]:
    if result.bad_in:
        most_failures = dict(result.bad_in.most_common(50))
        yield {
            "title": "Failures by column",
            "note": "A row that breaks two rules of a column counts twice.",
            "pictures": [html.draw_bars(most_failures, label="rows")],
        }
        pictures = list(_draw_distributions(result))
        yield {
            "title": "Values of columns with failures",
            "note": f"The {SHOWN_COLUMNS} columns with most failures, in samples of up to "
            f"{SAMPLE_ROWS:,} valid and {SAMPLE_ROWS:,} quarantined rows.",
            "pictures": pictures,
        }
    if any(result.missing.values()):
        shares = np.array([missing / rows for rows, missing in result.segments])
        yield {
            "title": "Missing values",
            "note": "By column and segment of rows. Values of a missing column count as missing.",
            "pictures": [html.draw_missing_map(shares, result.columns, result.rows)],
        }


def _draw_distributions(result: ValidationResult) -> Iterator[str]:
    good, bad = result.good_sample.rows(), result.bad_sample.rows()
    names = [name for name, _ in result.bad_in.most_common() if name in bad]
    for name in names[:SHOWN_COLUMNS]:
        samples = {"quarantined": (bad[name], html.BAD)}
        if name in good:
            samples = {"valid": (good[name], html.GOOD)} | samples
        yield html.draw_distributions(samples, title=name)


def _show(contract: str, result: ValidationResult, output: str) -> None:
    if result.failures:
        for failure in result.list_failures():
            say(str(failure))
    show_table(
        f"validated against the contract {contract}",
        ["", ""],
        [
            ("rows", f"{result.rows:,}"),
            ("  valid", f"{result.rows - result.bad_rows:,}"),
            ("  quarantined", f"{result.bad_rows:,}"),
            ("report", f"{output}/{HTML}"),
        ],
    )
