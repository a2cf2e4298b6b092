"""The point-in-time primitive, held against the plainest reference there is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.errors import InputError
from data_access_layer.query.asof import asof_join

START = pd.Timestamp("2024-01-01", tz="UTC")


def day(*numbers: float | None) -> pd.Series[Any]:
    days = [pd.NaT if number is None else START + pd.Timedelta(days=number) for number in numbers]
    return pd.Series(days, dtype="datetime64[us, UTC]")


def entities(*asked: tuple[Any, float | None]) -> pd.DataFrame:
    return pd.DataFrame(
        {"id": pd.array([key for key, _ in asked], dtype="str"), "at": day(*[t for _, t in asked])}
    )


def rows(*known: tuple[Any, float | None, float | None, int]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "id": pd.array([row[0] for row in known], dtype="str"),
            "event": day(*[row[1] for row in known]),
            "arrived": day(*[row[2] for row in known]),
            "value": pd.array([row[3] for row in known], dtype="int64"),
        }
    )


def joined(
    asked: pd.DataFrame,
    known: pd.DataFrame,
    *,
    available: str | None = "arrived",
    tolerance: pd.Timedelta | None = None,
    keys: Sequence[str] = ("id",),
) -> list[Any]:
    result = asof_join(
        asked,
        known,
        keys=keys,
        entity_timestamp="at",
        row_timestamp="event",
        available=available,
        tolerance=tolerance,
        columns=["value"],
    )
    pd.testing.assert_index_equal(result.index, asked.index)
    assert result["value"].dtype == "Int64"
    return [None if value is pd.NA else value for value in result["value"]]


def naive(
    asked: pd.DataFrame,
    known: pd.DataFrame,
    *,
    available: str | None,
    tolerance: pd.Timedelta | None,
    keys: Sequence[str],
) -> list[Any]:
    """Compare every row with every entity, as the docstring defines the join."""
    found = []
    for _, entity in asked.iterrows():
        best, winner = None, None
        for position, (_, row) in enumerate(known.iterrows()):
            arrived = row[available or "event"]
            same = all(pd.notna(entity[key]) and entity[key] == row[key] for key in keys)
            # A comparison with a missing value is false.
            if same and row["event"] <= entity["at"] and arrived <= entity["at"]:
                rank = (row["event"], arrived, position)
                if best is None or rank > best:
                    best, winner = rank, row
        fresh = best is not None and (tolerance is None or entity["at"] - best[0] <= tolerance)
        found.append(winner["value"] if fresh and winner is not None else None)
    return found


def test_the_latest_event_that_is_not_after_the_moment_wins() -> None:
    known = rows(("a", 1, 1, 10), ("a", 5, 5, 50), ("b", 3, 3, 30))
    asked = entities(("a", 4), ("a", 5), ("a", 0), ("b", 9), ("c", 9), ("a", 4))
    assert joined(asked, known) == [10, 50, None, 30, None, 10]


def test_a_late_arrival_of_an_older_event_does_not_hide_the_newer_one() -> None:
    # The row of day 1 arrives on day 8, when that of day 5 is known since day 6.
    known = rows(("a", 1, 8, 10), ("a", 5, 6, 50))
    assert joined(entities(("a", 5.5), ("a", 6), ("a", 9)), known) == [None, 50, 50]


def test_a_correction_counts_from_its_arrival_on() -> None:
    known = rows(("a", 1, 2, 10), ("a", 1, 4, 11))
    assert joined(entities(("a", 3), ("a", 4)), known) == [10, 11]


def test_a_row_that_is_announced_ahead_counts_from_its_event_on() -> None:
    known = rows(("a", 1, 1, 10), ("a", 5, 2, 50))
    assert joined(entities(("a", 4), ("a", 5)), known) == [10, 50]


def test_of_equal_rows_the_last_one_wins() -> None:
    known = rows(("a", 1, 2, 10), ("a", 1, 2, 11), ("a", 1, 1, 9))
    assert joined(entities(("a", 3)), known) == [11]
    assert joined(entities(("a", 3)), known.iloc[::-1]) == [10]


def test_tolerance_is_the_age_of_the_event_whenever_it_arrived() -> None:
    known = rows(("a", 1, 8, 10))
    asked = entities(("a", 8), ("a", 9))
    assert joined(asked, known, tolerance=pd.Timedelta(days=7)) == [10, None]


def test_without_an_availability_each_row_is_known_at_its_event() -> None:
    known = rows(("a", 1, 8, 10), ("a", 2, None, 20))
    assert joined(entities(("a", 1), ("a", 2)), known, available=None) == [10, 20]


def test_what_is_missing_never_matches() -> None:
    known = rows((None, 1, 1, 10), ("a", None, 1, 20), ("a", 1, None, 30), ("a", 1, 1, 40))
    assert joined(entities((None, 5), ("a", None), ("a", 5)), known) == [None, None, 40]


def test_a_nanosecond_after_the_moment_is_after_it() -> None:
    known = rows(("a", 1, 1, 10))
    known["event"] = known["event"].dt.as_unit("ns") + pd.Timedelta(1, unit="ns")
    known["arrived"] = known["event"]
    assert joined(entities(("a", 1)), known) == [None]


def test_time_zones_are_compared_as_moments() -> None:
    known = rows(("a", 1, 1, 10))
    asked = entities(("a", 1))
    assert joined(asked.assign(at=asked["at"].dt.tz_convert("Asia/Tokyo")), known) == [10]


def test_several_keys_and_an_index_of_the_caller_and_no_row_at_all() -> None:
    known = rows(("a", 1, 1, 10), ("a", 1, 1, 20)).assign(kind=[1, 2])
    asked = entities(("a", 2), ("a", 2), ("a", 2)).assign(kind=[2, 3, 1])
    asked.index = pd.Index([7, 7, 3], name="mine")
    assert joined(asked, known, keys=("id", "kind")) == [20, None, 10]
    assert joined(asked, known.iloc[:0]) == [None, None, None]
    assert joined(asked.iloc[:0], known) == []


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (pd.Series([1], dtype="int32"), "Int32"),
        (pd.Series([1], dtype="uint8"), "UInt8"),
        (pd.Series([True]), "boolean"),
        (pd.Series([1.5]), "float64"),
        (pd.Series(["x"], dtype="str"), "str"),
        (pd.Series(["x"], dtype="category"), "category"),
        (day(1), "datetime64[us, UTC]"),
    ],
)
def test_dtypes_are_the_same_whether_or_not_all_match(values: pd.Series[Any], dtype: str) -> None:
    known = rows(("a", 1, 1, 0)).assign(value=values)
    for asked in (entities(("a", 2)), entities(("a", 2), ("b", 2)), entities(("b", 2))):
        result = asof_join(
            asked,
            known,
            keys=["id"],
            entity_timestamp="at",
            row_timestamp="event",
            columns=["value"],
        )
        assert result["value"].dtype == dtype
        assert list(result["value"].isna()) == list(asked["id"] == "b")


def test_neither_frame_is_changed() -> None:
    asked, known = entities(("a", 2)), rows(("a", 1, 1, 10))
    before = asked.copy(), known.copy()
    joined(asked, known)
    pd.testing.assert_frame_equal(asked, before[0])
    pd.testing.assert_frame_equal(known, before[1])


def test_bad_input_is_told_apart() -> None:
    asked, known = entities(("a", 2)), rows(("a", 1, 1, 10))
    naive_moments = asked.assign(at=asked["at"].dt.tz_localize(None))
    with pytest.raises(InputError, match="entities: column 'at': the timestamps have"):
        joined(naive_moments, known)
    with pytest.raises(InputError, match="expected timestamps with a time zone, got str"):
        joined(asked.assign(at="2024-01-01"), known)
    with pytest.raises(InputError, match=re.escape("key 'id': is int64 in the entities and str")):
        joined(asked.assign(id=np.int64(1)), known)
    with pytest.raises(InputError, match="rows: no column 'kind'; it has id, event, arrived"):
        joined(asked.assign(kind=1), known, keys=("id", "kind"))
    with pytest.raises(InputError, match="tolerance must not be negative"):
        joined(asked, known, tolerance=pd.Timedelta(-1, unit="s"))


KEYS = st.sampled_from(["a", "b", None])
DAYS = st.one_of(st.integers(0, 8), st.none())


@settings(max_examples=300, deadline=None)
@given(
    asked=st.lists(st.tuples(KEYS, DAYS), min_size=1, max_size=8),
    known=st.lists(st.tuples(KEYS, DAYS, DAYS), max_size=14),
    tolerance=st.one_of(st.none(), st.integers(0, 6)),
    available=st.sampled_from(["arrived", None]),
)
def test_equals_the_naive_reference(
    asked: list[tuple[Any, Any]],
    known: list[tuple[Any, Any, Any]],
    tolerance: int | None,
    available: str | None,
) -> None:
    left = entities(*asked)
    right = rows(*[(*row, number) for number, row in enumerate(known)])
    limit = None if tolerance is None else pd.Timedelta(days=tolerance)
    options: dict[str, Any] = {"available": available, "tolerance": limit, "keys": ("id",)}
    assert joined(left, right, **options) == naive(left, right, **options)
