"""Metrics of predictions against true labels."""

from __future__ import annotations

from typing import Any

import pandas as pd
from sklearn.metrics import accuracy_score, f1_score, log_loss

PROBABILITY = "probability_"


def classification_metrics(
    truth: pd.Series[Any], predictions: pd.DataFrame, *, target: str
) -> dict[str, float]:
    """Accuracy, macro F1 and log loss (natural logarithm, lower is better).

    `predictions` holds the predicted class under `target` and one `probability_<class>` column for
    each class.
    """
    names = [str(name) for name in predictions.columns]
    classes = sorted(name.removeprefix(PROBABILITY) for name in names if PROBABILITY in name)
    probabilities = predictions[[f"{PROBABILITY}{name}" for name in classes]]
    predicted = predictions[target].astype(truth.dtype)
    return {
        "accuracy": float(accuracy_score(truth, predicted)),
        "macro_f1": float(f1_score(truth, predicted, average="macro")),
        "log_loss": float(log_loss(truth, probabilities.to_numpy(), labels=classes)),
    }
