"""Train a version: cross-validate, fit, evaluate on the hold-out, log, register, and promote."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
from modelling.training.cross_validation import score_folds, summarize_folds
from modelling.training.parameters import build_tuned_pipeline
from modelling.training.split import Split, split

if TYPE_CHECKING:
    from mlflow import ActiveRun
    from mlflow.entities.model_registry import ModelVersion

EXAMPLE_ROWS = 5
# Artifacts for `log_results`. `predict` trains without the libraries that draw them.
type BuildReport = Callable[[TrainingResult], Mapping[str, object]]


@dataclass(frozen=True)
class TrainingResult:
    """A fitted pipeline, with its predictions and scores on the hold-out."""

    definition: ModelDefinition
    pipeline: Pipeline
    rows: Split
    predictions: DataFrame[Any]
    scores: Mapping[str, float]
    cross_validation: Mapping[str, float]


def train(
    definition: ModelDefinition,
    settings: TrainSettings,
    registry: Registry,
    *,
    context: TaskContext = DEFAULTS,
    build_report: BuildReport | None = None,
) -> ModelVersion:
    """Train, register and return a version; promote it if it passes the gate and `promote` is set.

    `build_report` returns figures and texts to log.
    """
    result = _fit(definition, settings, context)
    with registry.start_run(definition.name, "train") as run:
        _log(settings, registry, result, build_report(result) if build_report else {})
        version = _register(registry, run, result)
    comparison = None
    if settings.promote:
        comparison = compare_with_champion(
            definition, registry, result.rows.hold_out, result.scores, result.predictions
        )
    _show(version, result, comparison.champion_scores if comparison else None)
    if comparison:
        promote_if_passed(comparison, registry, version)
    else:
        say(f"{definition.name} version {version.version} is registered. Run `gate` to judge it.")
    say(f"MLflow run {run.info.run_id} in {registry.uri}")
    return version


def _fit(
    definition: ModelDefinition, settings: TrainSettings, context: TaskContext
) -> TrainingResult:
    rows = split(definition, context)
    unfitted = build_tuned_pipeline(definition, settings.seed, settings.parameters, context)
    say(f"{definition.name}: {settings.folds}-fold cross-validation on {len(rows.training):,} rows")
    folds = score_folds(definition, unfitted, rows.training, settings.folds)
    inputs, truth = rows.training[definition.input_columns()], rows.training[definition.target]
    fitted = unfitted.fit(inputs, truth)
    scores, predictions = predict_and_score(definition, fitted, rows.hold_out)
    cross_validation = summarize_folds(definition, folds)
    return TrainingResult(definition, fitted, rows, predictions, scores, cross_validation)


def _log(
    settings: TrainSettings,
    registry: Registry,
    result: TrainingResult,
    artifacts: Mapping[str, object],
) -> None:
    parameters = {
        **_parameters(settings, result.pipeline),
        "hold_out": result.definition.hold_out,
        HOLD_OUT_FINGERPRINT: frame_fingerprint(result.rows.hold_out),
    }
    scores = {f"{HOLD_OUT}{name}": value for name, value in result.scores.items()}
    registry.log_results(parameters, {**result.cross_validation, **scores}, artifacts)


def _parameters(settings: TrainSettings, pipeline: Pipeline) -> dict[str, object]:
    steps = {
        name: value
        for name, value in pipeline.get_params(deep=True).items()
        if "__" in name and isinstance(value, str | int | float | bool | None)
    }
    return {**settings.model_dump(), **steps}


def _register(registry: Registry, run: ActiveRun, result: TrainingResult) -> ModelVersion:
    definition = result.definition
    compatibility = Compatibility.of_this_process(definition, used_requirements(result.pipeline))
    return registry.register(
        result.pipeline,
        definition,
        run,
        example=result.rows.training[definition.input_columns()].head(EXAMPLE_ROWS),
        requirements=compatibility.requirements,
        tags=compatibility.to_tags(),
    )


def _show(
    version: ModelVersion, result: TrainingResult, champion: Mapping[str, float] | None
) -> None:
    show_table(
        f"{version.name} version {version.version}, on the hold-out",
        ["metric", "this version", "champion", "cross-validation"],
        [
            (
                name,
                f"{value:.4f}",
                f"{champion[name]:.4f}" if champion else "-",
                _mean_and_deviation(result.cross_validation, name),
            )
            for name, value in result.scores.items()
        ],
        stderr=True,
    )


def _mean_and_deviation(cross_validation: Mapping[str, float], name: str) -> str:
    if f"cv_{name}_mean" not in cross_validation:
        return "-"
    return f"{cross_validation[f'cv_{name}_mean']:.4f} ± {cross_validation[f'cv_{name}_std']:.4f}"
