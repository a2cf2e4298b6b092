from __future__ import annotations

from model_image import engine, layers, package, revision, subsystem, tasks, tools
from model_image.target_types import ModelImageTarget


def target_types():
    return (ModelImageTarget,)


def rules():
    return (
        *engine.rules(),
        *layers.rules(),
        *package.rules(),
        *revision.rules(),
        *subsystem.rules(),
        *tasks.rules(),
        *tools.rules(),
    )
