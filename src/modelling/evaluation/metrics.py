"""Metrics of predictions against true labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
from sklearn.metrics import (
    accuracy_score,
    f1_score,
    log_loss,
    mean_absolute_error,
    r2_score,
    root_mean_squared_error,
    root_mean_squared_log_error,
)

from validation.metrics import smape

PROBABILITY = "probability_"


def classification_metrics(
    truth: pd.Series[Any], predictions: pd.DataFrame, *, target: str, only: str | None = None
) -> dict[str, float]:
    """Accuracy, macro F1 and log loss (natural logarithm, lower is better), or `only` one of them.

    `predictions` has the predicted class as `target` and a column `probability_<class>` for each
    class.
    """
    names = [str(name) for name in predictions.columns]
    classes = sorted(name.removeprefix(PROBABILITY) for name in names if PROBABILITY in name)
    probabilities = predictions[[f"{PROBABILITY}{name}" for name in classes]]
    predicted = predictions[target].astype(truth.dtype)
    return _compute(
        {
            "accuracy": lambda: accuracy_score(truth, predicted),
            "macro_f1": lambda: f1_score(truth, predicted, average="macro"),
            "log_loss": lambda: log_loss(truth, probabilities.to_numpy(), labels=classes),
        },
        only,
    )


def regression_metrics(
    truth: pd.Series[Any],
    predictions: pd.DataFrame,
    *,
    target: str,
    logarithmic: bool = False,
    only: str | None = None,
) -> dict[str, float]:
    """Mean absolute and root mean squared error (unit of the target), R², and sMAPE (0 to 200).

    `predictions` has the predicted number as `target`. If it also has the interval's ends,
    `<target>_lower` and `<target>_upper`, `coverage` is the share of true values in their interval
    (0 to 1) and `interval_width` the median width (unit of the target). With `logarithmic`, `rmsle`
    is the root mean squared error of log(1 + value), for targets of at least 0. `only` computes one
    metric.
    """
    predicted = predictions[target]
    metrics: dict[str, Callable[[], float]] = {
        "mae": lambda: mean_absolute_error(truth, predicted),
        "rmse": lambda: root_mean_squared_error(truth, predicted),
        "r2": lambda: r2_score(truth, predicted),
        "smape": lambda: smape(truth, predicted),
    }
    if logarithmic:
        metrics["rmsle"] = lambda: root_mean_squared_log_error(truth, predicted)
    lower, upper = (predictions.get(f"{target}_{end}") for end in ("lower", "upper"))
    if lower is not None and upper is not None:
        metrics |= {
            "coverage": lambda: truth.between(lower, upper).mean(),
            "interval_width": lambda: (upper - lower).median(),
        }
    return _compute(metrics, only)


def _compute(metrics: Mapping[str, Callable[[], float]], only: str | None) -> dict[str, float]:
    """Compute all metrics, or only one: a bootstrap computes it a thousand times."""
    return {name: float(metrics[name]()) for name in ([only] if only else metrics)}
