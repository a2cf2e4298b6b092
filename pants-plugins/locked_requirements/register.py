from __future__ import annotations

from locked_requirements import generate, upkeep
from locked_requirements.target_types import LockedRequirementsTargetGenerator


def target_types():
    return (LockedRequirementsTargetGenerator,)


def rules():
    return (*generate.rules(), *upkeep.rules())
