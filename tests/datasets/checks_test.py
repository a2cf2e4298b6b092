from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd
import pandera.pandas as pa
import pytest
from pandas.testing import assert_frame_equal

from cli.errors import InputError
from datasets.checks import (
    ContractError,
    Failure,
    FailureCollector,
    contract_dtypes,
    describe_check,
)


class Boxes(pa.DataFrameModel):
    size: float = pa.Field(gt=0, le=10)
    count: int = pa.Field(isin=(1, 2))
    label: str

    class Config:
        strict = True


GOOD = pd.DataFrame({"size": [1.0, 2.0], "count": [1, 2], "label": ["x", "y"]})


def failures(
    *batches: pd.DataFrame, contract: type[pa.DataFrameModel] = Boxes
) -> tuple[Failure, ...]:
    """The failures of a table read in these batches."""
    collector = FailureCollector()
    first_row = 1
    for batch in batches:
        collector.check(contract, batch, source="t", first_row=first_row)
        first_row += len(batch)
    assert bool(collector) is bool(collector.error().failures)
    return collector.error().failures


def messages(*batches: pd.DataFrame, contract: type[pa.DataFrameModel] = Boxes) -> list[str]:
    return [str(failure) for failure in failures(*batches, contract=contract)]


def test_a_good_table_has_no_failures() -> None:
    assert failures(GOOD, GOOD) == ()


def test_all_columns_are_reported_at_once_with_rows_counted_over_all_batches() -> None:
    bad = GOOD.assign(size=[0.0, 11.0], count=[3, 4], label=["x", math.nan])
    before = bad.copy()
    assert messages(GOOD, bad, GOOD, bad) == [
        "t: column 'count': expected one of (1, 2), got e.g. 3 in 4 rows: 3, 4, 7, 8.",
        "t: column 'label': expected no missing values, got e.g. nan in 2 rows: 4, 8.",
        "t: column 'size': expected more than 0, got e.g. 0.0 in 2 rows: 3, 7.",
        "t: column 'size': expected at most 10, got e.g. 11.0 in 2 rows: 4, 8.",
    ]
    assert_frame_equal(bad, before)


def test_all_rows_are_counted_and_the_first_five_shown() -> None:
    few = GOOD.assign(size=[1.0, -1.0])
    many = pd.concat([GOOD.assign(size=[-2.0, -3.0])] * 616, ignore_index=True)
    found = failures(GOOD, few, few, many)
    assert found == (Failure("t", "size", "expected more than 0", [4, 6, 7, 8, 9], 1234, -1.0),)
    assert str(found[0]) == (
        "t: column 'size': expected more than 0, got e.g. -1.0 in 1,234 rows: 4, 6, 7, 8, 9, …."
    )


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ([math.nan, 1], "expected no missing values, got e.g. nan in 1 row: 1."),
        ([1, math.inf], "expected at most 10, got e.g. inf in 1 row: 2."),
        ([-math.inf, -0.0], "expected more than 0, got e.g. -inf in 2 rows: 1, 2."),
    ],
)
def test_values_out_of_range_and_missing_ones(sizes: Sequence[float], message: str) -> None:
    bad = GOOD.assign(size=pd.Series(sizes, dtype="float64"))
    assert messages(bad) == [f"t: column 'size': {message}"]


def test_a_column_of_the_wrong_dtype_has_only_that_problem_and_others_theirs() -> None:
    bad = GOOD.assign(size=["x", "y"], count=[5, 1])
    assert messages(bad, bad) == [
        "t: column 'count': expected one of (1, 2), got e.g. 5 in 2 rows: 1, 3.",
        "t: column 'size': expected float64, got str.",
    ]


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ([1.0, math.nan], "expected int64, got e.g. nan in 1 row: 2."),
        ([1.5, 2.0], "expected int64, got e.g. 1.5 in 1 row: 1."),
        ([1.0, 2.0], "expected int64, got float64."),
    ],
)
def test_floating_point_where_whole_numbers_are_expected_says_why(
    counts: list[float], message: str
) -> None:
    assert messages(GOOD.assign(count=counts)) == [f"t: column 'count': {message}"]


def test_each_missing_column_is_named_once_over_all_batches() -> None:
    bad = GOOD[["label"]]
    assert messages(bad, bad) == [
        "t: column 'count': missing, expected the columns size, count, label.",
        "t: column 'size': missing, expected the columns size, count, label.",
    ]


def test_a_strict_contract_names_each_unexpected_column() -> None:
    assert messages(GOOD.assign(extra=1, more=2)) == [
        "t: column 'extra': unexpected, the contract Boxes allows only size, count, label.",
        "t: column 'more': unexpected, the contract Boxes allows only size, count, label.",
    ]


def test_other_checks_are_reported_by_name() -> None:
    class Named(pa.DataFrameModel):
        name: str = pa.Field(unique=True, str_matches="^x+$")
        even: int

        @pa.check("even")
        @classmethod
        def divisible_by_two(cls, values: pd.Series[int]) -> pd.Series[bool]:
            return values % 2 == 0

    table = pd.DataFrame({"name": ["x", "x", "y"], "even": [2, 3, 4]})
    assert messages(table, contract=Named) == [
        "t: column 'even': expected divisible_by_two, got e.g. 3 in 1 row: 2.",
        "t: column 'name': expected each value once, got e.g. 'x' in 2 rows: 1, 2.",
        "t: column 'name': expected str_matches('^x+$'), got e.g. 'y' in 1 row: 3.",
    ]


def test_whole_rows_and_the_order_of_columns_are_checked() -> None:
    class Pairs(pa.DataFrameModel):
        low: int
        high: int

        @pa.dataframe_check
        @classmethod
        def ascending(cls, rows: pd.DataFrame) -> pd.Series[bool]:
            return rows["low"] < rows["high"]

        class Config:
            ordered = True

    table = pd.DataFrame({"high": [2, 1], "low": [1, 1]})
    assert messages(table, contract=Pairs) == [
        "t: column 'high': out of order, expected the order low, high.",
        "t: column 'high': expected ascending, got e.g. 1 in 1 row: 2.",
        "t: column 'low': out of order, expected the order low, high.",
        "t: column 'low': expected ascending, got e.g. 1 in 1 row: 2.",
    ]


def test_a_check_keeps_its_own_error() -> None:
    assert describe_check(pa.Check.gt(0)) == "more than 0"
    assert describe_check(pa.Check.gt(0, error="a positive price")) == "a positive price"


def test_other_categories_than_the_contracts_are_named() -> None:
    class Species(pa.DataFrameModel):
        species: pd.CategoricalDtype = pa.Field(
            dtype_kwargs={"categories": ("a", "b"), "ordered": False}
        )

    given = pd.DataFrame({"species": pd.Categorical(["a", "c"])})
    assert messages(given, contract=Species) == [
        "t: column 'species': expected the categories ['a', 'b'], got ['a', 'c']."
    ]
    assert messages(given.astype("str"), contract=Species) == [
        "t: column 'species': expected category, got str."
    ]


def test_failures_of_several_files_stay_separate() -> None:
    collector = FailureCollector()
    bad = GOOD.assign(size=[0.0, 1.0])
    for source in ("b.csv", "a.csv"):
        assert collector.check(Boxes, bad, source=source) is None
    error = collector.error()
    assert isinstance(error, ContractError)
    assert isinstance(error, InputError)
    assert str(error) == (
        "a.csv: column 'size': expected more than 0, got e.g. 0.0 in 1 row: 1.\n"
        "b.csv: column 'size': expected more than 0, got e.g. 0.0 in 1 row: 1."
    )


def test_the_dtypes_of_a_contract_are_those_of_its_tables() -> None:
    dtypes = contract_dtypes(Boxes)
    assert list(dtypes) == ["size", "count", "label"]
    assert {name: GOOD[name].dtype == dtype for name, dtype in dtypes.items()} == {
        "size": True,
        "count": True,
        "label": True,
    }
