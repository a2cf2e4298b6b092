"""The population stability index (PSI): how far the distribution of a column has moved."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

QUANTILES = 10
# A number gets its own bin if it has at least this share of the rows.
FREQUENT = 0.05
# An empty bin would make the index infinite.
MIN_SHARE = 1e-4


def population_stability(
    reference: npt.NDArray[np.float64], current: npt.NDArray[np.float64]
) -> float:
    """The index of two arrays of counts by the same bins; 0 if their shares are equal."""
    shares = [np.maximum(counts / counts.sum(), MIN_SHARE) for counts in (reference, current)]
    return float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())


def number_bins(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The largest value of each bin except the last one, from the values of the reference.

    Bins end at the deciles. Each frequent value has its own bin, and so have all numbers below the
    smallest value and all above the largest, so that every move changes the counts.
    """
    if not len(values):
        return values
    # Quantiles that are values themselves: interpolation between infinite values gives NaN.
    deciles = np.quantile(values, np.linspace(0, 1, QUANTILES + 1), method="inverted_cdf")
    distinct, rows = np.unique(values, return_counts=True)
    frequent = distinct[rows >= max(2, FREQUENT * len(values))]
    below = np.nextafter([distinct[0], *frequent], -np.inf)
    return np.unique(np.concatenate([deciles, frequent, below]))


def count_by_bin(
    values: npt.NDArray[np.float64], bins: npt.NDArray[np.float64], missing: int
) -> npt.NDArray[np.float64]:
    """The number of values in each bin, followed by the number of missing values."""
    counts = np.bincount(np.searchsorted(bins, values), minlength=len(bins) + 1)
    return np.append(counts, missing).astype("float64")
