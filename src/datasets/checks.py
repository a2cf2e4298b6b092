"""Validate tables against their contracts, and report what to fix."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.errors import SchemaError, SchemaErrors
from pandera.errors import SchemaErrorReason as Reason

from cli.errors import InputError

SHOWN_ROWS = 5
_NO_CASES = pd.DataFrame({"failure_case": [], "index": []})
# Reasons whose failing case is the name of a column.
_COLUMN_REASONS = {
    Reason.COLUMN_NOT_IN_DATAFRAME,
    Reason.COLUMN_NOT_IN_SCHEMA,
    Reason.COLUMN_NOT_ORDERED,
}
_EXPECTED = {
    Reason.SERIES_CONTAINS_NULLS: "no missing values",
    Reason.SERIES_CONTAINS_DUPLICATES: "each value once",
}
# Words for pandera's checks, each with the statistic that follows.
_CHECKS = {
    "greater_than_or_equal_to": ("at least", "min_value"),
    "less_than_or_equal_to": ("at most", "max_value"),
    "greater_than": ("more than", "min_value"),
    "less_than": ("less than", "max_value"),
    "isin": ("one of", "allowed_values"),
}


# Column, problem, and failing cases. There are no cases if the whole column is wrong.
type BrokenRule = tuple[str, str, pd.DataFrame]


class ContractError(InputError):
    """A table breaks its contract; `failures` has each broken rule once."""

    def __init__(self, failures: tuple[Failure, ...]) -> None:
        super().__init__("\n".join(map(str, failures)))
        self.failures = failures


@dataclass
class Failure:
    """One rule that a column breaks, and the first rows that break it, counted from 1.

    Rows of a database have no numbers, so `rows` is empty for them.
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
    """Collects the failures of all batches of a table, one entry for each broken rule."""

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
        """Validate one batch: return its rows, or add its failures and return None.

        `first_row` is the number of its first row in the table, or None if rows have no numbers.
        """
        try:
            return contract.validate(frame, lazy=True)
        except SchemaErrors as errors:
            self.add_rules(broken_rules(errors, frame), source=source, first_row=first_row)
            return None

    def add_rules(self, rules: Iterable[BrokenRule], *, source: str, first_row: int | None) -> None:
        """Add the broken rules of one batch."""
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
        """Add the failures of other tables."""
        self._failures |= other._failures

    def error(self) -> ContractError:
        """All failures as one error, sorted by table and column."""
        return ContractError(
            tuple(sorted(self._failures.values(), key=lambda f: (f.source, f.column)))
        )


def contract_dtypes(contract: type[pa.DataFrameModel]) -> dict[str, str]:
    """The columns of a contract, each with the name of its pandas dtype."""
    return {name: _dtype(column) for name, column in contract.to_schema().columns.items()}


def describe_check(check: pa.Check) -> str:
    """Describe a check in words: `isin(['a'])` is `one of ['a']`, with a custom error that one."""
    words, statistic = _CHECKS.get(str(check.name), ("", ""))
    expected = (check.statistics or {}).get(statistic)
    if words and check.error == f"{check.name}({expected})":
        return f"{words} {expected}"
    return str(check.error or check.name)


def broken_rules(errors: SchemaErrors, frame: pd.DataFrame) -> Iterator[BrokenRule]:
    """Yield column, problem and failing cases; a wrong dtype hides other problems of a column."""
    wrong_dtype = {
        _column(error)
        for error in errors.schema_errors
        if error.reason_code is Reason.WRONG_DATATYPE
    }
    for error in errors.schema_errors:
        if error.reason_code in _COLUMN_REASONS:
            # The failing case is the name of the column.
            yield str(error.failure_cases), _column_problem(error), _NO_CASES
        elif error.reason_code is Reason.WRONG_DATATYPE:
            column = _column(error)
            yield (column, *_dtype_problem(error.schema, frame[column]))
        else:
            for column, cases in _cases_by_column(error):
                if column not in wrong_dtype:
                    yield column, f"expected {_expectation(error)}", cases


def _column(error: SchemaError) -> str:
    """The column of an error; the name of the contract for a check of whole rows."""
    return str(error.schema.name if error.column_name is None else error.column_name)


def _cases_by_column(error: SchemaError) -> Iterator[tuple[str, pd.DataFrame]]:
    cases = error.failure_cases
    if not isinstance(cases, pd.DataFrame):
        yield _column(error), _NO_CASES
    elif "column" in cases:  # a check of whole rows
        for column, group in cases.groupby("column", sort=False):
            yield str(column), group
    else:
        yield _column(error), cases


def _expectation(error: SchemaError) -> str:
    if error.reason_code in _EXPECTED:
        return _EXPECTED[error.reason_code]
    return describe_check(error.check) if isinstance(error.check, pa.Check) else str(error.check)


def _dtype(column: Any) -> str:
    """The pandas name of a dtype; pandera names strings by their storage."""
    return str(column.dtype.type)


def _dtype_problem(column: Any, values: pd.Series[Any]) -> tuple[str, pd.DataFrame]:
    """The problem, and the rows that cause it: a null or a fraction makes integers float."""
    expected = _dtype(column)
    if expected.lower().startswith(("int", "uint")) and pd.api.types.is_float_dtype(values):
        odd = values[values.isna() | (values % 1 != 0)]
        if len(odd):
            return f"expected {expected}", pd.DataFrame({"failure_case": odd, "index": odd.index})
    if expected == "category" and isinstance(values.dtype, pd.CategoricalDtype):
        wanted, given = (list(dtype.categories) for dtype in (column.dtype.type, values.dtype))
        return f"expected the categories {wanted}, got {given}", _NO_CASES
    return f"expected {expected}, got {values.dtype}", _NO_CASES


def _column_problem(error: SchemaError) -> str:
    columns = ", ".join(error.schema.columns)
    if error.reason_code is Reason.COLUMN_NOT_IN_DATAFRAME:
        return f"missing, expected the columns {columns}"
    if error.reason_code is Reason.COLUMN_NOT_ORDERED:
        return f"out of order, expected the order {columns}"
    return f"unexpected, the contract {error.schema.name} allows only {columns}"
