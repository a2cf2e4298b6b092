"""Compute the features of a model's labelled rows, and write them as a table.

Examples:
  python -m models.features --model diabetes
  python -m models.features --model diabetes --output features.csv
  python -m models.features --model diabetes --output "duckdb:///all.duckdb#diabetes_features"

docs/pages/places.md lists what --output can be.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from modelling import model_task
from modelling.settings import FeaturesSettings

if TYPE_CHECKING:
    from cli.task import TaskContext
    from modelling.definition import ModelDefinition


def run(definition: ModelDefinition, settings: FeaturesSettings, context: TaskContext) -> int:
    """Write the table and show where it is."""
    from modelling.training.features_task import write_features

    write_features(definition, settings, context)
    return 0


main = partial(model_task.main, "features", FeaturesSettings, run, doc=__doc__)

if __name__ == "__main__":
    main()
