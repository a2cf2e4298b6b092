from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from validation.bootstrap import Interval, gain_interval


def error(truth: pd.Series[Any], predictions: pd.DataFrame) -> float:
    return float((truth - predictions["y"]).abs().mean())


def interval(
    truth: pd.Series[Any], own: pd.DataFrame, other: pd.DataFrame, **options: Any
) -> Interval:
    settings = {"higher_is_better": False, "confidence": 0.9, "resamples": 200} | options
    return gain_interval(error, truth, own, other, **settings)


@pytest.fixture
def noisy() -> tuple[pd.Series[Any], pd.DataFrame, pd.DataFrame]:
    """The second is worse by 0.5 in each row, far less than what the rows differ by."""
    rng = np.random.default_rng(3)
    error = rng.uniform(0, 100, 60)
    frames = (pd.DataFrame({"y": error + worse}) for worse in (0.0, 0.5))
    return (pd.Series(np.zeros(60)), *frames)  # type: ignore[return-value]


def test_rows_are_paired_so_a_small_steady_gain_is_certain(noisy: Any) -> None:
    found = interval(*noisy)
    assert [found.low, found.high] == pytest.approx([0.5, 0.5])
    truth, own, other = noisy
    worse = interval(truth, other, own)
    assert worse.high == pytest.approx(-0.5)


def test_the_same_seed_gives_the_same_interval_and_more_confidence_a_wider_one() -> None:
    rng = np.random.default_rng(0)
    truth = pd.Series(np.zeros(40))
    own, other = (pd.DataFrame({"y": rng.normal(size=40)}) for _ in range(2))
    narrow, again, wide, seeded = (
        interval(truth, own, other, **options)
        for options in ({}, {}, {"confidence": 0.99}, {"seed": 1})
    )
    assert narrow == again
    assert narrow != seeded
    assert wide.low < narrow.low < narrow.high < wide.high


def test_where_more_is_better_the_gain_has_the_other_sign(noisy: Any) -> None:
    assert interval(*noisy, higher_is_better=True).low == pytest.approx(-0.5)


def test_rows_of_one_group_are_drawn_together() -> None:
    rng = np.random.default_rng(0)
    groups = pd.Series(np.repeat(np.arange(10), 50))
    truth = pd.Series(np.zeros(500))
    own = pd.DataFrame({"y": np.zeros(500)})
    other = pd.DataFrame({"y": rng.normal(size=10)[groups]})
    alone, together = interval(truth, own, other), interval(truth, own, other, groups=groups)
    assert together.high - together.low > 3 * (alone.high - alone.low)


def test_a_single_row_says_nothing() -> None:
    one = pd.DataFrame({"y": [1.0]})
    found = interval(pd.Series([1.0]), one, one)
    assert np.isnan(found.low)
    assert str(found) == "90% interval unknown"


def test_an_interval_is_told_with_its_signs() -> None:
    assert str(Interval(-0.5, 0.25, 0.95)) == "95% interval -0.5000 to +0.2500"
