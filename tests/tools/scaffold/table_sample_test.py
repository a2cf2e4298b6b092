from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cli.errors import InputError
from tools.scaffold.example import example_events, example_rows
from tools.scaffold.table_sample import Place, choose_place, describe_table, describe_view

COUNT = 12
DAYS = pd.date_range("2024-01-01", periods=COUNT, unit="us")


def table(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"shop_id": [1, 2] * (COUNT // 2), "day": DAYS, "staff": 3, **columns})


def columns_of(rows: pd.DataFrame) -> dict[str, dict[str, Any]]:
    found = describe_table(rows, source="s.csv").answers["columns"]
    return {one["attribute"]: one for one in found}


def test_whole_numbers_that_may_be_missing_stay_exact() -> None:
    found = columns_of(table(calls=pd.array([None, *range(1, COUNT)], dtype="Int64")))["calls"]
    assert (found["type"], found["nullable"]) == ("pd.Int64Dtype", True)
    assert (found["low"], found["high"], found["slip"]) == ("1", "11", "22")


def test_what_a_model_would_leave_out_is_in_the_table() -> None:
    rows = table(
        nothing=pd.Series([None] * COUNT, dtype="str"),
        comment=pd.Series([f"said {number}" * 20 for number in range(COUNT)], dtype="str"),
        endless=[np.inf, *range(COUNT - 1)],
        raw=pd.Series([b"x"] * COUNT, dtype="object"),
    )
    described = describe_table(rows, source="s.csv")
    assert {"nothing", "comment", "endless", "staff"} <= columns_of(rows).keys()
    assert described.answers["left_out"] == [{"name": '"raw"', "reason": "bytes as values"}]
    assert (columns_of(rows)["endless"]["high"], columns_of(rows)["nothing"]["nullable"]) == (
        None,
        True,
    )


def test_no_text_of_the_sample_is_kept_but_few_choices() -> None:
    rows = table(name=pd.Series([f"Ann {n} " * 9 for n in range(COUNT)], dtype="str"))
    found = columns_of(rows)["name"]
    assert (found["choices"], found["shown"]) == ([], ['"one"', '"another"'])
    assert found["identifies"]


def test_the_columns_that_place_a_row_are_found() -> None:
    events = example_events()
    found = choose_place(events, Place((), ""))
    assert found == Place(("customer_id",), "event_timestamp", "arrived_at")
    assert choose_place(table(), Place((), "")) == Place(("shop_id",), "day")
    assert choose_place(table(), Place(("staff",), "day")).keys == ("staff",)


def test_moments_without_a_time_zone_are_taken_as_utc_and_told() -> None:
    sample = describe_view(table(), source="s.csv", place=Place(("shop_id",), "day"))
    assert sample.taken_as_utc == ("day",)
    assert str(sample.rows["day"].dtype) == "datetime64[us, UTC]"
    assert sample.answers["available"] == ""


def test_what_the_sample_holds_of_a_key_is_no_limit() -> None:
    sample = describe_view(table(), source="s.csv", place=Place(("shop_id",), "day"))
    (key, *_) = sample.answers["columns"]
    assert (key["low"], key["high"], key["drawn"]["given"]) == (None, None, ["1", "2"])


@pytest.mark.parametrize(
    ("rows", "place", "message"),
    [
        (
            table(shop_id=pd.array([None, *range(1, COUNT)], dtype="Int64")),
            Place(("shop_id",), "day"),
            "--key: column 'shop_id': expected a value in each row, got none in 1 of 12.",
        ),
        (
            table(day=[pd.NaT, *DAYS[1:]]),
            Place(("shop_id",), "day"),
            "column 'day': expected a moment in each row, got none in 1 of 12.",
        ),
        (
            table(),
            Place(("shop_id",), "day", "staff"),
            "column 'staff': expected moments such as",
        ),
    ],
)
def test_what_cannot_place_a_row_is_refused(rows: pd.DataFrame, place: Place, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        describe_view(rows, source="s.csv", place=place)


def test_the_examples_are_always_the_same() -> None:
    pd.testing.assert_frame_equal(example_events(), example_events())
    assert describe_table(example_rows("regression"), source="x").answers["left_out"] == []
