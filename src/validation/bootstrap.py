"""The bootstrap interval of a difference between two models."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import bootstrap

SEED = 0

type Score = Callable[[pd.Series[Any], pd.DataFrame], float]


@dataclass(frozen=True)
class Interval:
    """The interval of a gain; its ends are NaN if it is unknown."""

    low: float
    high: float
    confidence: float

    def __str__(self) -> str:
        if np.isnan(self.low):
            return f"{self.confidence:.0%} interval unknown"
        return f"{self.confidence:.0%} interval {self.low:+.4f} to {self.high:+.4f}"


def gain_interval(
    score: Score,
    truth: pd.Series[Any],
    challenger: pd.DataFrame,
    champion: pd.DataFrame,
    *,
    higher_is_better: bool,
    confidence: float,
    resamples: int,
    groups: pd.Series[Any] | None = None,
    seed: int = SEED,
) -> Interval:
    """The percentile interval of the challenger's gain over the champion; above 0 is better.

    The bootstrap is paired: both models are scored on the same resampled rows, so that rows that
    are hard for both cancel out. With `groups`, whole groups are drawn, because their rows are not
    independent. The BCa interval is not used: it is undefined if two models differ in a few rows
    only, as they often do on a small hold-out.
    """
    units = _units(len(truth), groups)
    truth = truth.reset_index(drop=True)
    challenger = challenger.reset_index(drop=True)
    champion = champion.reset_index(drop=True)
    if len(units) < 2:
        return Interval(np.nan, np.nan, confidence)

    def gain(drawn: npt.NDArray[np.int64]) -> float:
        rows = np.concatenate([units[unit] for unit in drawn])
        own, other = (
            score(truth.iloc[rows], predictions.iloc[rows])
            for predictions in (challenger, champion)
        )
        return own - other if higher_is_better else other - own

    with warnings.catch_warnings():
        # A resample may lack a class, and the score warns about it each time.
        warnings.simplefilter("ignore")
        found = bootstrap(
            (np.arange(len(units)),),
            gain,
            vectorized=False,
            n_resamples=resamples,
            confidence_level=confidence,
            method="percentile",
            rng=np.random.default_rng(seed),
        )
    low, high = found.confidence_interval
    return Interval(float(low), float(high), confidence)


def _units(rows: int, groups: pd.Series[Any] | None) -> list[npt.NDArray[np.int64]]:
    """The positions of the rows that are drawn together."""
    if groups is None:
        return list(np.arange(rows).reshape(-1, 1))
    codes = pd.factorize(groups, use_na_sentinel=False)[0]
    order = np.argsort(codes, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)
