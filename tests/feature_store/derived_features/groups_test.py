"""Tests of behaviour that all derived features share."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import TransformerMixin, clone
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_param_validation

from feature_store import derived_features
from feature_store.derived_features.aggregated_features import GroupFeatureGenerator, GroupRatio
from feature_store.derived_features.groups import GroupColumnTransformer, GroupTransformer
from feature_store.derived_features.row_features import FormulaTransformer
from feature_store.derived_features.window_features import (
    GroupPercentileRank,
    GroupWinsorizer,
    LagFeatures,
)

ROWS = pd.DataFrame(
    {"g": [1.0, 1.0, 2.0, 2.0], "t": [1.0, 2.0, 1.0, 2.0], "v": [1.0, 2.0, 5.0, 7.0]},
    index=["d", "c", "b", "a"],
)
# Each with columns by name, then with columns by position.
TRANSFORMERS = [
    (FormulaTransformer("share = v / t"), FormulaTransformer("share = x2 / x1")),
    (
        FormulaTransformer("share = v / t", keep_inputs=True),
        FormulaTransformer("share = x2 / x1", keep_inputs=True),
    ),
    (GroupFeatureGenerator(["g"], "median"), GroupFeatureGenerator([0], "median")),
    (GroupFeatureGenerator(["g"], cv=None), GroupFeatureGenerator([0], cv=None)),
    (GroupRatio("g", ["v", "t"]), GroupRatio(0, [2, 1])),
    (GroupWinsorizer("g", "v"), GroupWinsorizer(0, 2)),
    (GroupPercentileRank("g", "v"), GroupPercentileRank(0, 2)),
    (LagFeatures("g", "t", ["v", "t"]), LagFeatures(0, 1, [2, 1])),
]
Y = pd.Series([1.0, 2.0, 5.0, 7.0], index=ROWS.index, name="sold")


def test_no_transformer_is_left_out() -> None:
    modules = [
        importlib.import_module(f"{derived_features.__name__}.{module.name}")
        for module in pkgutil.iter_modules(derived_features.__path__)
    ]
    known = {
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, TransformerMixin)
    }
    own = {one for one in known if one.__module__.startswith(derived_features.__name__)}
    bases = {GroupTransformer, GroupColumnTransformer}
    assert own - bases == {type(by_name) for by_name, _ in TRANSFORMERS}


@pytest.mark.parametrize(("by_name", "by_position"), TRANSFORMERS, ids=str)
def test_each_parameter_has_a_constraint(by_name: Any, by_position: Any) -> None:
    """scikit-learn runs this check on its own estimators only."""
    check_param_validation(type(by_name).__name__, by_position)


@pytest.mark.parametrize(("by_name", "by_position"), TRANSFORMERS, ids=str)
def test_a_frame_gives_a_frame_and_an_array_an_array(by_name: Any, by_position: Any) -> None:
    fitted, positions = clone(by_name).fit(ROWS, Y), clone(by_position).fit(ROWS.to_numpy(), Y)
    for given in (fitted.transform(ROWS), clone(by_name).fit_transform(ROWS, Y)):
        assert type(given) is pd.DataFrame
        assert list(given) == list(fitted.get_feature_names_out())
        assert given.index.equals(ROWS.index)
    array = positions.transform(ROWS.to_numpy())
    assert type(array) is np.ndarray
    np.testing.assert_array_equal(array, fitted.transform(ROWS).to_numpy(dtype="float64"))
    assert type(clone(by_position).fit_transform(ROWS.to_numpy(), Y)) is np.ndarray


@pytest.mark.parametrize(("by_name", "by_position"), TRANSFORMERS, ids=str)
def test_set_output_still_decides(by_name: Any, by_position: Any) -> None:
    plain = clone(by_name).fit(ROWS, Y).transform(ROWS)
    pandas = clone(by_name).set_output(transform="pandas").fit(ROWS, Y)
    pd.testing.assert_frame_equal(pandas.transform(ROWS), plain)
    arrays = clone(by_position).set_output(transform="pandas").fit(ROWS.to_numpy(), Y)
    framed = arrays.transform(ROWS.to_numpy())
    assert list(framed) == list(arrays.get_feature_names_out())


@pytest.mark.parametrize(("by_name", "by_position"), TRANSFORMERS, ids=str)
def test_the_next_step_sees_the_names(by_name: Any, by_position: Any) -> None:
    pipeline = make_pipeline(clone(by_name), StandardScaler()).fit(ROWS, Y)
    assert list(pipeline[-1].feature_names_in_) == list(pipeline[0].get_feature_names_out())
    columns = ColumnTransformer([("f", clone(by_name), list(ROWS))]).fit(ROWS, Y)
    assert type(columns.transform(ROWS)) is np.ndarray
