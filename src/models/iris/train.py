"""Train the iris model, and make it champion if it beats the present one.

Examples:
  ./pants run src/models/iris:train
  ./pants run src/models/iris:train -- --seed 7 --folds 10
  python -m models.iris.train
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.train import main

if TYPE_CHECKING:
    from models.definition import ModelDefinition


def definition() -> ModelDefinition:
    """Loaded late, so that `--help` answers before pandas and scikit-learn are."""
    from models.iris.definition import MODEL

    return MODEL


if __name__ == "__main__":
    main(definition, prog="models.iris.train", doc=__doc__)
