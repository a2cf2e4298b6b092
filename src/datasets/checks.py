"""Check tables against their contracts, and say what is wrong so that a person can fix it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.errors import SchemaErrors

from cli.errors import InputError

SHOWN_ROWS = 5
_NO_CASES = pd.DataFrame({"failure_case": [], "index": []})
_COLUMN_CHECKS = ("column_in_dataframe", "column_in_schema")
_EXPECTED = {
    "not_nullable": "expected no missing values",
    "field_uniqueness": "expected each value once",
}


# Column, problem, and the failing cases; of a column that is wrong as a whole there are none.
type BrokenRule = tuple[str, str, pd.DataFrame]


class ContractError(InputError):
    """A table breaks its contract; `failures` holds each broken rule once."""

    def __init__(self, failures: tuple[Failure, ...]) -> None:
        super().__init__("\n".join(map(str, failures)))
        self.failures = failures


@dataclass
class Failure:
    """One rule that a column of a table breaks, and the rows (counted from 1) in which it does.

    Rows of a store have no numbers; there `rows` is empty.
    """

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
        shown = ", ".join(map(str, self.rows))
        shown += ", …" if self.rows and self.count > len(self.rows) else ""
        plural = "s" if self.count > 1 else ""
        rows = f": {shown}" if shown else ""
        return f"{where}, got e.g. {self.example!r} in {self.count:,} row{plural}{rows}."


class FailureCollector:
    """Gathers the failures of all batches of a table, one entry for each broken rule."""

    def __init__(self) -> None:
        self._failures: dict[tuple[str, str, str], Failure] = {}

    def __bool__(self) -> bool:
        return bool(self._failures)

    def check(
        self,
        contract: type[pa.DataFrameModel] | pa.DataFrameSchema,
        frame: pd.DataFrame,
        *,
        source: str,
        first_row: int | None = 1,
    ) -> pd.DataFrame | None:
        """The rows of one batch if they keep the contract; else None, and the failures are added.

        `first_row` is the number of its first row in the table, None where rows have no numbers.
        """
        try:
            return contract.validate(frame, lazy=True)
        except SchemaErrors as errors:
            self.add_rules(broken_rules(errors, frame), source=source, first_row=first_row)
            return None

    def add_rules(self, rules: Iterable[BrokenRule], *, source: str, first_row: int | None) -> None:
        """Add what `broken_rules` found in one batch."""
        for column, problem, cases in rules:
            failure = self._failures.setdefault(
                (source, column, problem), Failure(source, column, problem)
            )
            cases = cases.dropna(subset="index").sort_values("index", kind="stable")
            if failure.count == 0 and len(cases):
                example = cases["failure_case"].iloc[0]
                failure.example = example.item() if isinstance(example, np.generic) else example
            failure.count += len(cases)
            room = SHOWN_ROWS - len(failure.rows)
            if first_row is not None:
                failure.rows += [first_row + int(row) for row in cases["index"].iloc[:room]]

    def merge(self, other: FailureCollector) -> None:
        """Add what another one gathered, of other tables."""
        self._failures |= other._failures

    def error(self) -> ContractError:
        """All failures as one error, those of one column together."""
        return ContractError(
            tuple(sorted(self._failures.values(), key=lambda f: (f.source, f.column)))
        )


def contract_dtypes(contract: type[pa.DataFrameModel]) -> dict[str, str]:
    """The columns that a contract names, each with its pandas dtype as text."""
    return {name: _dtype(column) for name, column in contract.to_schema().columns.items()}


def readable_check(check: str) -> str:
    """A pandera check as a person would say it: `isin(['a'])` is `one of ['a']`."""
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


def broken_rules(errors: SchemaErrors, frame: pd.DataFrame) -> Iterator[BrokenRule]:
    """Yield column, problem and failing cases; a column of a wrong dtype only has that problem."""
    cases = errors.failure_cases
    checks = cases["check"].astype(str)
    # Of a column that is missing or not expected, and of no other, the name is the failing case.
    columns = cases["column"].where(~checks.isin(_COLUMN_CHECKS), cases["failure_case"])
    wrong_dtype = set(columns[checks.str.startswith("dtype(")])
    for (column, check), group in cases.groupby([columns, checks], sort=False):
        name = str(column)
        if check in _COLUMN_CHECKS:
            yield name, _column_problem(check, errors.schema), group.iloc[:0]
        elif check.startswith("dtype("):
            yield (name, *_dtype_problem(errors.schema.columns[column], frame[column]))
        elif column not in wrong_dtype:
            yield name, _EXPECTED.get(check, f"expected {readable_check(check)}"), group


def _dtype(column: Any) -> str:
    """As pandas calls it; pandera would call text by what stores it."""
    return str(column.dtype.type)


def _dtype_problem(column: Any, values: pd.Series[Any]) -> tuple[str, pd.DataFrame]:
    """Whole numbers are floating-point where one is missing: then that one is the problem."""
    expected = _dtype(column)
    if expected.lower().startswith(("int", "uint")) and pd.api.types.is_float_dtype(values):
        odd = values[values.isna() | (values % 1 != 0)]
        if len(odd):
            return f"expected {expected}", pd.DataFrame({"failure_case": odd, "index": odd.index})
    if expected == "category" and isinstance(values.dtype, pd.CategoricalDtype):
        wanted, given = (list(dtype.categories) for dtype in (column.dtype.type, values.dtype))
        return f"expected the categories {wanted}, got {given}", _NO_CASES
    return f"expected {expected}, got {values.dtype}", _NO_CASES


def _column_problem(check: str, contract: Any) -> str:
    if check == "column_in_dataframe":
        return f"missing, expected the columns {', '.join(contract.columns)}"
    return f"unexpected, the contract {contract.name} takes only {', '.join(contract.columns)}"
