from __future__ import annotations

from model_image import (
    base,
    engine,
    layers,
    package,
    publish,
    revision,
    run,
    sbom,
    subsystem,
    tailor,
    tasks,
    tools,
)
from model_image.target_types import ModelImageTarget


def target_types():
    return (ModelImageTarget,)


def rules():
    return (
        *base.rules(),
        *engine.rules(),
        *layers.rules(),
        *package.rules(),
        *publish.rules(),
        *revision.rules(),
        *run.rules(),
        *sbom.rules(),
        *subsystem.rules(),
        *tailor.rules(),
        *tasks.rules(),
        *tools.rules(),
    )
