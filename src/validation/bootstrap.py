"""How certain a difference between two models is, by the bootstrap."""

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
    """Where a gain lies with that confidence; NaN where nothing can be said."""

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
    """The interval of what the challenger gains on the champion; above 0 is better.

    Paired: both are scored on the same resampled rows, so what makes a row hard for both cancels
    out. Where rows come in `groups`, whole groups are drawn: rows of one are no independent
    evidence. Percentile interval: BCa's correction needs a score without each single row, and gives
    none where two models differ in a few rows only, as they often do on a small hold-out.
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
        # A resample may lack a class; its score then says so, a thousand times.
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
    """The places of the rows that are drawn together."""
    if groups is None:
        return list(np.arange(rows).reshape(-1, 1))
    codes = pd.factorize(groups, use_na_sentinel=False)[0]
    order = np.argsort(codes, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)
