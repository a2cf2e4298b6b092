"""Compare a version with its gate and the champion, and promote it if it passes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import pandas as pd
from pandera.typing import DataFrame
from sklearn.pipeline import Pipeline

from cli.terminal import say
from modelling.definition import ModelDefinition
from modelling.registry.compatibility import frame_fingerprint
from modelling.registry.find_version import find_mismatches
from modelling.registry.mlflow_registry import Registry
from validation.bootstrap import Interval, gain_interval
from validation.gate import Verdict, judge

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

HOLD_OUT = "hold_out_"
HOLD_OUT_FINGERPRINT = "hold_out_fingerprint"


@dataclass(frozen=True)
class Comparison:
    """The gate's verdict, and the champion's metrics that it is based on."""

    verdict: Verdict
    champion_scores: Mapping[str, float] | None = None


def predict_and_score(
    definition: ModelDefinition, model: Pipeline, labelled: DataFrame[Any]
) -> tuple[dict[str, float], DataFrame[Any]]:
    """Predict labelled rows, and compute the metrics of the predictions."""
    predictions = definition.predict(model, labelled[definition.input_columns()])
    return definition.score(labelled[definition.target], predictions), predictions


def compare_with_champion(
    definition: ModelDefinition,
    registry: Registry,
    hold_out: DataFrame[Any],
    scores: Mapping[str, float],
    predictions: DataFrame[Any],
) -> Comparison:
    """Judge a version by its metrics and predictions on the hold-out."""
    champion = registry.champion(definition.name)
    if champion is None:
        return Comparison(judge(definition.gate, scores, None))
    differences = find_mismatches(definition, champion)
    if differences:
        champion_scores = _read_logged_scores(champion, registry, hold_out)
        say(
            f"This code cannot load the champion, version {champion.version} "
            f"({'; '.join(differences)}): "
            + (
                "the gate compares the metrics that its training logged, without an interval."
                if champion_scores
                else "it was evaluated on other rows, so only the gate's limits count."
            )
        )
        return Comparison(judge(definition.gate, scores, champion_scores), champion_scores)
    model = registry.load(champion, definition)
    champion_scores, champions = predict_and_score(definition, model, hold_out)
    gain = _estimate_gain(definition, hold_out, predictions, champions)
    return Comparison(judge(definition.gate, scores, champion_scores, gain), champion_scores)


def promote_if_passed(comparison: Comparison, registry: Registry, version: ModelVersion) -> None:
    """Promote the version if it passed the gate, and report the outcome."""
    verdict = comparison.verdict
    if verdict.passed:
        registry.promote(version)
    outcome = "is now the champion" if verdict.passed else "is registered; the champion stays"
    say(str(verdict))
    say(f"{version.name} version {version.version} {outcome}.")


def _estimate_gain(
    definition: ModelDefinition,
    hold_out: DataFrame[Any],
    challenger: DataFrame[Any],
    champion: DataFrame[Any],
) -> Interval:
    gate = definition.gate

    def score(truth: pd.Series[Any], predictions: pd.DataFrame) -> float:
        rows = cast("DataFrame[Any]", predictions)
        return definition.score(truth, rows, only=gate.metric)[gate.metric]

    return gain_interval(
        score,
        hold_out[definition.target],
        challenger,
        champion,
        higher_is_better=gate.higher_is_better,
        confidence=gate.confidence,
        resamples=gate.resamples,
        groups=hold_out[definition.groups] if definition.groups else None,
    )


def _read_logged_scores(
    champion: ModelVersion, registry: Registry, hold_out: DataFrame[Any]
) -> Mapping[str, float] | None:
    """The metrics that the champion's training logged; None if its hold-out had other rows.

    For a champion that other code trained, there is nothing else to compare with.
    """
    parameters, metrics = registry.read_results(champion)
    if parameters.get(HOLD_OUT_FINGERPRINT) != frame_fingerprint(hold_out):
        return None
    names = (name for name in metrics if name.startswith(HOLD_OUT))
    return {name.removeprefix(HOLD_OUT): metrics[name] for name in names}
