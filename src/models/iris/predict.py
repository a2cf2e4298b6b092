"""Predict the species of iris flowers.

Examples:
  ./pants run src/models/iris:predict
  ./pants run src/models/iris:predict -- --input flowers.csv --output species.parquet
  python -m models.iris.predict --input flowers/ --output species/

The input needs sepal_length_cm, sepal_width_cm, petal_length_cm and petal_width_cm; further
columns are kept. Exits with 2 where it breaks its contract; the earlier output is then untouched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.predict import main

if TYPE_CHECKING:
    from models.definition import ModelDefinition


def definition() -> ModelDefinition:
    """Loaded late, so that `--help` answers before pandas and scikit-learn are."""
    from models.iris.definition import MODEL

    return MODEL


if __name__ == "__main__":
    main(definition, prog="models.iris.predict", doc=__doc__)
