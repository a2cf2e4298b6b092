from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cli.errors import InputError
from tools.scaffold.example import example_events, example_rows
from tools.scaffold.table_sample import RowKey, choose_row_key, describe_table, describe_view

COUNT = 12
DAYS = pd.date_range("2024-01-01", periods=COUNT, unit="us")


def table(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"shop_id": [1, 2] * (COUNT // 2), "day": DAYS, "staff": 3, **columns})


def columns_of(rows: pd.DataFrame) -> dict[str, dict[str, Any]]:
    found = describe_table(rows, source="s.csv").template_data["columns"]
    return {one["attribute"]: one for one in found}


def test_whole_numbers_that_may_be_missing_stay_exact() -> None:
    found = columns_of(table(calls=pd.array([None, *range(1, COUNT)], dtype="Int64")))["calls"]
    assert (found["type"], found["nullable"]) == ("pd.Int64Dtype", True)
    assert (found["low"], found["high"], found["refused"]) == ("1", "11", "22")


def test_a_table_keeps_columns_that_a_model_leaves_out() -> None:
    rows = table(
        nothing=pd.Series([None] * COUNT, dtype="str"),
        comment=pd.Series([f"said {number}" * 20 for number in range(COUNT)], dtype="str"),
        endless=[np.inf, *range(COUNT - 1)],
        raw=pd.Series([b"x"] * COUNT, dtype="object"),
    )
    described = describe_table(rows, source="s.csv")
    assert {"nothing", "comment", "endless", "staff"} <= columns_of(rows).keys()
    assert described.template_data["left_out"] == [{"name": "'raw'", "reason": "bytes as values"}]
    assert (columns_of(rows)["endless"]["high"], columns_of(rows)["nothing"]["nullable"]) == (
        None,
        True,
    )


def test_texts_of_the_sample_are_kept_only_if_few() -> None:
    rows = table(name=pd.Series([f"Ann {n} " * 9 for n in range(COUNT)], dtype="str"))
    found = columns_of(rows)["name"]
    assert (found["choices"], found["extremes"]) == ([], ['"one"', '"another"'])
    assert found["identifies"]


def test_the_row_key_is_found() -> None:
    events = example_events()
    found = choose_row_key(events, RowKey((), ""))
    assert found == RowKey(("customer_id",), "event_timestamp", "arrived_at")
    assert choose_row_key(table(), RowKey((), "")) == RowKey(("shop_id",), "day")
    assert choose_row_key(table(), RowKey(("staff",), "day")).keys == ("staff",)


def test_timestamps_without_a_time_zone_are_read_as_utc() -> None:
    sample = describe_view(table(), source="s.csv", row_key=RowKey(("shop_id",), "day"))
    assert sample.assumed_utc == ("day",)
    assert str(sample.rows["day"].dtype) == "datetime64[us, UTC]"
    assert sample.template_data["available"] == ""


def test_keys_are_not_limited_to_those_of_the_sample() -> None:
    sample = describe_view(table(), source="s.csv", row_key=RowKey(("shop_id",), "day"))
    (key, *_) = sample.template_data["columns"]
    assert (key["low"], key["high"], key["draw"]["arguments"]) == (None, None, ["1", "2"])


@pytest.mark.parametrize(
    ("rows", "row_key", "message"),
    [
        (
            table(shop_id=pd.array([None, *range(1, COUNT)], dtype="Int64")),
            RowKey(("shop_id",), "day"),
            "--key: column 'shop_id' has missing values in 1 of 12 rows. Expected none.",
        ),
        (
            table(day=[pd.NaT, *DAYS[1:]]),
            RowKey(("shop_id",), "day"),
            "column 'day' has missing values in 1 of 12 rows. Expected none.",
        ),
        (
            table(),
            RowKey(("shop_id",), "day", "staff"),
            "column 'staff': expected timestamps such as",
        ),
    ],
)
def test_an_unusable_row_key_is_refused(rows: pd.DataFrame, row_key: RowKey, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        describe_view(rows, source="s.csv", row_key=row_key)


def test_the_examples_are_deterministic() -> None:
    pd.testing.assert_frame_equal(example_events(), example_events())
    assert describe_table(example_rows("regression"), source="x").template_data["left_out"] == []
