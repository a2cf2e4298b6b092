"""Pictures that are logged beside a run's metrics."""

from __future__ import annotations

from typing import Any

import matplotlib
import pandas as pd
from matplotlib.figure import Figure
from sklearn.metrics import ConfusionMatrixDisplay

matplotlib.use("Agg")


def confusion_matrix(truth: pd.Series[Any], predicted: pd.Series[Any]) -> Figure:
    """Counts of the true against the predicted classes."""
    figure = Figure(figsize=(5, 4.5), layout="constrained")
    axes = figure.subplots()
    ConfusionMatrixDisplay.from_predictions(
        truth, predicted.astype(truth.dtype), ax=axes, cmap="Blues", colorbar=False
    )
    axes.set_title(f"Hold-out, {len(truth)} rows")
    return figure
