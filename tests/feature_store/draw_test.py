"""Values that are made up for samples."""

from __future__ import annotations

from functools import partial
from typing import Any

import pandas as pd
import pandera.pandas as pa
import pytest

from feature_store.samples.draw import Draw, table_of

draw = partial(Draw, rows=2_000, seed=1)


def test_values_are_in_their_range() -> None:
    assert draw("a").numbers(-1.5, 2.0).between(-1.5, 2.0).all()
    assert set(draw("a").integers(2, 4)) == {2, 3, 4}
    assert set(draw("a").choices("x", "y")) == {"x", "y"}
    assert set(draw("a").texts(2)) == {"a 1", "a 2"}
    assert draw("a").flags().mean() == pytest.approx(0.5, abs=0.05)
    timestamps = draw("a").timestamps("2024-01-01T00:00Z", "2024-01-02T00:00Z")
    assert timestamps.min() >= pd.Timestamp("2024-01-01", tz="UTC")
    assert (
        pd.Timestamp("2024-01-02", tz="UTC")
        < timestamps.max()
        < pd.Timestamp("2024-01-03", tz="UTC")
    )
    delays = draw("b").later(timestamps, days=2) - timestamps
    assert delays.between(pd.Timedelta(0), pd.Timedelta(days=2)).all()


def test_the_share_of_missing_values() -> None:
    assert draw("a", missing=0.2).integers(1, 9).isna().mean() == pytest.approx(0.2, abs=0.03)
    assert draw("a").integers(1, 9).notna().all()


def test_a_column_is_drawn_by_its_name_and_the_seed() -> None:
    numbers = draw("a").numbers(0, 1)
    pd.testing.assert_series_equal(numbers, draw("a").numbers(0, 1))
    assert not numbers.equals(draw("b").numbers(0, 1))
    assert not numbers.equals(draw("a", seed=2).numbers(0, 1))


class Days(pa.DataFrameModel):
    day: int
    shop: str


def test_rows_have_the_contracts_dtypes_and_each_place_once() -> None:
    columns: dict[str, pd.Series[Any]] = {
        "day": pd.Series([2, 1, 2], dtype="Int64"),
        "shop": pd.Series(["b", "a", "b"]),
    }
    found = table_of(Days, columns, order=["day", "shop"])
    expected = pd.DataFrame({"day": [1, 2], "shop": ["a", "b"]})
    pd.testing.assert_frame_equal(Days.validate(found), expected)
