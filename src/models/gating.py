"""The gate as a step of its own, between training and prediction."""

from __future__ import annotations

from config.task import TaskContext
from config.terminal import say
from models.definition import ModelDefinition
from models.judging import judged, scored, settle
from models.loading import load_model
from models.settings import GateSettings
from models.tracking import Registry
from models.training import DEFAULTS, split
from validation.gate import judge


def gate(
    definition: ModelDefinition,
    settings: GateSettings,
    registry: Registry,
    *,
    context: TaskContext = DEFAULTS,
) -> bool:
    """Promote a version if its gate holds; False where no champion within the limits is left."""
    version, model = load_model(definition, registry, number=settings.version)
    hold_out = split(definition, context).hold_out
    scores, predictions = scored(definition, model, hold_out)
    champion = registry.champion(definition.name)
    if champion and champion.version == version.version:
        limits = judge(definition.gate, scores, None)
        say(f"{version.name} version {version.version} is the champion already.")
        return limits.passed
    judgement = judged(definition, registry, hold_out, scores, predictions)
    settle(judgement, registry, version)
    stays = judgement.champion_scores
    return judgement.verdict.passed or (
        stays is not None and judge(definition.gate, stays, None).passed
    )
