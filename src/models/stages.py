"""What a pipeline makes of the labelled rows on the way, as tables to look at."""

from __future__ import annotations

from typing import Any, cast

import pandas as pd
from sklearn.pipeline import Pipeline

from config.errors import InputError, UserError
from config.task import TaskContext
from config.terminal import show_table
from data_access_layer.commit.destination import Destination, Origin
from data_access_layer.commit.staging import staged_output
from data_access_layer.formats.writer import as_batches
from data_access_layer.open import file_or_folder, open_destination
from data_access_layer.tables.written_file import FileDestination
from datasets.checks import FailureCollector
from models.compatibility import git_commit
from models.definition import ModelDefinition
from models.settings import FeaturesSettings, PreprocessSettings
from models.training import Split, split

FEATURES = "features"
SEED = 0


def write_features(
    definition: ModelDefinition, settings: FeaturesSettings, context: TaskContext
) -> None:
    """Write what the pipeline's step `features` makes of each labelled row, with the target.

    Raises:
        InputError: the pipeline has no such step.
        UserError: the features break their contract.
    """
    rows = split(definition, context)
    pipeline = definition.build_pipeline(SEED)
    if FEATURES not in pipeline.named_steps:
        raise InputError(
            f"{definition.name}: the pipeline has no step {FEATURES!r}; it has "
            f"{', '.join(pipeline.named_steps)}. Name the step that computes columns so."
        )
    place = [name for name, _ in pipeline.steps].index(FEATURES)
    fitted = _fitted(definition, pipeline[: place + 1], rows)
    labelled = pd.concat([rows.training, rows.hold_out], ignore_index=True)
    features = _transformed(definition, fitted, labelled)
    _check(definition, features)
    output = settings.output or f"features/{definition.name}.parquet"
    destination = open_destination(output, context, option="--output")
    destination.check(len(features))
    _write(definition, features, destination)
    _show(f"{definition.name}: features", {"all labelled rows": features}, destination.location)


def write_preprocessed(
    definition: ModelDefinition, settings: PreprocessSettings, context: TaskContext
) -> None:
    """Write what the pipeline's last step sees, with the target: training rows and hold-out.

    All is fitted on the training rows alone, as `train` does.
    """
    rows = split(definition, context)
    fitted = _fitted(definition, definition.build_pipeline(SEED)[:-1], rows)
    parts = {
        "training": _transformed(definition, fitted, rows.training),
        "hold_out": _transformed(definition, fitted, rows.hold_out),
    }
    output = settings.output or f"preprocessed/{definition.name}"
    folder = file_or_folder(output, context, option="--output")
    with staged_output(folder) as staging:
        staging.mkdir()
        for name, part in parts.items():
            file = FileDestination(staging / f"{name}.parquet", "parquet")
            _write(definition, part, file)
    _show(f"{definition.name}: preprocessed", parts, output)


def _fitted(definition: ModelDefinition, steps: Pipeline, rows: Split) -> Pipeline:
    inputs = rows.training[definition.input_columns()]
    steps.set_output(transform="pandas")
    return cast("Pipeline", steps.fit(inputs, rows.training[definition.target]))


def _transformed(
    definition: ModelDefinition, steps: Pipeline, labelled: pd.DataFrame
) -> pd.DataFrame:
    made: pd.DataFrame = steps.transform(labelled[definition.input_columns()])
    return made.assign(**{definition.target: labelled[definition.target].to_numpy()})


def _check(definition: ModelDefinition, features: pd.DataFrame) -> None:
    contract: Any = definition.feature_contract
    if contract is None:
        return
    failures = FailureCollector()
    inputs = features.drop(columns=definition.target)
    failures.check(contract, inputs, source=f"{definition.name}'s features")
    if failures:
        raise UserError(str(failures.error()))


def _write(definition: ModelDefinition, frame: pd.DataFrame, destination: Destination) -> None:
    origin = Origin(
        source=f"{definition.name} labelled rows", model=definition.name, git_commit=git_commit()
    )
    destination.replace(as_batches([frame]), origin)


def _show(title: str, parts: dict[str, pd.DataFrame], output: str) -> None:
    rows = [(name, f"{len(part):,} rows x {part.shape[1]} columns") for name, part in parts.items()]
    show_table(title, ["", ""], [*rows, ("output", output)])
