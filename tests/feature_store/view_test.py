"""Feature views: rows, columns, filters and errors."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cli.errors import InputError
from data_access_layer.settings import StoreSettings
from feature_store.errors import BrokenViewError, FeatureStoreError
from feature_store.view import FeatureView
from feature_store.views.company import FeatureViewCompany
from support.feature_views import Shops, ShopView, january, shops

type Store = Callable[[str, pd.DataFrame], None]


def read(stores: StoreSettings, **query: Any) -> pd.DataFrame:
    return ShopView.read(settings=stores, **query)


def test_all_rows_have_the_dtypes_of_the_contract(stores: StoreSettings, store: Store) -> None:
    store("shops", shops())
    found = read(stores).sort_values(["shop", "arrived_at"], ignore_index=True)
    expected = shops().sort_values(["shop", "arrived_at"], ignore_index=True)
    pd.testing.assert_frame_equal(found, expected)


def test_columns_keep_the_requested_order_and_filters_may_use_others(
    stores: StoreSettings, store: Store
) -> None:
    store("shops", shops())
    found = read(stores, columns=["sales", "shop"], filter="staff >= 30 or town == 'Delft'")
    assert list(found) == ["sales", "shop"]
    assert sorted(found["shop"]) == ["a", "a", "b"]


@pytest.mark.parametrize(
    ("timestamp", "staff"),
    [
        ("2024-01-01", {}),
        ("2024-01-02", {"a": 10}),
        ("2024-01-05", {"a": 50, "b": 7}),
        # The correction of day 1 and the late day 3 are known by now; day 5 is still the latest.
        ("2024-01-20", {"a": 50, "b": 7}),
        ("2999-01-01", {"a": 50, "b": 7}),
        (datetime(2024, 1, 4, tzinfo=UTC), {"a": 10, "b": 7}),
    ],
)
def test_as_of_gives_the_latest_event_that_was_known(
    stores: StoreSettings, store: Store, timestamp: Any, staff: dict[str, int]
) -> None:
    store("shops", shops())
    found = read(stores, columns=["shop", "staff"], as_of=timestamp)
    assert dict(zip(found["shop"], found["staff"], strict=True)) == staff


def test_as_of_takes_the_last_correction(stores: StoreSettings, store: Store) -> None:
    store("shops", shops().iloc[:3])
    assert list(read(stores, as_of="2024-01-08")["staff"]) == [11]


def test_a_filter_sees_only_what_was_current(stores: StoreSettings, store: Store) -> None:
    store("shops", shops())
    # Day 1 had 10; it is no longer what is known of the shop.
    assert len(read(stores, filter="staff == 10", as_of="2024-01-20")) == 0


def test_batches_give_the_same_rows(stores: StoreSettings, store: Store) -> None:
    store("shops", shops())
    batches = list(ShopView.batches(settings=stores, batch_rows=2))
    assert max(map(len, batches)) <= 2
    pd.testing.assert_frame_equal(
        pd.concat(batches, ignore_index=True).sort_values("arrived_at", ignore_index=True),
        read(stores).sort_values("arrived_at", ignore_index=True),
    )


def test_similar_dtypes_are_converted(stores: StoreSettings, store: Store) -> None:
    rows = shops().astype({"staff": "float64", "sales": "float32"})
    rows["arrived_at"] = rows["arrived_at"].dt.as_unit("ms").dt.tz_convert("Europe/Amsterdam")
    rows["sales"] = None
    store("shops", rows)
    pd.testing.assert_series_equal(read(stores).dtypes, shops().dtypes)


def test_every_broken_rule_is_reported_at_once(stores: StoreSettings, store: Store) -> None:
    rows = shops().assign(staff=-1, town=3)
    rows.loc[1, "shop"] = None
    store("shops", rows)
    with pytest.raises(BrokenViewError) as caught:
        read(stores)
    assert caught.value.problems == (
        "shops: column 'shop': expected no missing values, got e.g. nan in 1 row.",
        "shops: column 'staff': expected at least 0, got e.g. -1 in 5 rows.",
        "shops: column 'town': expected str, got int64.",
    )


def test_only_what_is_read_is_checked(stores: StoreSettings, store: Store) -> None:
    store("shops", shops().assign(staff=-1))
    assert len(read(stores, columns=["sales"])) == 5


def test_timestamps_without_a_time_zone_are_refused(stores: StoreSettings, store: Store) -> None:
    rows = shops()
    rows["arrived_at"] = rows["arrived_at"].dt.tz_localize(None)
    store("shops", rows)
    with pytest.raises(BrokenViewError, match=re.escape("expected datetime64[us, UTC], got dat")):
        read(stores, columns=["arrived_at"])


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"columns": ["staf", "x"]}, "ShopView: no column 'staf', 'x'; known: arrived_at, event_"),
        ({"columns": []}, "ShopView: name at least one column"),
        ({"as_of": "2024-01-01 10:00"}, "as_of: '2024-01-01 10:00' has no time zone"),
        ({"as_of": pd.Timestamp("2024-01-01")}, "has no time zone"),
        ({"as_of": pd.NaT}, "is not a timestamp"),
        ({"as_of": 3}, "as_of: '3' is not a timestamp"),
    ],
)
def test_an_invalid_query_is_refused(
    stores: StoreSettings, store: Store, query: dict[str, Any], message: str
) -> None:
    store("shops", shops())
    with pytest.raises(FeatureStoreError, match=re.escape(message)):
        read(stores, **query)


def test_the_error_of_a_missing_table_names_the_setting(stores: StoreSettings) -> None:
    with pytest.raises(FeatureStoreError, match=r"no table 'shops' at .*shops\.parquet.*shops = "):
        read(stores)


def test_a_sample_is_written_once_where_that_is_allowed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    allowed = StoreSettings(root=str(tmp_path), write_samples=True)
    first = FeatureViewCompany.read(columns=["company_id", "revenue"], settings=allowed)
    assert "wrote the made-up sample of 'companies'" in capsys.readouterr().err
    pd.testing.assert_frame_equal(
        first, FeatureViewCompany.read(columns=["company_id", "revenue"], settings=allowed)
    )
    assert capsys.readouterr().err == ""


def test_no_sample_is_written_where_that_is_not_allowed(tmp_path: Path) -> None:
    refused = StoreSettings(root=str(tmp_path), write_samples=False)
    with pytest.raises(FeatureStoreError, match=r"companies = .* under \[stores.tables\]"):
        FeatureViewCompany.read(settings=refused)
    assert list(tmp_path.iterdir()) == []


def test_a_view_with_unknown_keys_is_refused_at_its_definition() -> None:
    with pytest.raises(FeatureStoreError, match="Wrong: no column 'shopp'; known: arrived_at"):

        class Wrong(FeatureView, Shops, table="shops", keys=("shopp",)):
            pass

    with pytest.raises(FeatureStoreError, match="Keyless: no keys; declare them"):

        class Keyless(FeatureView, Shops, table="shops"):
            pass


def test_a_view_is_still_its_contract() -> None:
    assert list(ShopView.to_schema().columns) == list(Shops.to_schema().columns)
    assert FeatureViewCompany.to_schema().description is not None
    assert ShopView.features() == ("staff", "sales", "town")
    assert ShopView["sales"].columns == ("sales",)
    ShopView.validate(shops().assign(event_timestamp=january(1, 1, 1, 1, 1)))


HEADER = "company_id,event_timestamp,arrived_at,country,industry,revenue,employees\n"
FILING = "2020-12-31T00:00:00Z,2021-05-01T10:00:00Z,NL,trade,1,3\n"


def company(location: Path) -> StoreSettings:
    return StoreSettings(tables={"companies": str(location)})


def test_a_stored_csv_file_has_the_types_of_the_contract(tmp_path: Path) -> None:
    file = tmp_path / "companies.csv"
    file.write_text(f"{HEADER}0100,{FILING}'b',{FILING}")
    found = FeatureViewCompany.read(settings=company(file))
    assert list(found["company_id"]) == ["0100", "'b'"]
    assert list(found["revenue"]) == [1.0, 1.0]
    file.write_text(f"{HEADER}0100,{FILING}1,2\n")
    with pytest.raises(InputError, match=r"expected 7 columns, got e\.g\. 2 in 1 row: 2"):
        FeatureViewCompany.read(settings=company(file))


def test_no_file_of_a_stored_folder_decides_the_types_of_the_others(tmp_path: Path) -> None:
    file = tmp_path / "one.csv"
    file.write_text(f"{HEADER}a,{FILING}")
    rows = pd.DataFrame(FeatureViewCompany.read(settings=company(file)))
    folder = tmp_path / "companies"
    folder.mkdir()
    for name, revenue in (("2024-01", 1000), ("2024-02", 1.75)):
        rows.assign(revenue=[revenue]).to_parquet(folder / f"{name}.parquet")
    found = FeatureViewCompany.read(settings=company(folder), filter="revenue < 2")
    assert list(found["revenue"]) == [1.75]
    assert len(FeatureViewCompany.read(settings=company(folder))) == 2
