"""Cross-validate a model on its training rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from pandera.typing import DataFrame
from sklearn.model_selection import GroupKFold, cross_validate
from sklearn.pipeline import Pipeline

from cli.errors import InputError
from modelling.definition import ModelDefinition


def score_folds(
    definition: ModelDefinition, pipeline: Pipeline, labelled: DataFrame[Any], folds: int
) -> dict[str, npt.NDArray[np.float64]]:
    """The score of each fold by each of the definition's scorers; higher is better.

    Raises:
        InputError: there are fewer rows, groups or rows of a class than folds.
    """
    grouped = definition.groups is not None
    try:
        results = cross_validate(
            pipeline,
            labelled[definition.input_columns()],
            labelled[definition.target],
            groups=labelled[definition.groups] if grouped else None,
            cv=GroupKFold(folds) if grouped else folds,
            scoring=dict(definition.cross_validation),
        )
    except ValueError as error:
        if "n_splits" not in str(error):
            raise
        raise InputError(
            f"--folds {folds}: too many for the {len(labelled):,} training rows ({error})."
        ) from error
    return {name: results[f"test_{name}"] for name in definition.cross_validation}


def summarize_folds(
    definition: ModelDefinition, scores: Mapping[str, npt.NDArray[np.float64]]
) -> dict[str, float]:
    """Metrics `cv_<name>_mean` and `cv_<name>_std` over the folds; losses are positive."""
    metrics: dict[str, float] = {}
    for name, values in scores.items():
        negated = definition.cross_validation[name].startswith("neg_")
        metrics |= {
            f"cv_{name}_mean": float(-values.mean() if negated else values.mean()),
            f"cv_{name}_std": float(values.std(ddof=1)),
        }
    return metrics
