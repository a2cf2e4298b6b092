"""Evaluate a version of a model on its hold-out, or on your own labelled data.

Examples:
  python -m models.evaluate --model iris
  python -m models.evaluate --model iris --version 3 --input labelled.parquet
  python -m models.evaluate --model iris --input s3://bucket/labelled.parquet

docs/pages/places.md lists what --input can be.

Exits with 1 if the version misses a limit of its gate.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from config.tracking import TrackingSettings
from modelling import model_task
from modelling.settings import EvaluateSettings

if TYPE_CHECKING:
    from cli.task import TaskContext
    from modelling.definition import ModelDefinition


def run(definition: ModelDefinition, settings: EvaluateSettings, context: TaskContext) -> int:
    """Show and log the metrics of one version."""
    from modelling.evaluation.evaluate_task import evaluate
    from modelling.registry.mlflow_registry import Registry

    registry = Registry.connect(context.load(TrackingSettings))
    passed = evaluate(definition, settings, registry, context=context)
    return 0 if passed else 1


main = partial(model_task.main, "evaluate", EvaluateSettings, run, doc=__doc__)

if __name__ == "__main__":
    main()
