"""Training: cross-validate, fit, judge on the hold-out, log, register, perhaps promote."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
from pandera.typing import DataFrame
from sklearn.pipeline import Pipeline

from cli.task import DEFAULTS, TaskContext
from cli.terminal import say, show_table
from modelling.definition import ModelDefinition
from modelling.evaluation.champion import (
    HOLD_OUT,
    HOLD_OUT_FINGERPRINT,
    compare_with_champion,
    predict_and_score,
    promote_if_passed,
)
from modelling.registry.compatibility import Compatibility, frame_fingerprint, used_requirements
from modelling.registry.mlflow_registry import Registry
from modelling.settings import TrainSettings
from modelling.training.cross_validation import cross_validated_scores, mean_and_deviation
from modelling.training.parameters import with_parameters
from modelling.training.split import Split, split

if TYPE_CHECKING:
    from mlflow import ActiveRun
    from mlflow.entities.model_registry import ModelVersion

EXAMPLE_ROWS = 5
# What `log_results` takes. Prediction trains without the libraries that draw and write it.
type Report = Callable[[Trained], Mapping[str, object]]


@dataclass(frozen=True)
class Trained:
    """A fitted pipeline, and what came out where it was judged."""

    definition: ModelDefinition
    pipeline: Pipeline
    rows: Split
    predictions: DataFrame[Any]
    metrics: Mapping[str, float]


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
        scores, predictions = predict_and_score(definition, fitted, rows.hold_out)
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
        version = _register(definition, registry, run, fitted, rows.training[columns])
    comparison = (
        compare_with_champion(definition, registry, rows.hold_out, scores, predictions)
        if settings.promote
        else None
    )
    champion_scores = comparison.champion_scores if comparison else None
    _show(definition, version, scores, champion_scores, cross_validated)
    if comparison:
        promote_if_passed(comparison, registry, version)
    else:
        say(f"{definition.name} version {version.version} is registered, for `gate` to judge.")
    say(f"MLflow run {run.info.run_id} in {registry.uri}")
    return version


def _parameters(settings: TrainSettings, pipeline: Pipeline) -> dict[str, object]:
    steps = {
        name: value
        for name, value in pipeline.get_params(deep=True).items()
        if "__" in name and isinstance(value, str | int | float | bool | None)
    }
    return {**settings.model_dump(), **steps}


def _register(
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
