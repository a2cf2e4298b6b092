from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from pandas.testing import assert_frame_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from modelling.evaluation.metrics import regression_metrics
from modelling.prediction_intervals import TRUSTED_TYPES, IntervalRegressor, predict_intervals
from validation.gate import Gate, judge


def noisy_line(rows: int, seed: int) -> tuple[pd.DataFrame, pd.Series[float]]:
    """Twice x, give or take 1 (normally distributed)."""
    draws = np.random.default_rng(seed)
    x = draws.uniform(1, 100, rows)
    return pd.DataFrame({"x": x}), pd.Series(2 * x + draws.normal(size=rows))


def fitted(*, rows: int = 500, **options: Any) -> Pipeline:
    regressor = IntervalRegressor(LinearRegression(), random_state=0, **options)
    return Pipeline([("scale", StandardScaler()), ("regress", regressor)]).fit(*noisy_line(rows, 1))


@pytest.mark.parametrize("confidence", [0.5, 0.9])
def test_the_interval_holds_as_many_truths_as_it_says(confidence: float) -> None:
    rows, truth = noisy_line(20_000, 2)
    predictions = predict_intervals(
        fitted(rows=5_000, confidence_level=confidence), rows, target="y"
    )
    metrics = regression_metrics(truth, predictions, target="y")
    assert metrics["coverage"] == pytest.approx(confidence, abs=0.03)
    # Of a normal distribution with deviation 1.
    width = {0.5: 2 * 0.674, 0.9: 2 * 1.645}[confidence]
    assert metrics["interval_width"] == pytest.approx(width, rel=0.1)
    assert list(predictions) == ["y", "y_lower", "y_upper"]
    assert metrics["mae"] == pytest.approx(np.sqrt(2 / np.pi), rel=0.05)
    assert metrics["rmse"] == pytest.approx(1, rel=0.05)


def test_a_gamma_score_widens_the_interval_with_the_prediction() -> None:
    model = fitted(conformity_score="gamma")
    found = predict_intervals(model, pd.DataFrame({"x": [10.0, 50.0]}), target="y")
    small, large = found["y_upper"] - found["y_lower"]
    assert large / small == pytest.approx(5, rel=0.05)


def test_the_rows_keep_their_index_and_stay_as_they_are() -> None:
    rows = pd.DataFrame({"x": [10.0, 50.0]}, index=[7, 3])
    before = rows.copy()
    assert list(predict_intervals(fitted(), rows, target="y").index) == [7, 3]
    assert_frame_equal(rows, before)


def test_it_is_stored_without_pickle_and_comes_back_the_same() -> None:
    model = fitted()
    stored = skops.io.dumps(model)
    assert set(skops.io.get_untrusted_types(data=stored)) <= set(TRUSTED_TYPES)
    again = skops.io.loads(stored, trusted=list(TRUSTED_TYPES))
    rows, _ = noisy_line(20, 3)
    assert_frame_equal(
        predict_intervals(again, rows, target="y"), predict_intervals(model, rows, target="y")
    )


def test_a_clone_is_not_fitted() -> None:
    copy = clone(fitted()[-1])
    with pytest.raises(NotFittedError):
        copy.predict_interval(np.ones((1, 1)))


def test_metrics_without_an_interval_say_nothing_about_one() -> None:
    metrics = regression_metrics(
        pd.Series([1.0, 2.0, 3.0]), pd.DataFrame({"y": [1.0, 2.0, 5.0]}), target="y"
    )
    # The last row is off by 2, of 3 and 5.
    assert metrics == pytest.approx(
        {"mae": 2 / 3, "rmse": np.sqrt(4 / 3), "r2": -1.0, "smape": 100 / 3 * (2 * 2 / 8)}
    )


@pytest.mark.parametrize(("limit", "passed"), [(17, True), (16, False)])
def test_a_gate_takes_smape_as_metric_and_limit(limit: float, passed: bool) -> None:
    truth, rows = pd.Series([1.0, 2.0, 3.0]), pd.DataFrame({"y": [1.0, 2.0, 5.0]})
    metrics = regression_metrics(truth, rows, target="y")
    gate = Gate(metric="smape", higher_is_better=False, at_least={}, at_most={"smape": limit})
    verdict = judge(gate, metrics, {"smape": 20.0})
    assert verdict.passed is passed
    assert verdict.reasons[-1] == "smape 16.6667, champion's 20.0000: better"
