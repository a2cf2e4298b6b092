"""Check a data set against its contract: good rows, quarantined rows and a report, in one pass."""

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
from data_access_layer.commit.staging import refuse_foreign_folder, staged_output
from data_access_layer.files import stem_of
from data_access_layer.formats.csv import WrongCells
from data_access_layer.formats.writer import TableWriter
from data_access_layer.open import StoreTable, file_or_folder, open_source, refuse_own_input
from data_access_layer.reader import Batch, renamed_apart
from data_access_layer.tables.files import TableFile, TableFiles
from datasets.checks import BrokenRule, Failure, FailureCollector, broken_rules, contract_dtypes
from datasets.registry import contracts
from validation import html
from validation.sampling import Reservoir
from validation.settings import ValidateDataSettings, required

GOOD_ROWS, QUARANTINE, HTML, JSON = "rows.parquet", "quarantine", "report.html", "report.json"
FILE, ROW, REASONS = "quarantine_file", "quarantine_row", "quarantine_reasons"
SAMPLE_ROWS = 5_000
SEGMENTS = 60
SHOWN_COLUMNS = 12
ROUNDS = 5


@dataclass
class Findings:
    """What is known of a data set when all its rows were seen."""

    columns: Sequence[str]
    rows: int = 0
    bad_rows: int = 0
    failures: FailureCollector = field(default_factory=FailureCollector)
    missing: Counter[str] = field(default_factory=Counter)
    bad_in: Counter[str] = field(default_factory=Counter)
    # Rows, and of each column how many of them are missing.
    segments: list[tuple[int, npt.NDArray[np.float64]]] = field(default_factory=list)
    good_sample: Reservoir = field(default_factory=lambda: Reservoir(SAMPLE_ROWS, 0))
    bad_sample: Reservoir = field(default_factory=lambda: Reservoir(SAMPLE_ROWS, 1))

    def see(self, frame: pd.DataFrame) -> None:
        """Count the rows and missing values of one batch."""
        self.rows += len(frame)
        missing = np.column_stack(
            [frame[name].isna() if name in frame else np.ones(len(frame)) for name in self.columns]
        )
        self.missing.update(dict(zip(self.columns, missing.sum(axis=0).astype(int), strict=True)))
        for part in np.array_split(missing, min(SEGMENTS, len(frame))):
            self.segments.append((len(part), part.sum(axis=0)))
        while len(self.segments) > 4 * SEGMENTS:
            pairs = zip(self.segments[::2], self.segments[1::2], strict=False)
            odd = self.segments[-1:] if len(self.segments) % 2 else []
            self.segments = [(a + b, left + right) for (a, left), (b, right) in pairs] + odd

    def told(self) -> list[Failure]:
        """All broken rules, the most frequent first; whole columns before all."""
        failures = self.failures.error().failures
        return sorted(failures, key=lambda failure: (failure.count > 0, -failure.count))


def validate_data(settings: ValidateDataSettings, context: TaskContext) -> bool:
    """Check a data set; write its good and bad rows and the reports; True where all rows are good.

    Raises:
        InputError: the contract is unknown, the input cannot be read, or the output not written.
        UserError: the disk is full.
    """
    name = required(settings.contract, "contract")
    known = contracts()
    if name not in known:
        raise InputError(f"No contract {name!r}; known: {', '.join(known)}. Set --contract.")
    place = required(settings.input, "input")
    output = settings.output or f"validated/{name}"
    destination = file_or_folder(output, context, option="--output")
    refuse_foreign_folder(destination, JSON)
    dtypes = contract_dtypes(known[name])
    findings = Findings(list(dtypes))
    source = open_source(place, context, dtypes=dtypes)
    refuse_own_input(source, destination)
    with staged_output(destination) as folder:
        folder.mkdir()
        _split(known[name], source, folder, findings, settings.batch_rows)
        facts = _facts(name, place, findings)
        (folder / JSON).write_text(json.dumps(facts, indent=2, default=str) + "\n")
        (folder / HTML).write_text(_page(name, place, findings), encoding="utf-8")
    _show(name, findings, output)
    return not findings.bad_rows


def split_rows(
    contract: type[pa.DataFrameModel], frame: pd.DataFrame, wrong: Sequence[WrongCells] = ()
) -> tuple[pd.DataFrame, dict[int, list[str]], list[BrokenRule]]:
    """The rows that keep the contract, the reasons of all others by their place, and the rules.

    Rows with cells that are not of their declared type (`wrong`) are bad whatever the contract says
    of them. A column that is wrong as a whole (missing, unexpected, of another dtype) makes all
    rows bad.
    Whole numbers that were floating-point because one was missing become whole again without it,
    and are checked once more. That one row is unique is told within a batch only.
    """
    reasons: dict[int, list[str]] = {}
    rules: list[BrokenRule] = []
    for cells in wrong:
        rules.append((cells.column, f"expected {cells.expected}", _cases(cells)))
        for place, text in zip(cells.rows, cells.texts, strict=True):
            reason = f"{cells.column}: expected {cells.expected}, got {text!r}"
            reasons.setdefault(place, []).append(reason)
    rest = _whole_again(contract, frame.drop(index=list(reasons))) if reasons else frame
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
        rest = _whole_again(contract, rest.drop(index=[i for i in reasons if i in rest.index]))
        if rest.empty:
            break
    for place in rest.index:
        reasons.setdefault(int(place), []).append("the rows beside it could not be checked apart")
    return frame.iloc[:0], reasons, rules


def _cases(cells: WrongCells) -> pd.DataFrame:
    return pd.DataFrame({"failure_case": cells.texts, "index": cells.rows})


def _whole_again(contract: type[pa.DataFrameModel], frame: pd.DataFrame) -> pd.DataFrame:
    for name, dtype in contract_dtypes(contract).items():
        if name in frame and dtype.startswith(("int", "uint")) and frame[name].dtype.kind == "f":
            frame = frame.astype({name: dtype})
    return frame


def _split(
    contract: type[pa.DataFrameModel],
    table: TableFiles | StoreTable,
    folder: Path,
    findings: Findings,
    batch_rows: int,
) -> None:
    total = table.row_count()
    with TableWriter(str(folder / GOOD_ROWS), format="parquet") as good_rows:
        parts: Sequence[TableFile | StoreTable] = (
            table.fitted() if isinstance(table, TableFiles) else [table]
        )
        for number, part in enumerate(parts):
            with ExitStack() as stack:
                bad_rows: TableWriter | None = None
                for batch in with_progress(_counted(part, batch_rows), total, what=part.name):
                    good, bad = _judged(contract, batch, findings)
                    if len(good):
                        good_rows.write(good)
                    if len(bad) and bad_rows is None:
                        path = folder / QUARANTINE / f"{number:04d}-{_name_of(part)}.parquet"
                        path.parent.mkdir(exist_ok=True)
                        bad_rows = stack.enter_context(TableWriter(str(path), format="parquet"))
                    if len(bad) and bad_rows is not None:
                        bad_rows.write(bad)
    if not findings.rows:
        raise InputError(f"{table.name}: there are no rows.")


def _name_of(part: TableFile | StoreTable) -> str:
    return stem_of(part.path) if isinstance(part, TableFile) else "table"


def _counted(part: TableFile | StoreTable, batch_rows: int) -> Iterator[tuple[int, Batch]]:
    read = part.some_batches if isinstance(part, TableFile) else part.batches
    for batch in read(batch_rows, wrong_cells="keep"):
        yield len(batch.frame), batch


def _judged(
    contract: type[pa.DataFrameModel], batch: Batch, findings: Findings
) -> tuple[pd.DataFrame, pd.DataFrame]:
    findings.see(batch.frame)
    good, reasons, rules = split_rows(contract, batch.frame, batch.wrong)
    places = sorted(reasons)
    findings.failures.add_rules(rules, source=batch.source, first_row=batch.first_row)
    for column, _, cases in rules:
        findings.bad_in[column] += len(cases) or len(batch.frame)
    added: dict[str, Any] = {
        FILE: batch.source,
        ROW: [batch.first_row + place for place in places],
        REASONS: ["; ".join(reasons[place]) for place in places],
    }
    given = batch.frame.iloc[places]
    bad = renamed_apart(given, added, ending="_input").assign(**added)
    findings.bad_rows += len(bad)
    shown = [name for name in findings.columns if name in batch.frame]
    findings.good_sample.add(good[shown] if len(good) else good.iloc[:0])
    findings.bad_sample.add(bad[shown])
    return good, bad


def _facts(contract: str, location: str, findings: Findings) -> dict[str, Any]:
    return {
        "contract": contract,
        "input": location,
        "passed": not findings.bad_rows,
        "rows": findings.rows,
        "good_rows": findings.rows - findings.bad_rows,
        "quarantined_rows": findings.bad_rows,
        "missing": {name: int(count) for name, count in findings.missing.items()},
        "failures": [
            {
                "source": failure.source,
                "column": failure.column,
                "problem": failure.problem,
                "rows": failure.count or "all",
                "first_rows": failure.rows,
                "example": None if failure.example is None else repr(failure.example),
            }
            for failure in findings.told()
        ],
    }


def _page(contract: str, location: str, findings: Findings) -> str:
    bad = findings.bad_rows
    failures = findings.told()
    return html.render(
        title=f"{location}, held against the contract {contract}",
        passed=not bad,
        verdict=f"{bad:,} of {findings.rows:,} rows break the contract and are quarantined."
        if bad
        else f"All {findings.rows:,} rows keep the contract.",
        facts=[
            ("rows", f"{findings.rows:,}"),
            ("good", f"{findings.rows - bad:,}"),
            ("quarantined", f"{bad:,}"),
            ("share quarantined", f"{bad / findings.rows:.2%}"),
            ("broken rules", f"{len(failures):,}"),
        ],
        table_title="Broken rules, the worst first",
        columns=[
            ("column", False),
            ("problem", False),
            ("rows", True),
            ("example", False),
            ("first rows", False),
            ("file", False),
        ],
        rows=[
            (
                False,
                (
                    failure.column,
                    failure.problem,
                    f"{failure.count:,}" if failure.count else "all",
                    repr(failure.example) if failure.count else "",
                    ", ".join(map(str, failure.rows)),
                    failure.source,
                ),
            )
            for failure in failures
        ],
        sections=list(_sections(findings)),
    )


def _sections(findings: Findings) -> Iterator[dict[str, object]]:
    if findings.bad_in:
        worst = dict(findings.bad_in.most_common(50))
        yield {
            "title": "Failures by column",
            "note": "A row that breaks two rules of a column counts twice.",
            "pictures": [html.bars(worst, label="rows")],
        }
        pictures = list(_distributions(findings))
        yield {
            "title": "Values of the offending columns",
            "note": f"Of the worst {SHOWN_COLUMNS} columns, in a sample of up to {SAMPLE_ROWS:,} "
            "good and as many quarantined rows.",
            "pictures": pictures,
        }
    if any(findings.missing.values()):
        shares = np.array([missing / rows for rows, missing in findings.segments])
        yield {
            "title": "Where values are missing",
            "note": "By column and stretch of rows; a column that is not there is missing.",
            "pictures": [html.missing_map(shares, findings.columns, findings.rows)],
        }


def _distributions(findings: Findings) -> Iterator[str]:
    good, bad = findings.good_sample.rows(), findings.bad_sample.rows()
    names = [name for name, _ in findings.bad_in.most_common() if name in bad]
    for name in names[:SHOWN_COLUMNS]:
        parts = {"quarantined": (bad[name], html.BAD)}
        if name in good:
            parts = {"good": (good[name], html.GOOD)} | parts
        yield html.distributions(parts, title=name)


def _show(contract: str, findings: Findings, output: str) -> None:
    if findings.failures:
        for failure in findings.told():
            say(str(failure))
    show_table(
        f"held against the contract {contract}",
        ["", ""],
        [
            ("rows", f"{findings.rows:,}"),
            ("  good", f"{findings.rows - findings.bad_rows:,}"),
            ("  quarantined", f"{findings.bad_rows:,}"),
            ("report", f"{output}/{HTML}"),
        ],
    )
