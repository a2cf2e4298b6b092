"""What a pipeline makes of the labelled rows on the way, as tables to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pandas as pd
from pandera.errors import SchemaErrors
from sklearn.pipeline import Pipeline

from config.errors import InputError, UserError
from config.task import LoadSettings
from config.terminal import show_table
from data_access_layer.atomic import staged
from data_access_layer.commit.manifest import Manifest
from data_access_layer.commit.staged_table import staged_table
from data_access_layer.files import FilePath, file_sha256, format_of
from data_access_layer.open import destination_file
from data_access_layer.writer import TableWriter
from models.compatibility import git_commit
from models.definition import ModelDefinition
from models.settings import FeaturesSettings, PreprocessSettings
from models.training import Split, split
from validation.contract import FailureCollector

FEATURES = "features"
SEED = 0


def write_features(
    definition: ModelDefinition, settings: FeaturesSettings, load_settings: LoadSettings
) -> None:
    """Write what the pipeline's step `features` makes of each labelled row, with the target.

    Raises:
        InputError: the pipeline has no such step.
        UserError: the features break their contract.
    """
    rows = split(definition, load_settings)
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
    output = destination_file(
        settings.output or f"features/{definition.name}.parquet", load_settings, option="--output"
    )
    _write(definition, features, output)
    _show(f"{definition.name}: features", {"all labelled rows": features}, output)


def write_preprocessed(
    definition: ModelDefinition, settings: PreprocessSettings, load_settings: LoadSettings
) -> None:
    """Write what the pipeline's last step sees, with the target: training rows and hold-out.

    All is fitted on the training rows alone, as `train` does.
    """
    rows = split(definition, load_settings)
    fitted = _fitted(definition, definition.build_pipeline(SEED)[:-1], rows)
    parts = {
        "training": _transformed(definition, fitted, rows.training),
        "hold_out": _transformed(definition, fitted, rows.hold_out),
    }
    folder = Path(settings.output or f"preprocessed/{definition.name}")
    with staged(folder) as staging:
        staging.mkdir()
        for name, part in parts.items():
            _write(definition, part, staging / f"{name}.parquet")
    _show(f"{definition.name}: preprocessed", parts, folder)


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
    try:
        contract.validate(features.drop(columns=definition.target), lazy=True)
    except SchemaErrors as errors:
        failures = FailureCollector()
        failures.add(errors, features, source=f"{definition.name}'s features", first_row=1)
        raise UserError(str(failures.error())) from errors


def _write(definition: ModelDefinition, frame: pd.DataFrame, path: FilePath) -> None:
    with staged_table(path) as table:
        with TableWriter(str(table.path), format=format_of(path)) as writer:
            writer.write(frame)
        table.manifest = Manifest(
            rows=len(frame),
            columns={str(name): str(dtype) for name, dtype in frame.dtypes.items()},
            sha256=file_sha256(table.path),
            source=f"{definition.name} labelled rows",
            model=definition.name,
            model_version="",
            git_commit=git_commit(),
        )


def _show(title: str, parts: dict[str, pd.DataFrame], output: FilePath) -> None:
    rows = [(name, f"{len(part):,} rows x {part.shape[1]} columns") for name, part in parts.items()]
    show_table(title, ["", ""], [*rows, ("output", str(output))])
