"""Judge a version by its gate, as a separate step between training and prediction."""

from __future__ import annotations

from cli.task import DEFAULTS, TaskContext
from cli.terminal import say
from modelling.definition import ModelDefinition
from modelling.evaluation.champion import (
    compare_with_champion,
    predict_and_score,
    promote_if_passed,
)
from modelling.registry.find_version import load_model
from modelling.registry.mlflow_registry import Registry
from modelling.settings import GateSettings
from modelling.training.split import split
from validation.gate import judge


def gate(
    definition: ModelDefinition,
    settings: GateSettings,
    registry: Registry,
    *,
    context: TaskContext = DEFAULTS,
) -> bool:
    """Promote a version if it passes; False if no champion is within the gate's limits."""
    version, model = load_model(definition, registry, number=settings.version)
    hold_out = split(definition, context).hold_out
    scores, predictions = predict_and_score(definition, model, hold_out)
    champion = registry.champion(definition.name)
    if champion and champion.version == version.version:
        limits = judge(definition.gate, scores, None)
        say(f"{version.name} version {version.version} is already the champion.")
        return limits.passed
    comparison = compare_with_champion(definition, registry, hold_out, scores, predictions)
    promote_if_passed(comparison, registry, version)
    champion_scores = comparison.champion_scores
    return comparison.verdict.passed or (
        champion_scores is not None and judge(definition.gate, champion_scores, None).passed
    )
