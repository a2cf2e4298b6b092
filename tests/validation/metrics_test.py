from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from validation.metrics import smape


@pytest.mark.parametrize(
    ("truth", "predicted", "expected"),
    [
        ([1, 2, 3], [1, 2, 3], 0),
        ([100], [150], 40),
        ([150], [100], 40),
        # 2 · 1 / 3, 2 · 2 / 6 and 0, of 3 rows.
        ([1, 2, 5], [2, 4, 5], 100 / 3 * (2 / 3 + 2 / 3)),
        ([-100], [-150], 40),
        ([1, 2, 3, 4, 5], [0, 0, 0, 0, 0], 200),
        ([1], [-1], 200),
        ([0, 0], [0, 0], 0),
        ([0, 10], [0, 10], 0),
        ([0, 10], [5, 10], 100),
        ([0.0, -0.0], [-0.0, 1.0], 100),
        # The sum of the two would overflow, or vanish.
        ([1e308], [-1e308], 200),
        ([5e-324], [0.0], 200),
    ],
)
def test_smape_by_hand(truth: list[float], predicted: list[float], expected: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert smape(truth, predicted) == pytest.approx(expected)
        assert smape(np.array(truth), pd.Series(predicted, index=range(7, 7 + len(truth)))) == (
            pytest.approx(expected)
        )


FINITE = st.floats(allow_nan=False, allow_infinity=False)


# The sum of the values overflows in both directions, in an order that gives no number.
@example([(0.0, 0.0)] * 8 + [(9e307, 0.0), (-1.7e308, 0.0), (-1.7e308, 0.0)] * 8)
@given(st.lists(st.tuples(FINITE, FINITE), min_size=1))
def test_smape_is_symmetric_and_a_number_from_0_to_200(pairs: list[tuple[float, float]]) -> None:
    truth, predicted = zip(*pairs, strict=True)
    found = smape(truth, predicted)
    assert 0 <= found <= 200 * (1 + 1e-12)
    assert found == smape(predicted, truth)
    assert (found == 0) == (truth == predicted)


@pytest.mark.parametrize(
    ("truth", "predicted", "message"),
    [
        ([1, 2], [1], "inconsistent numbers of samples"),
        ([], [], "0 sample"),
        ([1, np.nan], [1, 2], "truth contains NaN"),
        ([1, 2], [1, np.inf], "predicted contains infinity"),
        ([1, 2], [[1, 2], [3, 4]], "y should be a 1d array, got an array of shape"),
        (["a"], [1], "could not convert string to float"),
    ],
)
def test_smape_refuses_what_it_cannot_compare(truth: Any, predicted: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        smape(truth, predicted)
