"""Point-in-time joins: features of entities as known at their timestamps."""

from __future__ import annotations

import math
import re
import tempfile
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_access_layer.settings import StoreSettings
from data_access_layer.stores import open_table
from feature_store.errors import FeatureStoreError
from feature_store.feature_set import FeatureSet
from feature_store.joins import point_in_time_join
from support.feature_views import ShopView, WeatherView, january, shops, weather

type Store = Callable[[str, pd.DataFrame], None]


@pytest.fixture
def filled(stores: StoreSettings, store: Store) -> StoreSettings:
    store("shops", shops())
    store("weather", weather())
    return stores


def asked(*questions: tuple[str | None, float]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "shop": pd.array([shop for shop, _ in questions], dtype="str"),
            "event_timestamp": january(*[day for _, day in questions]),
        }
    )


def test_each_entity_gets_what_was_known_at_its_time(filled: StoreSettings) -> None:
    entities = asked(("a", 20), ("a", 1.5), ("b", 3), (None, 9), ("c", 9), ("a", 20))
    entities.index = pd.Index([5, 5, 1, 2, 3, 4])
    before = entities.copy()
    joined = point_in_time_join(entities, ShopView, settings=filled)
    expected = entities.assign(
        staff=pd.array([50, None, 7, None, None, 50], dtype="Int64"),
        sales=[math.nan, math.nan, 2.0, math.nan, math.nan, math.nan],
        town=pd.array([None, None, "Delft", None, None, None], dtype="str"),
    )
    pd.testing.assert_frame_equal(joined, expected)
    pd.testing.assert_frame_equal(entities, before)


def test_several_views_are_joined_each_by_its_own_time(filled: StoreSettings) -> None:
    joined = point_in_time_join(
        asked(("a", 4), ("b", 3)),
        ShopView["staff"],
        WeatherView.select("sunny", "town", prefix="weather_"),
        settings=filled,
    )
    assert list(joined)[2:] == ["staff", "weather_sunny", "weather_town"]
    assert list(joined["staff"]) == [10, 7]
    assert joined["weather_sunny"].dtype == "boolean"
    assert list(joined["weather_sunny"].fillna(value=False)) == [True, False]


def test_tolerance_is_the_age_of_the_event(filled: StoreSettings) -> None:
    entities = asked(("a", 7), ("a", 7.5))
    joined = point_in_time_join(entities, ShopView["staff"], tolerance="2D", settings=filled)
    assert list(joined["staff"].isna()) == [False, True]


def test_the_timestamp_may_be_another_column(filled: StoreSettings) -> None:
    entities = asked(("a", 1)).assign(asked_at=january(20))
    joined = point_in_time_join(entities, ShopView["staff"], timestamp="asked_at", settings=filled)
    assert list(joined["staff"]) == [50]


def test_no_entity_and_many_entities(filled: StoreSettings) -> None:
    assert len(point_in_time_join(asked().astype({"shop": "str"}), ShopView, settings=filled)) == 0
    many = asked(*[(f"shop {number}", 9.0) for number in range(1_500)], ("a", 9.0))
    joined = point_in_time_join(many, ShopView["staff"], settings=filled)
    assert joined["staff"].notna().sum() == 1


@pytest.mark.parametrize(
    ("entities", "views", "message"),
    [
        (asked(("a", 1)), (ShopView, WeatherView), "both have a column 'town': select other"),
        (
            asked(("a", 1)).assign(staff=1),
            (ShopView,),
            "column 'staff' is also a column of ShopView",
        ),
        (asked(("a", 1))[["shop"]], (ShopView,), "ShopView requires the column 'event_timestamp'"),
        (asked(("a", 1)).assign(shop=1), (ShopView,), "column 'shop': expected str as in the view"),
        (asked(("a", 1)), (), "Name at least one feature view"),
    ],
)
def test_the_error_names_what_cannot_be_joined(
    stores: StoreSettings, entities: pd.DataFrame, views: Any, message: str
) -> None:
    with pytest.raises(FeatureStoreError, match=re.escape(message)):
        point_in_time_join(entities, *views, settings=stores)


def test_naive_timestamps_and_wrong_tolerances_are_refused(stores: StoreSettings) -> None:
    naive = asked(("a", 1))
    naive["event_timestamp"] = naive["event_timestamp"].dt.tz_localize(None)
    with pytest.raises(FeatureStoreError, match="expected timestamps with a time zone, got date"):
        point_in_time_join(naive, ShopView, settings=stores)
    with pytest.raises(FeatureStoreError, match="tolerance: 'soon' is not a duration"):
        point_in_time_join(asked(("a", 1)), ShopView, tolerance="soon", settings=stores)


def test_ties_do_not_depend_on_the_order_of_the_rows(stores: StoreSettings, store: Store) -> None:
    rows = shops().iloc[[0, 0, 0]].assign(staff=[10, 12, 11])
    for order in ([0, 1, 2], [1, 2, 0]):
        store("shops", rows.iloc[order])
        joined = point_in_time_join(asked(("a", 4)), ShopView["staff"], settings=stores)
        assert list(joined["staff"]) == [12]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    questions=st.lists(
        st.tuples(st.sampled_from(["a", "b", "c"]), st.integers(1, 9)), min_size=1, max_size=5
    ),
    filings=st.lists(
        st.tuples(st.sampled_from(["a", "b"]), st.integers(1, 9), st.integers(1, 9)),
        min_size=1,
        max_size=10,
    ),
    tolerance=st.one_of(st.none(), st.integers(0, 4)),
)
def test_rows_that_are_not_read_do_not_matter(
    questions: list[tuple[str, int]],
    filings: list[tuple[str, int, int]],
    tolerance: int | None,
) -> None:
    rows = pd.DataFrame(
        {
            "shop": [shop for shop, _, _ in filings],
            "event_timestamp": january(*[event for _, event, _ in filings]),
            "arrived_at": january(*[arrival for _, _, arrival in filings]),
            "staff": range(len(filings)),
            "sales": 1.0,
            "town": "Ghent",
        }
    )
    entities = asked(*questions)
    expected = []
    for shop, day in questions:
        known = [
            (event, arrival, number)
            for number, (name, event, arrival) in enumerate(filings)
            if name == shop and event <= day and arrival <= day
        ]
        fresh = known and (tolerance is None or day - max(known)[0] <= tolerance)
        expected.append(max(known)[2] if fresh else None)
    with tempfile.TemporaryDirectory() as folder:
        place = StoreSettings(root=folder)
        open_table("shops", place).write(rows)
        limit = None if tolerance is None else timedelta(days=tolerance)
        joined = point_in_time_join(entities, ShopView["staff"], tolerance=limit, settings=place)
    assert [None if value is pd.NA else value for value in joined["staff"]] == expected


FEATURES = FeatureSet(
    "shop_features", ShopView["staff", "sales"], WeatherView.select("sunny", prefix="was_")
)


def test_a_feature_set_is_typed_as_its_views_are() -> None:
    schema = FEATURES.model().to_schema()
    assert FEATURES.columns == ("staff", "sales", "was_sunny") == tuple(schema.columns)
    assert [str(column.dtype) for column in schema.columns.values()] == ["int64", "float64", "bool"]
    assert [column.nullable for column in schema.columns.values()] == [False, True, False]
    joined = FEATURES.schema(joined=True).columns
    assert [str(column.dtype) for column in joined.values()] == ["Int64", "float64", "boolean"]
    assert all(column.nullable for column in joined.values())
    assert joined["staff"].checks == schema.columns["staff"].checks


def test_the_model_of_a_feature_set_can_be_inherited_from() -> None:
    class Labelled(FEATURES.model()):  # type: ignore[misc]
        profit: float

    assert list(Labelled.to_schema().columns) == ["staff", "sales", "was_sunny", "profit"]


def test_a_feature_set_reads_what_was_known_at_a_time(filled: StoreSettings) -> None:
    found = FEATURES.read("2024-01-03", settings=filled).sort_values("shop", ignore_index=True)
    expected = pd.DataFrame(
        {
            "shop": ["a", "b"],
            "staff": [10, 7],
            "sales": [1.0, 2.0],
            "was_sunny": pd.array([True, None], dtype="boolean"),
        }
    ).astype({"staff": "Int64"})
    pd.testing.assert_frame_equal(found, expected)


def test_a_feature_set_joins_entities(filled: StoreSettings) -> None:
    joined = FEATURES.join(asked(("a", 5), ("b", 1)), settings=filled)
    assert list(joined.iloc[0][["staff", "was_sunny"]]) == [50, True]
    assert joined.iloc[1][["staff", "sales", "was_sunny"]].isna().all()


def test_a_feature_set_refuses_unknown_and_duplicate_columns_at_its_definition() -> None:
    with pytest.raises(FeatureStoreError, match="ShopView: no column 'staf'; known: arrived_at"):
        FeatureSet("wrong", ShopView["staf"])
    with pytest.raises(FeatureStoreError, match="ShopView and WeatherView both have a column"):
        FeatureSet("twice", ShopView, WeatherView)
