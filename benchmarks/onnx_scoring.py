"""Compare onnxruntime with scikit-learn, for the final estimators of our three models.

    python3.13 -m venv /tmp/onnx
    /tmp/onnx/bin/pip install skl2onnx onnxruntime scikit-learn==1.9.1 pandas
    /tmp/onnx/bin/python benchmarks/onnx_scoring.py

It needs a separate environment, because ONNX was rejected: see docs/pages/decisions/onnx.md. Each
estimator predicts one batch of `predict` on one core. The two alternate, and the median of the
ratios is printed. The predictions are compared row by row.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime  # pants: no-infer-dep
from skl2onnx import to_onnx  # pants: no-infer-dep
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

BATCH_ROWS = 262_144
NOISE = 0.1
DECIMALS = 2
# Relative to the largest absolute value.
TOLERANCE = 1e-6
# It goes on with the whole model.
SHOWN_OF_A_REASON = 80
DTYPES = (np.float32, np.float64)
Values = npt.NDArray[Any]


def estimators() -> dict[str, tuple[Any, Values]]:
    """The fitted estimators, each with its training rows."""
    flowers, species = load_iris(return_X_y=True)
    patients, progression = load_diabetes(return_X_y=True)
    boost = HistGradientBoostingRegressor(
        loss="absolute_error", max_iter=60, max_leaf_nodes=8, random_state=0
    )
    forest = RandomForestClassifier(min_samples_leaf=3, random_state=0)
    return {
        "forest (iris)": (forest.fit(flowers, species), flowers),
        "ridge (diabetes)": (
            make_pipeline(StandardScaler(), Ridge()).fit(patients, progression),
            patients,
        ),
        "boosting (company_emissions)": (boost.fit(patients, progression), patients),
    }


def noisy(rows: Values) -> Values:
    """A batch of rows with noise, so that few are equal; rounded like measurements."""
    random = np.random.default_rng(0)
    drawn = rows[random.integers(len(rows), size=BATCH_ROWS)]
    moved = drawn + random.normal(0, NOISE * rows.std(axis=0), drawn.shape)
    return np.asarray(moved.round(DECIMALS))


def convert(estimator: Any, rows: Values, dtype: Any) -> Callable[[Values], Values]:
    """The estimator's prediction by onnxruntime, on one core."""
    classifies = hasattr(estimator, "predict_proba")
    options = {id(estimator): {"zipmap": False}} if classifies else None
    model = to_onnx(estimator, rows[:1].astype(dtype), options=options)
    one_core = onnxruntime.SessionOptions()
    one_core.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), one_core)
    (given,) = (argument.name for argument in session.get_inputs())
    output = session.get_outputs()[-1].name
    return lambda batch: np.asarray(session.run([output], {given: batch.astype(dtype)})[0])


def measure_time(function: Callable[[Values], Values], batch: Values) -> tuple[float, Values]:
    start = time.perf_counter()
    result = function(batch)
    return time.perf_counter() - start, result


def main(rounds: int) -> None:
    print(f"{'':30}{'':9}{'onnxruntime / scikit-learn':>28}{'rows that differ':>18}")
    for name, (estimator, rows) in estimators().items():
        batch = noisy(rows)
        own = getattr(estimator, "predict_proba", estimator.predict)
        for dtype in DTYPES:
            try:
                other = convert(estimator, rows, dtype)
            except ValueError as error:
                reason = str(error)[:SHOWN_OF_A_REASON].partition(" with ")[0]
                print(f"{name:30}{dtype.__name__:9}does not convert: {reason}", flush=True)
                continue
            ratios = []
            for _ in range(rounds):
                seconds, expected = measure_time(own, batch)
                others, result = measure_time(other, batch)
                ratios.append(others / seconds)
            difference = np.abs(result.reshape(expected.shape) - expected)
            far = (
                difference.reshape(BATCH_ROWS, -1).max(axis=1) > TOLERANCE * np.abs(expected).max()
            )
            print(
                f"{name:30}{dtype.__name__:9}{median(ratios):28.2f}{far.mean():18.2%}", flush=True
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5, help="default: 5")
    main(parser.parse_args().rounds)
