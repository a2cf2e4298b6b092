from __future__ import annotations

import doctest
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import skops.io
from feature_engine.creation import RelativeFeatures
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import KFold, TimeSeriesSplit
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import TargetEncoder
from sklearn.utils import estimator_checks

from feature_store.derived_features import aggregated_features
from feature_store.derived_features.aggregated_features import (
    METRICS,
    TRUSTED_TYPES,
    GroupFeatureGenerator,
    GroupRatio,
)
from feature_store.derived_features.groups import GroupFeatureError

COMPANIES = pd.DataFrame(
    {
        "country": ["NL", "NL", "NL", "BE", "BE", None],
        "industry": ["food", "food", "steel", "food", "steel", "food"],
        "revenue": [10.0, 20.0, 60.0, 5.0, 7.0, 100.0],
    }
)


def statistics(X: pd.DataFrame, *args: Any, new: pd.DataFrame | None = None, **kwargs: Any) -> Any:
    fitted = GroupFeatureGenerator(*args, **{**kwargs, "target_name": "revenue"}).fit(X)
    return only_column(fitted.transform(X if new is None else new))


def only_column(result: pd.DataFrame) -> list[Any]:
    """The values of the only column."""
    (name,) = result.columns
    return list(result[name])


def test_examples_are_true() -> None:
    result = doctest.testmod(aggregated_features)
    assert result.attempted
    assert not result.failed


@pytest.mark.parametrize(
    ("metric", "q", "expected"),
    [
        ("mean", None, [30, 30, 30, 6, 6, 100]),
        ("median", None, [20, 20, 20, 6, 6, 100]),
        ("min", None, [10, 10, 10, 5, 5, 100]),
        ("max", None, [60, 60, 60, 7, 7, 100]),
        ("rank", None, [2, 2, 2, 1, 1, 3]),
        ("percentile", 75, [40, 40, 40, 6.5, 6.5, 100]),
        ("percentile", 0, [10, 10, 10, 5, 5, 100]),
    ],
)
def test_each_metric_and_nulls_are_a_group(
    metric: str, q: float | None, expected: list[float]
) -> None:
    assert statistics(COMPANIES, ["country"], metric, q) == expected


def test_unseen_groups_get_the_statistic_of_all_rows_and_may_lack_the_target() -> None:
    new = pd.DataFrame({"country": ["FR", "BE"]})
    assert statistics(COMPANIES, "country", "max", new=new) == [100, 7]
    # All rows have a median of 15: between Belgium's 6 and the Netherlands' 20.
    assert statistics(COMPANIES, "country", "rank", new=new) == [1.5, 1]


def test_a_rank_is_of_medians_and_equal_ones_share_it() -> None:
    rows = pd.DataFrame({"country": ["a", "b", "c"], "revenue": [1.0, 1.0, 5.0]})
    assert statistics(rows, "country", "rank") == [1.5, 1.5, 3]
    # By their means, a would come after b.
    skewed = pd.DataFrame({"country": [*"aaab"], "revenue": [1.0, 1.0, 100.0, 2.0]})
    assert statistics(skewed, "country", "rank") == [1, 1, 1, 2]


def test_small_groups_fall_back_to_all_rows_or_to_parent_groups() -> None:
    columns = ["country", "industry"]
    assert statistics(COMPANIES, columns) == [15, 15, 60, 5, 7, 100]
    overall = COMPANIES["revenue"].mean()
    few = statistics(COMPANIES, columns, min_rows=2)
    assert few == pytest.approx([15, 15, *[overall] * 4])
    parents = statistics(COMPANIES, columns, min_rows=2, fallback="parent")
    assert parents == pytest.approx([15, 15, 30, 6, 6, overall])
    new = pd.DataFrame({"country": ["NL", "FR", None], "industry": ["oil", "food", "oil"]})
    unseen = statistics(COMPANIES, columns, min_rows=2, fallback="parent", new=new)
    assert unseen == pytest.approx([30, overall, overall])


def test_rows_without_a_target_do_not_count_but_get_a_value() -> None:
    rows = COMPANIES.assign(revenue=[np.nan, 20.0, 60.0, np.nan, np.nan, np.nan])
    assert statistics(rows, "country") == [40, 40, 40, 40, 40, 40]
    assert statistics(rows, "country", "max") == [60] * 6
    assert statistics(rows, "country", min_rows=2) == [40] * 6


def test_the_target_is_a_column_or_y() -> None:
    X, y = COMPANIES[["country"]], COMPANIES["revenue"]
    by_column = statistics(COMPANIES, "country")
    for name in ("revenue", None):
        for target in (y, y.to_numpy(), y.tolist()):
            fitted = GroupFeatureGenerator("country", target_name=name).fit(X, target)
            assert only_column(fitted.transform(X)) == by_column
    other = np.arange(6.0)
    fitted = GroupFeatureGenerator("country", target_name="revenue").fit(COMPANIES, other)
    assert only_column(fitted.transform(X)) == by_column


def test_fit_transform_computes_each_row_from_other_folds() -> None:
    folds = KFold(3, shuffle=True, random_state=0)
    generator = GroupFeatureGenerator("country", target_name="revenue", cv=3, min_rows=1)
    expected = np.full(6, np.nan)
    for learnt_from, answered in folds.split(COMPANIES):
        plain = clone(generator).fit(COMPANIES.iloc[learnt_from])
        expected[answered] = only_column(plain.transform(COMPANIES.iloc[answered]))
    out_of_fold = only_column(generator.fit_transform(COMPANIES))
    np.testing.assert_allclose(out_of_fold, expected)
    assert not np.allclose(out_of_fold, only_column(generator.transform(COMPANIES)))
    assert out_of_fold == only_column(clone(generator).fit_transform(COMPANIES))
    plain = clone(generator).set_params(cv=None)
    pd.testing.assert_frame_equal(
        plain.fit_transform(COMPANIES), plain.fit(COMPANIES).transform(COMPANIES)
    )


def test_fit_transform_does_not_leak_the_target() -> None:
    random = np.random.default_rng(0)
    rows = pd.DataFrame({"g": random.integers(0, 1000, 3000)})
    y = random.normal(size=3000)
    fitted = GroupFeatureGenerator("g")
    leaking = np.corrcoef(only_column(fitted.fit(rows, y).transform(rows)), y)[0, 1]
    honest = np.corrcoef(only_column(fitted.fit_transform(rows, y)), y)[0, 1]
    assert leaking > 0.5
    assert abs(honest) < 0.1


def test_rows_in_no_fold_of_a_splitter_get_nan() -> None:
    generator = GroupFeatureGenerator(
        "country", target_name="revenue", cv=TimeSeriesSplit(n_splits=2)
    )
    result = only_column(generator.fit_transform(COMPANIES))
    np.testing.assert_allclose(result, [np.nan, np.nan, 15, 15, 5, 23.75])


def test_the_mean_equals_target_encoder_without_smoothing() -> None:
    X, y = COMPANIES[["industry"]], COMPANIES["revenue"]
    peer = TargetEncoder(target_type="continuous", smooth=1e-12).fit(X, y)
    ours = GroupFeatureGenerator("industry").fit(X, y)
    np.testing.assert_allclose(ours.transform(X), peer.transform(X))


TEXTS = ["a", None, "b", "a"]


@pytest.mark.parametrize(
    "stored",
    [
        pd.Series(TEXTS, dtype="str"),
        pd.Series(TEXTS, dtype="string"),
        pd.Series(TEXTS, dtype="category"),
        pd.Series(TEXTS, dtype=object),
        pd.Series(TEXTS, dtype=pd.ArrowDtype(pa.string())),
        pd.Series(TEXTS, dtype=pd.CategoricalDtype(["b", "x", "a"])),
    ],
    ids=lambda s: str(s.dtype)[:12],
)
def test_strings_match_in_any_storage(stored: pd.Series[Any]) -> None:
    rows = pd.DataFrame({"g": stored, "revenue": [1, 2, 3, 5]})
    assert statistics(rows, "g") == [3, 2, 3, 3]
    plain = pd.DataFrame({"g": pd.Series([*TEXTS, "c"], dtype=object)})
    assert statistics(rows, "g", new=plain) == [3, 2, 3, 3, 2.75]
    fitted = pd.DataFrame({"g": pd.Series(TEXTS, dtype=object), "revenue": [1, 2, 3, 5]})
    assert statistics(fitted, "g", new=rows) == [3, 2, 3, 3]


NUMBERS = [1, 2, 1, None]


@pytest.mark.parametrize(
    "stored",
    [
        pd.Series(NUMBERS, dtype="float64"),
        pd.Series(NUMBERS, dtype="Int64"),
        pd.Series(NUMBERS, dtype="Float64"),
        pd.Series(NUMBERS, dtype=object),
        pd.Series(NUMBERS, dtype=pd.ArrowDtype(pa.int32())),
        pd.Series(NUMBERS, dtype="category"),
        pd.Series([Decimal(1), Decimal(2), Decimal(1), None], dtype=object),
        pd.Series([Decimal(1), Decimal(2), Decimal(1), None]).astype(
            pd.ArrowDtype(pa.decimal128(5, 1))
        ),
    ],
    ids=lambda s: str(s.dtype)[:12],
)
def test_numbers_match_in_any_storage_also_as_target(stored: pd.Series[Any]) -> None:
    rows = pd.DataFrame({"g": stored, "revenue": [1, 2, 4, 9]})
    assert statistics(rows, "g", "max") == [4, 2, 4, 9]
    new = pd.DataFrame({"g": [2, 1, 3, -(10**12)]})
    assert statistics(rows, "g", "max", new=new) == [2, 4, 9, 9]
    integers = pd.DataFrame({"g": [1, 2, 1, 7], "revenue": [1, 2, 4, 9]})
    assert statistics(integers, "g", "min", new=rows[["g"]]) == [1, 2, 1, 1]
    swapped = pd.DataFrame({"g": ["x", "x", "y", "y"], "revenue": stored})
    assert statistics(swapped, "g", "max") == [2, 2, 1, 1]


@pytest.mark.parametrize(
    "stored",
    [
        pd.Series([True, False, None], dtype="boolean"),
        pd.Series([True, False, None], dtype=object),
        pd.Series([True, False, None], dtype=pd.ArrowDtype(pa.bool_())),
    ],
    ids=lambda s: str(s.dtype)[:12],
)
def test_booleans_are_groups_and_targets(stored: pd.Series[Any]) -> None:
    rows = pd.DataFrame({"g": stored, "revenue": [1, 2, 3]})
    assert statistics(rows, "g") == [1, 2, 3]
    assert statistics(rows, "g", new=pd.DataFrame({"g": [False, True]})) == [2, 1]
    swapped = pd.DataFrame({"g": ["a", "a", "a"], "revenue": stored})
    assert statistics(swapped, "g") == [0.5] * 3


@pytest.mark.parametrize(
    "dtype",
    [
        "datetime64[s]",
        "datetime64[ns]",
        pd.ArrowDtype(pa.timestamp("us")),
        pd.ArrowDtype(pa.date32()),
        "category",
    ],
    ids=str,
)
def test_times_match_in_any_storage(dtype: Any) -> None:
    days = pd.Series(pd.to_datetime(["2024-01-01", "2024-02-01", "2024-01-01", "NaT"]))
    rows = pd.DataFrame({"g": days.astype(dtype), "revenue": [1, 2, 4, 9]})
    assert statistics(rows, "g", "max") == [4, 2, 4, 9]
    new = pd.DataFrame({"g": days.astype("datetime64[ms]")})
    assert statistics(rows, "g", "max", new=new) == [4, 2, 4, 9]


def test_zoned_times_are_compared_as_points_in_time() -> None:
    moment = pd.Timestamp(datetime(2024, 1, 1, 12, tzinfo=UTC))
    rows = pd.DataFrame({"g": [moment, moment + pd.Timedelta(hours=1)], "revenue": [1, 2]})
    new = pd.DataFrame({"g": rows["g"].dt.tz_convert("Europe/Amsterdam")})
    assert statistics(rows, "g", new=new) == [1, 2]


def test_groups_and_a_frame_may_be_of_one_row_and_batches_empty() -> None:
    one = COMPANIES.head(1)
    fitted = GroupFeatureGenerator("country", target_name="revenue").fit(one)
    assert only_column(fitted.transform(one)) == [10]
    empty = fitted.transform(one.head(0))
    assert (empty.shape, list(empty)) == ((0, 1), ["mean_revenue_country"])


def test_the_callers_frame_is_not_changed_and_index_and_columns_do_not_matter() -> None:
    rows = COMPANIES.set_axis([7, 7, 3, 2, 1, 0]).astype({"country": "category"})
    before = rows.copy(deep=True)
    generator = GroupFeatureGenerator("country", target_name="revenue")
    assert generator.fit_transform(rows).index.equals(rows.index)
    shuffled = rows[["revenue", "country"]].assign(more=1)
    result = generator.transform(shuffled)
    pd.testing.assert_frame_equal(rows, before)
    expected = pd.DataFrame({"mean_revenue_country": [30.0, 30, 30, 6, 6, 100]}, index=rows.index)
    pd.testing.assert_frame_equal(result, expected)
    rows.loc[:, "revenue"] = 0.0
    pd.testing.assert_frame_equal(generator.transform(shuffled), expected)


def test_learned_values_can_be_inspected() -> None:
    generator = GroupFeatureGenerator(["country", "industry"], target_name="revenue")
    with pytest.raises(NotFittedError):
        _ = generator.values_by_group_
    assert generator.fit(COMPANIES).values_by_group_ == {
        ("BE", "food"): 5,
        ("BE", "steel"): 7,
        ("NL", "food"): 15,
        ("NL", "steel"): 60,
        (None, "food"): 100,
    }
    # A group with too few rows has the statistic that its rows get.
    few = clone(generator).set_params(min_rows=2).fit(COMPANIES).values_by_group_
    assert few["NL", "food"] == 15
    assert few["NL", "steel"] == pytest.approx(COMPANIES["revenue"].mean())


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (pd.Series([2, 1, None], dtype="Int64"), [1, 2, None]),
        (pd.Series([2.5, 1.0, None]), [1.0, 2.5, None]),
        (pd.Series([True, False], dtype=bool), [False, True]),
        (
            pd.Series(pd.to_datetime(["2024-01-02", "2024-01-01", "NaT"])),
            [pd.Timestamp("2024-01-01"), pd.Timestamp("2024-01-02"), None],
        ),
        (
            pd.Series(pd.to_datetime(["2024-01-01"])).dt.tz_localize("Europe/Amsterdam"),
            [pd.Timestamp("2023-12-31 23:00", tz="UTC")],
        ),
        (pd.Series([None, None], dtype=object), [None]),
    ],
    ids=lambda s: str(getattr(s, "dtype", ""))[:14],
)
def test_groups_are_named_by_python_values(stored: pd.Series[Any], expected: list[Any]) -> None:
    fitted = GroupFeatureGenerator("g").fit(stored.to_frame("g"), np.arange(len(stored)))
    assert list(fitted.values_by_group_) == expected


SALES = pd.DataFrame(
    {
        "industry": ["AA", "BB", "BB", "AA", "BB", "BB"],
        "country": ["US", "US", "US", "FR", "FR", "FR"],
        "sales": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
    }
)


@pytest.mark.parametrize(
    ("columns", "metric", "q", "name", "learned"),
    [
        (["country"], "mean", None, "mean_sales_country", {"US": 2, "FR": 5}),
        (["country"], "median", None, "median_sales_country", {"US": 2, "FR": 5}),
        (["country"], "rank", None, "rank_sales_country", {"US": 1, "FR": 2}),
        (["country"], "min", None, "min_sales_country", {"US": 1, "FR": 4}),
        (["country"], "max", None, "max_sales_country", {"US": 3, "FR": 6}),
        (
            ["industry", "country"],
            "median",
            None,
            "median_sales_industry_country",
            {("AA", "US"): 1, ("BB", "US"): 2.5, ("AA", "FR"): 4, ("BB", "FR"): 5.5},
        ),
        (
            ["industry", "country"],
            "rank",
            None,
            "rank_sales_industry_country",
            {("AA", "US"): 1, ("BB", "US"): 2, ("AA", "FR"): 3, ("BB", "FR"): 4},
        ),
        *(
            (
                ["industry", "country"],
                "percentile",
                q,
                "percentile_50_sales_industry_country",
                {("AA", "US"): 1, ("BB", "US"): 2.5, ("AA", "FR"): 4, ("BB", "FR"): 5.5},
            )
            for q in (50, 0.5)
        ),
    ],
)
@pytest.mark.parametrize("with_target", [True, False])
def test_the_articles_example(
    columns: list[str],
    metric: Any,
    q: float | None,
    name: str,
    learned: dict[Any, float],
    with_target: bool,
) -> None:
    X = SALES if with_target else SALES.drop(columns="sales")
    generator = GroupFeatureGenerator(group_cols=columns, group_metric=metric, percentile_q=q)
    result = generator.fit(X, SALES["sales"]).transform(X)
    keys = SALES[columns].itertuples(index=False, name=None)
    expected = [float(learned[key if len(columns) > 1 else key[0]]) for key in keys]
    pd.testing.assert_frame_equal(result, pd.DataFrame({name: expected}))
    assert generator.get_feature_names_out().tolist() == [name]
    assert generator.values_by_group_ == learned
    # Out of fold by default, as TargetEncoder's; the article's own call learns from all rows.
    all_rows = clone(generator).set_params(cv=None).fit_transform(X, SALES["sales"])
    pd.testing.assert_frame_equal(all_rows, result)


@pytest.mark.parametrize(
    ("y", "name"),
    [
        (SALES["sales"], "mean_sales_country"),
        (SALES["sales"].rename(None), "mean_target_country"),
        (SALES["sales"].to_numpy(), "mean_target_country"),
        (SALES["sales"].tolist(), "mean_target_country"),
    ],
    ids=["series", "series without a name", "array", "list"],
)
def test_the_column_is_named_after_the_target(y: Any, name: str) -> None:
    X = SALES[["country"]]
    assert list(GroupFeatureGenerator("country").fit(X, y).transform(X)) == [name]
    # A y without a name takes the one that is given.
    unnamed = y.to_numpy() if isinstance(y, pd.Series) else y
    named = GroupFeatureGenerator("country", target_name="sold").fit(X, unnamed)
    assert list(named.transform(X)) == ["mean_sold_country"]


@pytest.mark.parametrize(
    ("q", "percent", "expected"),
    [
        (90, "90", 2.8),
        (0.9, "90", 2.8),
        (0.005, "0.5", 1.01),
        (99.5, "99.5", 2.99),
        (0.07, "7", 1.14),
    ],
)
def test_a_percentile_is_percent_or_a_fraction(q: float, percent: str, expected: float) -> None:
    generator = GroupFeatureGenerator(["country"], "percentile", q, "sales").fit(SALES)
    assert generator.get_feature_names_out().tolist() == [f"percentile_{percent}_sales_country"]
    assert generator.values_by_group_["US"] == pytest.approx(expected)
    ratio = GroupRatio("country", "sales", "percentile", q).fit(SALES)
    assert ratio.get_feature_names_out().tolist() == [f"sales_to_p{percent}_by_country"]
    assert only_column(ratio.transform(SALES))[0] == pytest.approx(1 / expected)


def test_ratio_to_the_groups_median() -> None:
    rows = pd.DataFrame(
        {"g": ["a", "a", "a", "z", "z"], "x": [1.0, 2.0, None, 0.0, 0.0], "y": [1, 3, 5, 7, 9]}
    )
    ratio = GroupRatio("g", ["x", "y"]).fit(rows)
    expected = pd.DataFrame(
        {
            "x_to_median_by_g": [1 / 1.5, 2 / 1.5, np.nan, np.nan, np.nan],
            "y_to_median_by_g": [1 / 3, 1, 5 / 3, 7 / 8, 9 / 8],
        }
    )
    pd.testing.assert_frame_equal(ratio.transform(rows), expected)
    unseen = pd.DataFrame({"g": ["q"], "x": [3.0], "y": [5]})
    assert ratio.transform(unseen).to_numpy().tolist() == [[6.0, 1.0]]


def test_features_work_in_pipelines_and_with_skops() -> None:
    X, y = COMPANIES.drop(columns="revenue"), COMPANIES["revenue"]
    columns = ColumnTransformer(
        [
            ("by_country", GroupFeatureGenerator("country"), ["country"]),
            ("both", GroupFeatureGenerator(["country", "industry"], "rank"), [0, 1]),
        ]
    )
    pipeline = Pipeline([("features", columns), ("model", LinearRegression())]).fit(X, y)
    expected = pipeline.predict(X)
    assert pipeline[:-1].get_feature_names_out().tolist() == [
        "by_country__mean_revenue_country",
        "both__rank_revenue_country_industry",
    ]
    # skops must trust these types, and no others.
    stored = skops.io.dumps(pipeline)
    assert set(skops.io.get_untrusted_types(data=stored)) <= set(TRUSTED_TYPES)
    loaded = skops.io.loads(stored, trusted=list(TRUSTED_TYPES))
    np.testing.assert_array_equal(loaded.predict(X), expected)
    union = FeatureUnion(
        [("mean", GroupFeatureGenerator("country")), ("all", GroupFeatureGenerator("industry"))]
    )
    assert union.set_output(transform="pandas").fit_transform(X, y).shape == (6, 2)


@pytest.mark.parametrize(
    "keys", [["a\0", "a", "é", None], [1, 2**62, -5, None], [1.5, np.inf, -0.0, None]]
)
def test_odd_keys_survive_skops(keys: list[Any]) -> None:
    rows = pd.DataFrame({"g": pd.Series(keys, dtype=object), "revenue": [1.0, 2, 3, 4]})
    fitted = GroupFeatureGenerator("g", target_name="revenue").fit(rows)
    loaded = skops.io.loads(skops.io.dumps(fitted), trusted=list(TRUSTED_TYPES))
    assert only_column(loaded.transform(rows)) == [1, 2, 3, 4]
    assert loaded.values_by_group_ == fitted.values_by_group_


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"group_cols": "land"}, "group_cols: column 'land' is missing; found: 'country', "),
        ({"group_cols": []}, "group_cols is empty"),
        ({"target_name": "profit"}, "target_name (y is None): column 'profit' is missing"),
        (
            {"group_metric": "mode"},
            "The 'group_metric' parameter of GroupFeatureGenerator must be a str among {",
        ),
        (
            {"group_metric": "percentile"},
            "group_metric='percentile' requires percentile_q, a number",
        ),
        (
            {"group_metric": "percentile", "percentile_q": 101},
            "The 'percentile_q' parameter of GroupFeatureGenerator must be",
        ),
        (
            {"group_metric": "percentile", "percentile_q": 1},
            "percentile_q=1 is ambiguous: use 0.01 for the first percentile, or 100 for",
        ),
        (
            {"percentile_q": 50},
            "percentile_q=50 requires group_metric='percentile', got group_metric='mean'",
        ),
        ({"target_name": "industry"}, "Column 'industry': expected numbers, got str."),
        (
            {"cv": 1},
            "The 'cv' parameter of GroupFeatureGenerator must be an int in the range [2, inf)",
        ),
    ],
)
def test_fit_refuses_invalid_parameters(options: dict[str, Any], message: str) -> None:
    generator = GroupFeatureGenerator(
        **{"group_cols": "country", "target_name": "revenue", **options}
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        generator.fit_transform(COMPANIES)


def test_fit_and_transform_refuse_invalid_data() -> None:
    fitted = GroupFeatureGenerator("country", target_name="revenue").fit(COMPANIES)
    with pytest.raises(GroupFeatureError, match="column 'country' is missing"):
        fitted.transform(COMPANIES[["industry"]])
    with pytest.raises(
        GroupFeatureError, match="expected text values as in fit, got number values"
    ):
        fitted.transform(pd.DataFrame({"country": [1, 2]}))
    with pytest.raises(GroupFeatureError, match="Target 'revenue': expected at least one value"):
        clone(fitted).fit(COMPANIES.assign(revenue=np.nan))
    with pytest.raises(GroupFeatureError, match="X is empty"):
        clone(fitted).fit(COMPANIES.head(0))
    with pytest.raises(GroupFeatureError, match="neither a column of X nor the name of y, 'rev'"):
        GroupFeatureGenerator("country", target_name="revenue").fit(
            COMPANIES[["country"]], COMPANIES["revenue"].rename("rev")
        )
    with pytest.raises(GroupFeatureError, match="1 sample only"):
        clone(fitted).fit_transform(COMPANIES.head(1))
    with pytest.raises(GroupFeatureError, match="exists more than once"):
        fitted.transform(pd.concat([COMPANIES, COMPANIES[["country"]]], axis=1))
    with pytest.raises(ValueError, match="'group_metric' parameter of GroupRatio must be a str"):
        GroupRatio("country", "revenue", "rank").fit(COMPANIES)  # type: ignore[arg-type]


KEYS = st.one_of(st.none(), st.sampled_from(["a", "b", "c", "", "a\0"]))
VALUES = st.one_of(st.none(), st.floats(-1e6, 1e6), st.integers(-3, 3).map(float))
ROWS = st.lists(st.tuples(KEYS, st.one_of(st.none(), st.integers(-2, 2)), VALUES), min_size=1)


def naive(rows: list[Any], new: list[Any], metric: str, q: float, least: int) -> list[float]:
    """Group by group, with plain lists."""
    groups: dict[Any, list[float]] = {}
    for first, second, value in rows:
        if value is not None:
            groups.setdefault((first, second), []).append(value)
    everything = [value for values in groups.values() for value in values]
    groups = {key: values for key, values in groups.items() if len(values) >= least}
    functions: dict[str, Any] = {
        "mean": np.mean,
        "rank": np.median,
        "median": np.median,
        "min": min,
        "max": max,
        "percentile": lambda values: np.percentile(values, q),
    }
    function = functions[metric]
    result = [float(function(groups.get((first, second), everything))) for first, second, _ in new]
    if metric == "rank":
        medians = [float(np.median(values)) for values in groups.values()]
        result = [
            (sum(m < r for m in medians) + sum(m <= r for m in medians) + 1) / 2 for r in result
        ]
    return result


@settings(max_examples=150, deadline=None)
@given(
    rows=ROWS,
    new=ROWS,
    metric=st.sampled_from(METRICS),
    q=st.integers(0, 100),
    as_fraction=st.booleans(),
    least=st.integers(1, 3),
)
def test_results_equal_those_of_a_naive_computation(
    rows: list[Any], new: list[Any], metric: Any, q: int, as_fraction: bool, least: int
) -> None:
    # The first percentile needs a fraction, and the last one needs percent.
    given = q / 100 if q == 1 or (as_fraction and q < 100) else q
    if all(value is None for _, _, value in rows):
        return

    def frame(rows: list[Any]) -> pd.DataFrame:
        result = pd.DataFrame(rows, columns=["first", "second", "value"])
        return result.astype({"first": "str", "second": "Int64", "value": "float64"})

    generator = GroupFeatureGenerator(
        ["first", "second"],
        metric,
        given if metric == "percentile" else None,
        "value",
        min_rows=least,
    ).fit(frame(rows))
    for asked in (rows, new):
        np.testing.assert_allclose(
            only_column(generator.transform(frame(asked))),
            naive(rows, asked, metric, q, least),
            rtol=1e-9,
            atol=1e-6,
        )


# Additional columns and another order are allowed, as in scikit-learn's ColumnTransformer.
BY_NAME = {"check_dataframe_column_names_consistency": "columns are found by name"}
ESTIMATORS = [
    GroupFeatureGenerator([0], cv=None),
    # In the checks' data each group has one row, so all out-of-fold values are equal.
    GroupFeatureGenerator([0], "rank"),
    GroupFeatureGenerator([0], "percentile", 90, cv=None, min_rows=2, fallback="parent"),
    GroupRatio(0, 0),
]


@estimator_checks.parametrize_with_checks(ESTIMATORS)  # type: ignore[untyped-decorator]
def test_scikit_learn_estimator_checks_apply(estimator: Any, check: Any) -> None:
    check(estimator)


# Scikit-learn runs these on its own estimators only, so they are called here.
MORE_CHECKS = (
    "check_dataframe_column_names_consistency",
    "check_global_output_transform_pandas",
    "check_n_features_in",
    "check_set_output_transform",
    "check_set_output_transform_pandas",
    "check_transformer_get_feature_names_out",
    "check_transformer_get_feature_names_out_pandas",
)


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.filterwarnings("ignore:X has feature names, but")
@pytest.mark.parametrize("check", MORE_CHECKS)
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=str)
def test_more_of_scikit_learns_checks_apply(estimator: Any, check: str) -> None:
    if check in BY_NAME:
        pytest.xfail(BY_NAME[check])
    getattr(estimator_checks, check)(type(estimator).__name__, estimator)


def test_feature_engine_computes_a_ratio_of_two_columns() -> None:
    rows = pd.DataFrame({"revenue": [10.0, 9.0], "employees": [2, 3]})
    ratio = RelativeFeatures(variables=["revenue"], reference=["employees"], func=["div"])
    result = ratio.fit_transform(rows)
    assert result["revenue_div_employees"].tolist() == [5, 3]
