from __future__ import annotations

import doctest
import re
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import skops.io
from feature_engine.timeseries.forecasting import LagFeatures as SeriesLags
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import percentileofscore
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks
from sklego.meta import GroupedTransformer
from sklego.preprocessing import ColumnCapper

from feature_store.derived_features import window_features
from feature_store.derived_features.window_features import (
    TRUSTED_TYPES,
    GroupPercentileRank,
    GroupWinsorizer,
    LagFeatures,
)

ROWS = pd.DataFrame(
    {
        "g": ["a", "a", "a", "a", "b", "b", None],
        "h": ["x", "x", "y", "y", "x", "y", "x"],
        "t": [1, 2, 3, 4, 1, 2, 1],
        "v": [1.0, 2.0, 3.0, 100.0, 10.0, None, 7.0],
    }
)


def same(actual: Any, expected: list[Any]) -> None:
    # pandas and numpy round a percentile near zero differently.
    np.testing.assert_allclose(
        np.asarray(actual, dtype=float).ravel(), np.asarray(expected, float), atol=1e-9
    )


def test_examples_are_true() -> None:
    result = doctest.testmod(window_features)
    assert result.attempted
    assert not result.failed


def test_values_are_limited_within_their_group() -> None:
    limited = GroupWinsorizer("g", "v", lower=50, upper=50).fit(ROWS)
    same(limited.transform(ROWS), [2.5, 2.5, 2.5, 2.5, 10, np.nan, 7])
    new = pd.DataFrame({"g": ["a", "new", "new"], "v": [-5, 50, None]})
    # All six values together have a median of 5.
    same(limited.transform(new), [2.5, 5, np.nan])


def test_one_limit_may_be_none_and_small_groups_fall_back() -> None:
    same(
        GroupWinsorizer("g", "v", lower=None, upper=50).fit(ROWS).transform(ROWS),
        [1, 2, 2.5, 2.5, 10, np.nan, 7],
    )
    limited = GroupWinsorizer(["g", "h"], "v", lower=50, upper=50, min_rows=2, fallback="parent")
    # a-x has 1.5 and a-y 51.5; the groups of one row have the median of all, 5.
    same(limited.fit(ROWS).transform(ROWS), [1.5, 1.5, 51.5, 51.5, 5, np.nan, 5])


def test_limits_equal_those_of_scikit_lego() -> None:
    rows = ROWS.dropna()
    peer = GroupedTransformer(ColumnCapper(quantile_range=(5, 95)), ["g"])
    expected = peer.fit(rows[["g", "v"]]).transform(rows[["g", "v"]])
    np.testing.assert_allclose(GroupWinsorizer("g", "v").fit(rows).transform(rows), expected)
    with pytest.raises(ValueError, match="Groups values have NaN"):
        clone(peer).fit(ROWS[["g", "v"]])


def test_the_rank_is_within_the_fitted_group_not_the_batch() -> None:
    ranks = GroupPercentileRank("g", "v").fit(ROWS)
    expected = [0.125, 0.375, 0.625, 0.875, 0.5, np.nan, 0.5]
    same(ranks.transform(ROWS), expected)
    for place, value in enumerate(expected):
        same(ranks.transform(ROWS.iloc[[place]]), [value])
    new = pd.DataFrame({"g": ["a", "a", "a", "new"], "v": [0, 2.5, 1e9, 7]})
    same(ranks.transform(new), [0, 0.5, 1, 3.5 / 6])


def test_large_groups_are_sampled_and_ranked_approximately() -> None:
    values = np.random.default_rng(0).normal(size=20_000)
    rows = pd.DataFrame({"g": np.arange(20_000) % 2, "v": values})
    exact = GroupPercentileRank("g", "v", n_quantiles=10_000).fit(rows)
    close = GroupPercentileRank("g", "v", n_quantiles=100).fit(rows)
    assert len(close.values_[0]) == 300
    difference = (exact.transform(rows) - close.transform(rows)).abs().max()
    assert difference.item() < 1 / 100


def test_lags_are_of_the_same_entity_in_time_order() -> None:
    shuffled = ROWS.sample(frac=1, random_state=1)
    lags = LagFeatures("g", "t", "v", periods=[1, 2])
    expected = pd.DataFrame(
        {
            "v_lag_1": [np.nan, 1, 2, 3, np.nan, 10, np.nan],
            "v_lag_2": [np.nan, np.nan, 1, 2, np.nan, np.nan, np.nan],
        }
    )
    pd.testing.assert_frame_equal(lags.fit_transform(shuffled).sort_index(), expected)
    pd.testing.assert_frame_equal(lags.transform(shuffled).sort_index(), expected)


def test_later_rows_see_what_was_remembered_and_unseen_entities_only_themselves() -> None:
    lags = LagFeatures("g", "t", "v", periods=[1, 3]).fit(ROWS)
    new = pd.DataFrame(
        {"g": ["new", "a", "a", None, "new"], "t": [2, 6, 5, 9, 1], "v": [1.0, 2, 3, 4, 5]}
    )
    same(
        lags.transform(new),
        [5, np.nan, 3, 3, 100, 2, 7, np.nan, np.nan, np.nan],
    )
    # Nothing was added to what is remembered.
    same(lags.transform(new.iloc[[1]]), [100, 2])


def test_a_row_that_comes_again_replaces_the_remembered_one() -> None:
    lags = LagFeatures("g", "t", "v").fit(ROWS)
    corrected = pd.DataFrame({"g": ["a", "a"], "t": [4, 5], "v": [-1.0, 0.0]})
    same(lags.transform(corrected).iloc[1], [-1])


@pytest.mark.parametrize(
    "dtype", ["datetime64[ns]", "datetime64[s]", pd.ArrowDtype(pa.timestamp("us"))], ids=str
)
def test_times_of_any_kind_have_an_order(dtype: Any) -> None:
    times = pd.to_datetime(pd.Series(["2024-01-03", "2024-01-01", "2024-01-02"]))
    rows = pd.DataFrame({"g": 1, "t": times.astype(dtype), "v": [3, 1, 2]})
    lags = LagFeatures("g", "t", "v").fit(rows)
    same(lags.transform(rows), [2, np.nan, 1])
    later = pd.DataFrame({"g": [1], "t": pd.to_datetime(["2024-05-01"]), "v": [9]})
    same(lags.transform(later), [3])


def test_lags_of_one_series_equal_those_of_feature_engine() -> None:
    series = pd.DataFrame({"v": [1.0, 2.0, 3.0]}, index=pd.date_range("2024", periods=3))
    # pandas 3.1 warns of how it sorts.
    lags = SeriesLags(variables=["v"], periods=[1], sort_index=False)
    peer = lags.fit_transform(series)["v_lag_1"]
    rows = series.reset_index(names="t").assign(g=1)
    same(LagFeatures("g", "t", "v").fit_transform(rows), peer.tolist())
    with pytest.raises(NotImplementedError, match="unique values"):
        clone(lags).fit(pd.concat([series, series]))


FEATURES = [
    GroupWinsorizer(["g", "h"], "v", fallback="parent"),
    GroupPercentileRank(["g"], ["v"]),
    LagFeatures("g", "t", ["v"], [1, 2]),
]


@pytest.mark.parametrize("feature", FEATURES, ids=str)
def test_features_work_in_pipelines_and_with_skops_and_keep_the_input(feature: Any) -> None:
    before = ROWS.copy(deep=True)
    columns = ColumnTransformer([("f", clone(feature), list(ROWS.columns))])
    pipeline = Pipeline([("features", columns), ("scaler", StandardScaler())]).fit(ROWS)
    expected = pipeline.transform(ROWS)
    stored = skops.io.dumps(pipeline)
    assert set(skops.io.get_untrusted_types(data=stored)) <= set(TRUSTED_TYPES)
    loaded = skops.io.loads(stored, trusted=list(TRUSTED_TYPES))
    np.testing.assert_array_equal(loaded.transform(ROWS), expected)
    assert loaded.transform(ROWS.head(2)).shape[1] == len(columns.fit(ROWS).get_feature_names_out())
    pd.testing.assert_frame_equal(ROWS, before)
    fitted = clone(feature).fit(ROWS)
    assert fitted.transform(ROWS.head(0)).shape == (0, expected.shape[1])
    again = ROWS.astype({"g": "category", "v": "Float64"}).convert_dtypes(dtype_backend="pyarrow")
    np.testing.assert_array_equal(fitted.transform(again), fitted.transform(ROWS))


@pytest.mark.parametrize(
    ("feature", "message"),
    [
        (
            GroupWinsorizer("g", "w"),
            "columns: column 'w' is missing; found: 'g', 'h', 't', 'v'",
        ),
        (GroupWinsorizer("k", "v"), "group_cols: column 'k' is missing"),
        (GroupWinsorizer("g", "h"), "Column 'h': expected numbers, got str."),
        (
            GroupWinsorizer("g", "v", lower=-1),
            "The 'lower' parameter of GroupWinsorizer must be a float in",
        ),
        (GroupWinsorizer("g", "v", lower=60, upper=40), "lower=60 is greater than upper=40"),
        (
            GroupPercentileRank("g", "v", n_quantiles=1),
            "The 'n_quantiles' parameter of GroupPercentileRank must be an int in the range [2",
        ),
        (
            LagFeatures("g", "t", "v", 0),
            "The 'periods' parameter of LagFeatures must be an int in the range [1, inf)",
        ),
        (LagFeatures("g", "t", "v", [1, -1]), "periods=[1, -1]: expected different whole numbers"),
        (LagFeatures("g", "h", "v"), "Column 'h': expected times or numbers, got strings"),
        (
            LagFeatures("h", "t", "v"),
            "have the entity and time of another row, for example h=x, t=1",
        ),
        (LagFeatures("g", "v", "t"), "Column 'v': expected a time in each row, got 1 null(s)"),
    ],
    ids=lambda o: str(o)[:30],
)
def test_fit_refuses_invalid_parameters_and_data(feature: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        feature.fit(ROWS)


KEYS = st.sampled_from(["a", "b", None])
VALUES = st.one_of(st.none(), st.integers(-3, 3).map(float), st.floats(-1e6, 1e6))
LISTS = st.lists(st.tuples(KEYS, VALUES), min_size=1)


def frame(rows: list[Any]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["g", "v"]).astype({"g": "str", "v": "float64"})


def values_of(rows: list[Any], key: Any) -> list[float]:
    """The values of a group or, if it has none, all."""
    own = [value for group, value in rows if group == key and value is not None]
    return own or [value for _, value in rows if value is not None]


@settings(max_examples=100, deadline=None)
@given(rows=LISTS, new=LISTS)
def test_limits_and_ranks_equal_those_of_a_naive_computation(
    rows: list[Any], new: list[Any]
) -> None:
    limits = GroupWinsorizer("g", "v", lower=10, upper=80).fit(frame(rows))
    ranks = GroupPercentileRank("g", "v").fit(frame(rows))
    for asked in (rows, new):
        limited: list[float] = []
        ranked: list[float] = []
        for key, value in asked:
            known = values_of(rows, key)
            if value is None or not known:
                limited.append(np.nan if value is None else value)
                ranked.append(np.nan)
                continue
            limited.append(float(np.clip(value, *np.percentile(known, [10, 80]))))
            ranked.append(float(percentileofscore(known, value, kind="mean")) / 100)
        same(limits.transform(frame(asked)), limited)
        same(ranks.transform(frame(asked)), ranked)


@settings(max_examples=100, deadline=None)
@given(
    times=st.lists(st.tuples(KEYS, st.integers(0, 9)), min_size=1, unique=True),
    values=st.randoms(use_true_random=False),
    cut=st.integers(0, 10),
    period=st.integers(1, 3),
)
def test_lags_equal_those_of_pandas(times: list[Any], values: Any, cut: int, period: int) -> None:
    rows = pd.DataFrame(times, columns=["g", "t"]).astype({"g": "str"})
    rows["v"] = [values.random() for _ in times]
    ordered = rows.sort_values("t").groupby("g", dropna=False)["v"].shift(period)
    expected = ordered.sort_index().tolist()
    same(LagFeatures("g", "t", "v", period).fit_transform(rows), expected)
    past, now = rows[rows["t"] < cut], rows[rows["t"] >= cut]
    if len(past):
        split = LagFeatures("g", "t", "v", period).fit(past).transform(now)
        same(split, [expected[place] for place in now.index])


TWICE = "the checks' rows have values twice, and no time may come twice for an entity"
CHECKED = [GroupWinsorizer(0, 0), GroupPercentileRank(0, 0, min_rows=2), LagFeatures(0, 0, 0)]
# What scikit-learn checks with rows that have the same first value, or none, twice.
LAGS_FAIL = dict.fromkeys(
    (
        "check_dict_unchanged",
        "check_dont_overwrite_parameters",
        "check_dtype_object",
        "check_estimators_dtypes",
        "check_estimators_fit_returns_self",
        "check_estimators_overwrite_params",
        "check_f_contiguous_array_estimator",
        "check_fit2d_1feature",
        "check_fit2d_predict1d",
        "check_fit_check_is_fitted",
        "check_fit_idempotent",
        "check_fit_score_takes_y",
        "check_methods_sample_order_invariance",
        "check_methods_subset_invariance",
        "check_n_features_in",
        "check_n_features_in_after_fitting",
        "check_pipeline_consistency",
        "check_positive_only_tag_during_fit",
        "check_readonly_memmap_input",
        "check_transformer_data_not_an_array",
        "check_transformer_general",
        "check_transformer_preserve_dtypes",
    ),
    TWICE,
) | {"check_estimators_pickle": "its rows have nulls, and a time may not be null"}


def expected_failures(estimator: Any) -> dict[str, str]:
    return LAGS_FAIL if isinstance(estimator, LagFeatures) else {}


@estimator_checks.parametrize_with_checks(  # type: ignore[untyped-decorator]
    CHECKED, expected_failed_checks=expected_failures
)
def test_scikit_learn_estimator_checks_apply(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.filterwarnings("ignore:X has feature names, but")
@pytest.mark.parametrize(
    "check",
    [
        "check_global_output_transform_pandas",
        "check_n_features_in",
        "check_set_output_transform",
        "check_set_output_transform_pandas",
        "check_transformer_get_feature_names_out",
        "check_transformer_get_feature_names_out_pandas",
    ],
)
@pytest.mark.parametrize("estimator", CHECKED[:2], ids=str)
def test_more_of_scikit_learns_checks_apply(estimator: Any, check: str) -> None:
    getattr(estimator_checks, check)(type(estimator).__name__, estimator)
