"""Training: cross-validate, fit, judge on the hold-out, log, register, perhaps promote."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandera.typing import DataFrame
from sklearn.model_selection import (
    GroupKFold,
    GroupShuffleSplit,
    cross_validate,
    train_test_split,
)
from sklearn.pipeline import Pipeline

from config.errors import InputError
from config.task import TaskContext
from config.terminal import say, show_table
from data_access_layer.open import read_text
from models.compatibility import Compatibility, frame_fingerprint, used_requirements
from models.definition import ModelDefinition
from models.judging import HOLD_OUT, HOLD_OUT_FINGERPRINT, judged, scored, settle
from models.settings import TrainSettings
from models.stored_structure import is_in_space
from models.tracking import Registry

if TYPE_CHECKING:
    from mlflow import ActiveRun
    from mlflow.entities.model_registry import ModelVersion

EXAMPLE_ROWS = 5
SPLIT_SEED = 0
# Settings as they are where no command line says otherwise.
DEFAULTS: TaskContext = TaskContext()

# What `log_results` takes. Prediction trains without the libraries that draw and write it.
type Report = Callable[[Trained], Mapping[str, object]]


@dataclass(frozen=True)
class Split:
    """The labelled rows that a model learns from, and those that only judge it."""

    training: DataFrame[Any]
    hold_out: DataFrame[Any]


@dataclass(frozen=True)
class Trained:
    """A fitted pipeline, and what came out where it was judged."""

    definition: ModelDefinition
    pipeline: Pipeline
    rows: Split
    predictions: DataFrame[Any]
    metrics: Mapping[str, float]


def split(definition: ModelDefinition, context: TaskContext = DEFAULTS) -> Split:
    """Split the model's data set: classes stratified, rows of one group on one side.

    Always the same rows, whatever the seed of a training: a version that has learnt from rows that
    judge another one would win by heart.
    """
    labelled = definition.load_labelled(context)
    if definition.groups:
        splitter = GroupShuffleSplit(1, test_size=definition.hold_out, random_state=SPLIT_SEED)
        places = next(splitter.split(labelled, groups=labelled[definition.groups]))
        training, hold_out = (labelled.iloc[part] for part in places)
    else:
        classes = labelled[definition.target] if definition.kind == "classification" else None
        training, hold_out = train_test_split(
            labelled, test_size=definition.hold_out, random_state=SPLIT_SEED, stratify=classes
        )
    return Split(training.reset_index(drop=True), hold_out.reset_index(drop=True))


def train(
    definition: ModelDefinition,
    settings: TrainSettings,
    registry: Registry,
    *,
    context: TaskContext = DEFAULTS,
    report: Report | None = None,
) -> ModelVersion:
    """Train one version and return it; it is champion only if the gate holds, and may become it.

    `report` gives pictures and texts to log; a task that has no drawing library at hand leaves it
    out.
    """
    rows = split(definition, context)
    columns = definition.input_columns()
    truth = rows.training[definition.target]
    unfitted = with_parameters(definition, settings.seed, settings.parameters, context)
    say(f"{definition.name}: {settings.folds}-fold cross-validation on {len(rows.training):,} rows")
    cross_validated = mean_and_deviation(
        definition, cross_validated_scores(definition, unfitted, rows.training, settings.folds)
    )
    fitted = unfitted.fit(rows.training[columns], truth)
    with registry.run(definition.name, "train") as run:
        scores, predictions = scored(definition, fitted, rows.hold_out)
        registry.log_results(
            {
                **_parameters(settings, fitted),
                "hold_out": definition.hold_out,
                HOLD_OUT_FINGERPRINT: frame_fingerprint(rows.hold_out),
            },
            {
                **cross_validated,
                **{f"{HOLD_OUT}{name}": value for name, value in scores.items()},
            },
            report(Trained(definition, fitted, rows, predictions, {**cross_validated, **scores}))
            if report
            else {},
        )
        version = _registered(definition, registry, run, fitted, rows.training[columns])
    judgement = (
        judged(definition, registry, rows.hold_out, scores, predictions)
        if settings.promote
        else None
    )
    champion_scores = judgement.champion_scores if judgement else None
    _show(definition, version, scores, champion_scores, cross_validated)
    if judgement:
        settle(judgement, registry, version)
    else:
        say(f"{definition.name} version {version.version} is registered, for `gate` to judge.")
    say(f"MLflow run {run.info.run_id} in {registry.uri}")
    return version


def cross_validated_scores(
    definition: ModelDefinition, pipeline: Pipeline, labelled: DataFrame[Any], folds: int
) -> dict[str, npt.NDArray[np.float64]]:
    """What each of the definition's scorers says of each fold; more is always better.

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


def mean_and_deviation(
    definition: ModelDefinition, scores: Mapping[str, npt.NDArray[np.float64]]
) -> dict[str, float]:
    """Metrics `cv_<name>_mean` and `cv_<name>_std` over the folds; errors and losses above 0."""
    metrics: dict[str, float] = {}
    for name, values in scores.items():
        negated = definition.cross_validation[name].startswith("neg_")
        metrics |= {
            f"cv_{name}_mean": float(-values.mean() if negated else values.mean()),
            f"cv_{name}_std": float(values.std(ddof=1)),
        }
    return metrics


def with_parameters(
    definition: ModelDefinition, seed: int, file: str | None, context: TaskContext = DEFAULTS
) -> Pipeline:
    """The unfitted pipeline, with the parameters of a file that `tune` wrote.

    Raises:
        InputError: the file cannot be read, or holds a parameter that is not in the search space:
            such a version would not be loaded.
    """
    pipeline = definition.build_pipeline(seed)
    if file is None:
        return pipeline
    try:
        parameters = json.loads(read_text(file, context, option="--parameters"))["parameters"]
        present = pipeline.get_params(deep=True)
        for name, value in dict(parameters).items():
            _check_parameter(definition, name, value, present)
        return cast("Pipeline", pipeline.set_params(**parameters))
    except (KeyError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise InputError(
            f"{file}: expected the parameters that the task `tune` of this model writes: {reason}."
        ) from error


def _check_parameter(
    definition: ModelDefinition, name: str, value: object, present: Mapping[str, object]
) -> None:
    space = definition.search_space
    if name not in space:
        raise ValueError(
            f"{name!r} is not in the `search_space` of its definition.py, which has "
            f"{', '.join(map(repr, space)) or 'nothing'}"
        )
    if value != present.get(name) and not is_in_space(space[name], value):
        raise ValueError(f"{name}={value!r} is outside of the `search_space` of its definition.py")


def _parameters(settings: TrainSettings, pipeline: Pipeline) -> dict[str, object]:
    steps = {
        name: value
        for name, value in pipeline.get_params(deep=True).items()
        if "__" in name and isinstance(value, str | int | float | bool | None)
    }
    return {**settings.model_dump(), **steps}


def _registered(
    definition: ModelDefinition,
    registry: Registry,
    run: ActiveRun,
    fitted: Pipeline,
    inputs: pd.DataFrame,
) -> ModelVersion:
    compatibility = Compatibility.of_this_process(definition, used_requirements(fitted))
    return registry.register(
        fitted,
        definition,
        run,
        example=inputs.head(EXAMPLE_ROWS),
        requirements=compatibility.requirements,
        tags=compatibility.to_tags(),
    )


def _show(
    definition: ModelDefinition,
    version: ModelVersion,
    scores: Mapping[str, float],
    champion: Mapping[str, float] | None,
    cross_validated: Mapping[str, float],
) -> None:
    show_table(
        f"{definition.name} version {version.version}, on the hold-out",
        ["metric", "this version", "champion", "cross-validation"],
        [
            (
                name,
                f"{value:.4f}",
                f"{champion[name]:.4f}" if champion else "-",
                _mean_and_deviation(cross_validated, name),
            )
            for name, value in scores.items()
        ],
        stderr=True,
    )


def _mean_and_deviation(cross_validated: Mapping[str, float], name: str) -> str:
    if f"cv_{name}_mean" not in cross_validated:
        return "-"
    return f"{cross_validated[f'cv_{name}_mean']:.4f} ± {cross_validated[f'cv_{name}_std']:.4f}"
