"""Evaluate the iris champion, or another version, on flowers whose species is known.

Examples:
  ./pants run src/models/iris:evaluate
  ./pants run src/models/iris:evaluate -- --version 3 --input labelled.csv
  python -m models.iris.evaluate

Exits with 1 where the version misses a limit of its gate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.evaluate import main

if TYPE_CHECKING:
    from models.definition import ModelDefinition


def definition() -> ModelDefinition:
    """Loaded late, so that `--help` answers before pandas and scikit-learn are."""
    from models.iris.definition import MODEL

    return MODEL


if __name__ == "__main__":
    main(definition, prog="models.iris.evaluate", doc=__doc__)
