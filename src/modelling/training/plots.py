"""Draw how well a model predicts the hold-out."""

from __future__ import annotations

from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.metrics import ConfusionMatrixDisplay

matplotlib.use("Agg")

# More points would overlap, and make the file large.
SHOWN_POINTS = 2_000
SHOWN_COLUMNS = 20


def draw_confusion_matrix(truth: pd.Series[Any], predicted: pd.Series[Any]) -> Figure:
    """Draw the counts of rows by true and predicted class."""
    figure = Figure(figsize=(5, 4.5), layout="constrained")
    axes = figure.subplots()
    ConfusionMatrixDisplay.from_predictions(
        truth, predicted.astype(truth.dtype), ax=axes, cmap="Blues", colorbar=False
    )
    axes.set_title(f"Hold-out, {len(truth)} rows")
    return figure


def draw_predicted_against_true(
    truth: pd.Series[Any], predictions: pd.DataFrame, *, target: str
) -> Figure:
    """Draw each true value with its prediction and the prediction's interval, if there is one.

    Intervals that miss the true value have another colour. Axes are logarithmic if all values are
    positive and span more than two orders of magnitude.
    """
    figure = Figure(figsize=(5.5, 5), layout="constrained")
    axes = figure.subplots()
    shown = predictions.assign(truth=truth.to_numpy())
    shown = shown.sample(min(SHOWN_POINTS, len(shown)), random_state=0).sort_values("truth")
    lower, upper = (f"{target}_{end}" for end in ("lower", "upper"))
    if {lower, upper} <= {*shown.columns}:
        inside = shown["truth"].between(shown[lower], shown[upper])
        for name, colour, rows in (
            ("interval contains true value", "tab:blue", shown[inside]),
            ("interval misses true value", "tab:red", shown[~inside]),
        ):
            axes.vlines(
                rows["truth"], rows[lower], rows[upper], colour, alpha=0.35, lw=1, label=name
            )
    axes.scatter(shown["truth"], shown[target], s=9, color="black", label="prediction", zorder=3)
    ends = shown["truth"].min(), shown["truth"].max()
    axes.plot(ends, ends, color="grey", lw=1, ls="--", label="perfect")
    if ends[0] > 0 and ends[1] / ends[0] > 100 and shown[target].min() > 0:
        axes.set_xscale("log")
        axes.set_yscale("log")
    axes.set(xlabel=f"true {target}", ylabel=f"predicted {target}")
    axes.set_title(f"Hold-out, {len(truth):,} rows")
    axes.legend(fontsize="small")
    return figure


def draw_importances(importance: pd.DataFrame, *, scorer: str) -> Figure:
    """Draw the importance of each column with its deviation, the largest at the top."""
    shown = importance.head(SHOWN_COLUMNS).iloc[::-1]
    figure = Figure(figsize=(6, 1 + 0.32 * len(shown)), layout="constrained")
    axes = figure.subplots()
    axes.barh(np.arange(len(shown)), shown["mean"], xerr=shown["std"], color="tab:blue")
    axes.set_yticks(np.arange(len(shown)), shown["column"])
    axes.axvline(0, color="black", lw=0.8)
    axes.set_xlabel(f"loss of {scorer} when the column is shuffled")
    return figure
