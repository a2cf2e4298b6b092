"""Training: cross-validate, fit, judge on the hold-out, log, register, perhaps promote."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
from pandera.typing import DataFrame
from sklearn.model_selection import cross_validate, train_test_split
from sklearn.pipeline import Pipeline

from config.terminal import say, show_table
from models.compatibility import Compatibility, frame_fingerprint, used_requirements
from models.definition import ModelDefinition
from models.loading import mismatch
from models.settings import TrainSettings
from models.tracking import Registry
from validation.gate import Verdict, judge

if TYPE_CHECKING:
    from mlflow import ActiveRun
    from mlflow.entities.model_registry import ModelVersion

EXAMPLE_ROWS = 5
SPLIT_SEED = 0
HOLD_OUT = "hold_out_"
HOLD_OUT_FINGERPRINT = "hold_out_fingerprint"

# A figure of matplotlib, which prediction trains without: naming its type would package it.
type Picture = Callable[[pd.Series[Any], pd.Series[Any]], object]


@dataclass(frozen=True)
class Split:
    """The labelled rows that a model learns from, and those that only judge it."""

    training: DataFrame[Any]
    hold_out: DataFrame[Any]


def split(definition: ModelDefinition) -> Split:
    """Split the model's data set, stratified by the target.

    Always the same rows, whatever the seed of a training: a version that has learnt from rows that
    judge another one would win by heart.
    """
    labelled = definition.load_labelled()
    training, hold_out = train_test_split(
        labelled,
        test_size=definition.hold_out,
        random_state=SPLIT_SEED,
        stratify=labelled[definition.target],
    )
    return Split(training.reset_index(drop=True), hold_out.reset_index(drop=True))


def train(
    definition: ModelDefinition,
    settings: TrainSettings,
    registry: Registry,
    *,
    pictures: Picture | None = None,
) -> ModelVersion:
    """Train one version and return it; it is champion only if the gate holds.

    `pictures` draws the truth against the predictions; a task that has no drawing library at hand
    leaves it out.
    """
    rows = split(definition)
    columns = definition.input_columns()
    truth = rows.training[definition.target]
    unfitted = definition.build_pipeline(settings.seed)
    say(f"{definition.name}: {settings.folds}-fold cross-validation on {len(rows.training):,} rows")
    cross_validated = _cross_validated(
        definition, settings, unfitted, rows.training[columns], truth
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
            {"confusion_matrix.png": pictures(rows.hold_out[definition.target], predictions)}
            if pictures
            else {},
        )
        version = _registered(definition, registry, run, fitted, rows.training[columns])
    verdict, champion_scores = _judged(definition, registry, rows.hold_out, scores)
    if verdict.passed:
        registry.promote(version)
    _show(definition, version, scores, champion_scores, verdict, cross_validated)
    say(f"MLflow run {run.info.run_id} in {registry.uri}")
    return version


def scored(
    definition: ModelDefinition, model: Pipeline, labelled: DataFrame[Any]
) -> tuple[dict[str, float], pd.Series[Any]]:
    """The metrics of a model on labelled rows, and what it predicts for them."""
    predictions = definition.predict(model, labelled[definition.input_columns()])
    truth = labelled[definition.target]
    return definition.score(truth, predictions), predictions[definition.target]


def _cross_validated(
    definition: ModelDefinition,
    settings: TrainSettings,
    pipeline: Pipeline,
    inputs: pd.DataFrame,
    truth: pd.Series[Any],
) -> dict[str, float]:
    results = cross_validate(
        pipeline,
        inputs,
        truth,
        cv=settings.folds,
        scoring=dict(definition.cross_validation),
    )
    metrics: dict[str, float] = {}
    for name, scorer in definition.cross_validation.items():
        values = results[f"test_{name}"]
        mean = -values.mean() if scorer.startswith("neg_") else values.mean()
        metrics |= {
            f"cv_{name}_mean": float(mean),
            f"cv_{name}_std": float(values.std(ddof=1)),
        }
    return metrics


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


def _judged(
    definition: ModelDefinition,
    registry: Registry,
    hold_out: DataFrame[Any],
    scores: Mapping[str, float],
) -> tuple[Verdict, Mapping[str, float] | None]:
    champion = registry.champion(definition.name)
    champion_scores = _scores_of(champion, definition, registry, hold_out) if champion else None
    return judge(definition.gate, scores, champion_scores), champion_scores


def _scores_of(
    champion: ModelVersion,
    definition: ModelDefinition,
    registry: Registry,
    hold_out: DataFrame[Any],
) -> Mapping[str, float] | None:
    """The champion's metrics on the hold-out; None, and a word about it, where nobody can tell.

    On the same rows, those of its own training count: it may have been made with other code, as the
    champion is whenever somebody works on the model.
    """
    parameters, metrics = registry.results(champion)
    if parameters.get(HOLD_OUT_FINGERPRINT) == frame_fingerprint(hold_out):
        names = (name for name in metrics if name.startswith(HOLD_OUT))
        return {name.removeprefix(HOLD_OUT): metrics[name] for name in names}
    differences = mismatch(definition, champion)
    if differences:
        say(
            f"The champion, version {champion.version}, was judged by other rows, and this code "
            f"cannot load it ({'; '.join(differences)}); only the gate's limits decide."
        )
        return None
    return scored(definition, registry.load(champion, definition), hold_out)[0]


def _show(
    definition: ModelDefinition,
    version: ModelVersion,
    scores: Mapping[str, float],
    champion: Mapping[str, float] | None,
    verdict: Verdict,
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
    outcome = "is now the champion" if verdict.passed else "is registered, the champion stays"
    say(f"Gate {'held' if verdict.passed else 'not held'}: {'; '.join(verdict.reasons)}.")
    say(f"{definition.name} version {version.version} {outcome}.")


def _mean_and_deviation(cross_validated: Mapping[str, float], name: str) -> str:
    if f"cv_{name}_mean" not in cross_validated:
        return "-"
    return f"{cross_validated[f'cv_{name}_mean']:.4f} ± {cross_validated[f'cv_{name}_std']:.4f}"
