"""Write the features of a model's labelled rows as a table."""

from __future__ import annotations

from typing import Any

import pandas as pd

from cli.errors import InputError, UserError
from cli.task import TaskContext
from data_access_layer.open import open_destination
from datasets.checks import FailureCollector
from modelling.definition import ModelDefinition
from modelling.settings import FeaturesSettings
from modelling.training.intermediate_tables import (
    SEED,
    fit_steps,
    show_written,
    transform_labelled,
    write_table,
)
from modelling.training.split import split

FEATURES = "features"


def write_features(
    definition: ModelDefinition, settings: FeaturesSettings, context: TaskContext
) -> None:
    """Write the output of the pipeline's step `features` for each labelled row, with the target.

    Raises:
        InputError: the pipeline has no such step.
        UserError: the features break their contract.
    """
    rows = split(definition, context)
    pipeline = definition.build_pipeline(SEED)
    if FEATURES not in pipeline.named_steps:
        raise InputError(
            f"{definition.name}: the pipeline has no step {FEATURES!r}; it has "
            f"{', '.join(pipeline.named_steps)}. Give this name to the step that computes columns."
        )
    place = [name for name, _ in pipeline.steps].index(FEATURES)
    fitted = fit_steps(definition, pipeline[: place + 1], rows)
    labelled = pd.concat([rows.training, rows.hold_out], ignore_index=True)
    features = transform_labelled(definition, fitted, labelled)
    _check(definition, features)
    output = settings.output or f"features/{definition.name}.parquet"
    destination = open_destination(output, context, option="--output")
    destination.check(len(features))
    write_table(definition, features, destination)
    show_written(
        f"{definition.name}: features", {"all labelled rows": features}, destination.location
    )


def _check(definition: ModelDefinition, features: pd.DataFrame) -> None:
    contract: Any = definition.feature_contract
    if contract is None:
        return
    failures = FailureCollector()
    inputs = features.drop(columns=definition.target)
    failures.check(contract, inputs, source=f"{definition.name}'s features")
    if failures:
        raise UserError(str(failures.error()))
