"""Metrics that scikit-learn lacks."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import check_array, check_consistent_length, column_or_1d


def smape(truth: Any, predicted: Any) -> float:
    """The symmetric mean absolute percentage error, from 0 to 200; lower is better.

    100/n · Σ 2|ŷ-y| / (|y|+|ŷ|); a row counts 0 if both are 0.

    Raises:
        ValueError: a value is missing or infinite, there are no rows, more than one column, or
            different numbers of predictions and true values.
    """
    check_consistent_length(truth, predicted)
    y, estimate = _numbers(truth, "truth"), _numbers(predicted, "predicted")
    # Scale both by the same power of two, so that no sum overflows; this is exact.
    _, exponent = np.frexp(np.maximum(np.abs(y), np.abs(estimate)))
    y, estimate = np.ldexp(y, -exponent), np.ldexp(estimate, -exponent)
    size = np.abs(y) + np.abs(estimate)
    error = np.divide(2 * np.abs(estimate - y), size, out=np.zeros_like(size), where=size > 0)
    return float(100 * np.mean(error))


def _numbers(values: Any, name: str) -> npt.NDArray[np.float64]:
    # `check_array` first adds up the values, which may overflow.
    with np.errstate(over="ignore", invalid="ignore"):
        checked = check_array(values, dtype=np.float64, ensure_2d=False, input_name=name)
    return np.asarray(column_or_1d(checked))
