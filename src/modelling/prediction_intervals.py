"""Prediction intervals for regression: the last step of a pipeline, and its predictions."""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from mapie.conformity_scores import AbsoluteConformityScore, GammaConformityScore
from mapie.regression import CrossConformalRegressor
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

# The types in a fitted `IntervalRegressor`; `ModelDefinition.collect_trusted_types` reads them.
TRUSTED_TYPES = (
    "mapie.conformity_scores.bounds.absolute.AbsoluteConformityScore",
    "mapie.conformity_scores.bounds.gamma.GammaConformityScore",
    "mapie.estimator.regressor.EnsembleRegressor",
    "mapie.regression.regression.CrossConformalRegressor",
    "mapie.regression.regression._MapieRegressor",
    "modelling.prediction_intervals.IntervalRegressor",
    "sklearn.model_selection._split.KFold",
)

_SCORES = {"absolute": AbsoluteConformityScore, "gamma": GammaConformityScore}


class IntervalRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Adds conformal prediction intervals to any regressor.

    Cross-validation measures the residuals on rows that the regressor was not trained on. Their
    quantiles around a prediction are its interval. This is MAPIE's `CrossConformalRegressor` with
    the method `base`, which stores only one residual for each training row, as a step of a
    scikit-learn pipeline.

    Source: R. Foygel Barber, E. Candès, A. Ramdas, R. Tibshirani, "Predictive inference with the
    jackknife+", Annals of Statistics 49 (2021), 486-507. The paper calls this method CV. Unlike
    CV+, it guarantees no coverage, so the metric `coverage` measures it on the hold-out.

    Parameters:
        regressor: the regressor that predicts.
        confidence_level: the share of true values that the intervals should contain, 0 to 1.
        conformity_score: `absolute` gives intervals of constant width. `gamma` gives intervals
            that grow with the prediction, for targets above 0. Both ends have separate quantiles.
        folds: folds of the cross-validation.
    """

    def __init__(
        self,
        regressor: Any,
        *,
        confidence_level: float = 0.9,
        conformity_score: Literal["absolute", "gamma"] = "absolute",
        folds: int = 5,
        random_state: int | None = None,
    ) -> None:
        self.regressor = regressor
        self.confidence_level = confidence_level
        self.conformity_score = conformity_score
        self.folds = folds
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Self:
        """Fit on all rows, and measure the residuals by cross-validation."""
        self.conformal_ = CrossConformalRegressor(
            self.regressor,
            confidence_level=self.confidence_level,
            conformity_score=_SCORES[self.conformity_score](sym=False),
            method="base",
            cv=self.folds,
            random_state=self.random_state,
        ).fit_conformalize(X, y)
        return self

    def predict(self, X: Any) -> npt.NDArray[np.float64]:
        """The predictions without intervals, of shape (rows,)."""
        check_is_fitted(self, "conformal_")
        return np.asarray(self.conformal_.predict(X))

    def predict_interval(self, X: Any) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Predictions of shape (rows,), and lower and upper ends of shape (rows, 2)."""
        check_is_fitted(self, "conformal_")
        points, bounds = self.conformal_.predict_interval(X)
        return np.asarray(points), np.asarray(bounds)[:, :, 0]


def predict_intervals(model: Pipeline, rows: pd.DataFrame, *, target: str) -> pd.DataFrame:
    """The columns `target`, `<target>_lower` and `<target>_upper`, all float64, for each row.

    The last step of `model` is an `IntervalRegressor`.
    """
    points, bounds = model[-1].predict_interval(model[:-1].transform(rows))
    return pd.DataFrame(
        {target: points, f"{target}_lower": bounds[:, 0], f"{target}_upper": bounds[:, 1]},
        index=rows.index,
    )
