"""Judge a trained version by its gate, and make it champion if it passes.

Examples:
  python -m models.train --model iris --no-promote
  python -m models.gate --model iris
  python -m models.gate --model iris --version 3

A second call changes nothing. Exits with 1 if neither the version nor the champion is within the
gate's limits, so that nothing should be predicted.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from config.tracking import TrackingSettings
from modelling import model_task
from modelling.settings import GateSettings

if TYPE_CHECKING:
    from cli.task import TaskContext
    from modelling.definition import ModelDefinition


def run(definition: ModelDefinition, settings: GateSettings, context: TaskContext) -> int:
    """Promote one version if it passes its gate."""
    from modelling.evaluation.gate_task import gate
    from modelling.registry.mlflow_registry import Registry

    registry = Registry.connect(context.load(TrackingSettings))
    passed = gate(definition, settings, registry, context=context)
    return 0 if passed else 1


main = partial(model_task.main, "gate", GateSettings, run, doc=__doc__)

if __name__ == "__main__":
    main()
