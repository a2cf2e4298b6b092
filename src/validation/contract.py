"""Check tables against their contracts, and say what is wrong so that a person can mend it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.errors import SchemaErrors

from config.errors import InputError

SHOWN_ROWS = 5
_EXPECTED = {
    "not_nullable": "expected no missing values",
    "field_uniqueness": "expected each value once",
}


class ContractError(InputError):
    """A table breaks its contract; `failures` holds each broken rule once."""

    def __init__(self, failures: tuple[Failure, ...]) -> None:
        super().__init__("\n".join(map(str, failures)))
        self.failures = failures


@dataclass
class Failure:
    """One rule that a column of a table breaks, and the rows (counted from 1) in which it does."""

    source: str
    column: str
    problem: str
    rows: list[int] = field(default_factory=list)
    count: int = 0
    example: object = None

    def __str__(self) -> str:
        where = f"{self.source}: column {self.column!r}: {self.problem}"
        if not self.count:
            return f"{where}."
        shown = ", ".join(map(str, self.rows)) + (", …" if self.count > len(self.rows) else "")
        plural = "s" if self.count > 1 else ""
        return f"{where}, got e.g. {self.example!r} in {self.count:,} row{plural}: {shown}."


class FailureCollector:
    """Gathers the failures of all batches of a table, one entry for each broken rule."""

    def __init__(self) -> None:
        self._failures: dict[tuple[str, str, str], Failure] = {}

    def __bool__(self) -> bool:
        return bool(self._failures)

    def add(
        self, errors: SchemaErrors, frame: pd.DataFrame, *, source: str, first_row: int
    ) -> None:
        """Add what one batch breaks; `first_row` is the number of its first row in the table."""
        for column, problem, cases in _by_rule(errors, frame):
            failure = self._failures.setdefault(
                (source, column, problem), Failure(source, column, problem)
            )
            rows = cases["index"].dropna()
            if failure.count == 0 and len(rows):
                failure.example = _plain(cases["failure_case"].iloc[0])
            failure.count += len(rows)
            room = SHOWN_ROWS - len(failure.rows)
            failure.rows += [first_row + int(row) for row in rows.sort_values().iloc[:room]]

    def error(self) -> ContractError:
        """All failures as one error, those of one column together."""
        return ContractError(
            tuple(sorted(self._failures.values(), key=lambda f: (f.source, f.column)))
        )


def contract_dtypes(contract: type[pa.DataFrameModel]) -> dict[str, str]:
    """The columns that a contract names, each with its pandas dtype as text."""
    return {name: str(column.dtype) for name, column in contract.to_schema().columns.items()}


def _plain(value: object) -> object:
    """Without NumPy's type, which its repr would show."""
    return value.item() if isinstance(value, np.generic) else value


def _by_rule(errors: SchemaErrors, frame: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Yield column, problem and failing cases; a column of a wrong dtype only has that problem."""
    cases = errors.failure_cases
    # Where a column is missing or unexpected, pandera has the contract's name in its place.
    about_columns = cases["check"].isin(["column_in_dataframe", "column_in_schema"])
    columns = cases["column"].mask(about_columns, cases["failure_case"])
    wrong_dtype = set(columns[cases["check"].astype(str).str.startswith("dtype(")])
    for (column, check), group in cases.groupby([columns, "check"], sort=False):
        if check in ("column_in_dataframe", "column_in_schema"):
            yield str(column), _column_problem(check, errors.schema), group.iloc[:0]
        elif str(check).startswith("dtype("):
            expected = str(check).removeprefix("dtype('").removesuffix("')")
            yield (
                str(column),
                f"expected {expected}, got {frame[column].dtype}",
                group.iloc[:0],
            )
        elif column not in wrong_dtype:
            yield (
                str(column),
                _EXPECTED.get(check, f"expected {_readable(check)}"),
                group,
            )


def _column_problem(check: str, contract: Any) -> str:
    if check == "column_in_dataframe":
        return f"missing, expected the columns {', '.join(contract.columns)}"
    return f"unexpected, the contract {contract.name} takes only {', '.join(contract.columns)}"


def _readable(check: str) -> str:
    words: Mapping[str, str] = {
        "greater_than_or_equal_to": "at least",
        "less_than_or_equal_to": "at most",
        "greater_than": "more than",
        "less_than": "less than",
        "isin": "one of",
    }
    name, bracket, arguments = str(check).partition("(")
    if name in words and bracket:
        return f"{words[name]} {arguments.removesuffix(')')}"
    return str(check)
