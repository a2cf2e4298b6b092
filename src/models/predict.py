"""Predict rows with a model.

Examples:
  python -m models.predict --model iris
  python -m models.predict --model iris --input rows.parquet --output predictions.parquet
  cat rows.csv | python -m models.predict --model iris --input - --output - > predictions.csv
  python -m models.predict --model iris --input s3://bucket/rows --output s3://bucket/iris.parquet

docs/pages/places.md lists what --input and --output can be.

Exits with 2 if rows break the input contract; the earlier output is then untouched.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from modelling import model_task
from modelling.settings import PredictSettings

if TYPE_CHECKING:
    from cli.task import TaskContext
    from modelling.definition import ModelDefinition


def run(definition: ModelDefinition, settings: PredictSettings, context: TaskContext) -> int:
    """Predict one table and show a summary."""
    from modelling.scoring.predict_task import predict

    predict(definition, settings, context)
    return 0


main = partial(model_task.main, "predict", PredictSettings, run, doc=__doc__)

if __name__ == "__main__":
    main()
