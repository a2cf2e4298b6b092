"""Search for a pipeline's parameters by cross-validation on the training rows.

Examples:
  python -m models.tune --model diabetes
  python -m models.tune --model diabetes --trials 50 --output tuned.json
  python -m models.train --model diabetes --parameters tuned.json
  python -m models.tune --model diabetes --output s3://bucket/tuned.json

--output is a local file or one in an object store: docs/pages/places.md.
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
    """Write the best parameters and compare the trials."""
    from modelling.registry.mlflow_registry import Registry
    from modelling.training.tune_task import tune

    tune(definition, settings, Registry.connect(context.load(TrackingSettings)), context)
    return 0


main = partial(model_task.main, "tune", TuneSettings, run, doc=__doc__)

if __name__ == "__main__":
    main()
