"""Train a model, compare it with the champion, and promote it if it passes its gate.

Examples:
  python -m models.train --model iris
  python -m models.train --model iris --seed 7 --folds 10
  python -m models.train --model diabetes --parameters s3://bucket/tuned.json

--parameters is a local file or one in an object store: docs/pages/places.md.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from config.tracking import TrackingSettings
from modelling import model_task
from modelling.settings import TrainSettings

if TYPE_CHECKING:
    from cli.task import TaskContext
    from modelling.definition import ModelDefinition


def run(definition: ModelDefinition, settings: TrainSettings, context: TaskContext) -> int:
    """Train one version with its report, and compare it with the champion."""
    from modelling.registry.mlflow_registry import Registry
    from modelling.training.train_task import train
    from modelling.training.training_report import build_report

    registry = Registry.connect(context.load(TrackingSettings))
    train(definition, settings, registry, context=context, build_report=build_report)
    return 0


main = partial(model_task.main, "train", TrainSettings, run, doc=__doc__)

if __name__ == "__main__":
    main()
