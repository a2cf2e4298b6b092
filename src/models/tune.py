"""Search for the parameters of a model's pipeline by cross-validation on its training rows.

Examples:
  python -m models.tune --model diabetes
  python -m models.tune --model diabetes --trials 50 --output tuned.json
  python -m models.train --model diabetes --parameters tuned.json
  python -m models.tune --model diabetes --output s3://bucket/tuned.json

--output is a file, here or in an object store: docs/pages/places.md.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from config.tracking import TrackingSettings
from modelling import model_task
from modelling.settings import TuneSettings

if TYPE_CHECKING:
    from cli.task import TaskContext
    from modelling.definition import ModelDefinition


def run(definition: ModelDefinition, settings: TuneSettings, context: TaskContext) -> int:
    """Write the best parameters and show how they compare."""
    from modelling.registry.mlflow_registry import Registry
    from modelling.training.tune_task import tune

    tune(definition, settings, Registry.connect(context.load(TrackingSettings)), context)
    return 0


main = partial(model_task.main, "tune", TuneSettings, run, doc=__doc__)

if __name__ == "__main__":
    main()
