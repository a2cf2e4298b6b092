"""Predict with a model: rows that keep its input contract in, predictions out.

Examples:
  python -m models.predict --model iris
  python -m models.predict --model iris --input rows.parquet --output predictions.parquet
  cat rows.csv | python -m models.predict --model iris --input - --output - > predictions.csv

Exits with 2 where the input breaks its contract; the earlier output is then untouched.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from models import task
from models.settings import PredictSettings

if TYPE_CHECKING:
    from config.task import LoadSettings
    from models.definition import ModelDefinition


def run(definition: ModelDefinition, settings: PredictSettings, load_settings: LoadSettings) -> int:
    """Predict one table and show a summary."""
    from models.scoring import predict

    predict(definition, settings, load_settings)
    return 0


def main(
    definition: str | None = None,
    *,
    doc: str | None = __doc__,
    argv: Sequence[str] | None = None,
) -> NoReturn:
    """The command line."""
    task.main("predict", PredictSettings, run, definition=definition, doc=doc, argv=argv)


if __name__ == "__main__":
    main()
