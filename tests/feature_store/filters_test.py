"""Filters, and the errors of invalid ones."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest

from feature_store.errors import FeatureStoreError
from feature_store.filters import parse_filter

DTYPES = {
    "revenue": pd.api.types.pandas_dtype("float64"),
    "employees": pd.Int64Dtype(),
    "country": pd.api.types.pandas_dtype("str"),
    "listed": pd.BooleanDtype(),
    "at": pd.api.types.pandas_dtype("datetime64[us, UTC]"),
}


def parsed(given: Any) -> Any:
    return parse_filter(given, DTYPES, "View")


@pytest.mark.parametrize(
    ("text", "alternatives"),
    [
        ("revenue > 1e6", [[("revenue", ">", 1e6)]]),
        ("1e6 < revenue", [[("revenue", ">", 1e6)]]),
        ("10 <= employees < 250", [[("employees", ">=", 10), ("employees", "<", 250)]]),
        ("revenue >= -1", [[("revenue", ">=", -1)]]),
        ("country in ('NL', 'BE')", [[("country", "in", ["NL", "BE"])]]),
        ("country not in ['NL']", [[("country", "not in", ["NL"])]]),
        ("country is None", [[("country", "is", None)]]),
        ("listed == True", [[("listed", "==", True)]]),
        ("at >= '2024-01-01'", [[("at", ">=", datetime(2024, 1, 1, tzinfo=UTC))]]),
        ("at < '2024-01-01T01:00+01:00'", [[("at", "<", datetime(2024, 1, 1, tzinfo=UTC))]]),
        (
            "revenue > 1 and (country == 'NL' or employees < 3)",
            [
                [("revenue", ">", 1), ("country", "==", "NL")],
                [("revenue", ">", 1), ("employees", "<", 3)],
            ],
        ),
        (
            "not (country is None or 10 <= employees < 250)",
            [
                [("country", "is not", None), ("employees", "<", 10)],
                [("country", "is not", None), ("employees", ">=", 250)],
            ],
        ),
    ],
)
def test_a_string_is_parsed_to_alternatives(text: str, alternatives: Any) -> None:
    assert parsed(text) == alternatives


def test_a_list_is_read_as_in_pandas_and_pyarrow() -> None:
    both = [("country", "==", "NL"), ("revenue", ">", 1)]
    assert parsed(both) == [both]
    assert parsed([[both[0]], [both[1]]]) == [[both[0]], [both[1]]]
    assert parsed(None) is None
    assert parsed([]) is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("revenu > 1", "View: the filter has no column 'revenu'; known: at, country, employees"),
        ("revenue = 1", "here on (use == for equality):\n  revenue = 1\n          ^"),
        ("revenue >", "cannot be parsed from here on:\n  revenue >\n           ^"),
        ("", "cannot be parsed"),
        ("(" * 500, "cannot be parsed"),
        ("f(revenue)", "expected a comparison such as revenue > 1e6:\n  f(revenue)\n  ^"),
        ("__import__('os').system('x') == 1", "expected the name of a column"),
        ("1 < 2", "expected the name of a column"),
        ("revenue > employees", "expected a value such as 1e6"),
        ("revenue > 'x'", "column 'revenue': expected a number, got 'x'"),
        ("revenue > True", "column 'revenue': expected a number, got True"),
        ("listed == 1", "column 'listed': expected True or False, got 1"),
        ("country == 3", "column 'country': expected a string, got 3"),
        ("country == None", "Write `country is None` for missing values"),
        ("country is 'NL'", "tests for missing values only"),
        ("revenue in 3", "`in` expects several values, got 3"),
        ("at > '2024-01-01T10:00'", "'2024-01-01T10:00' has no time zone; expected a date such as"),
        ("at > 'yesterday'", "'yesterday' is not a timestamp"),
        ([("revenue", "~", 1)], "no operator '~'; known: !=, <, <=, =="),
        (["revenue > 1"], "expected tuples such as ('revenue', '>', 1e6), got 'revenue > 1'"),
        (
            " and ".join(["(revenue > 1 or employees > 1)"] * 9),
            "expands to 512 alternatives; simplify it",
        ),
    ],
)
def test_the_error_marks_the_mistake(given: Any, message: str) -> None:
    with pytest.raises(FeatureStoreError, match=re.escape(message)):
        parsed(given)
