"""Evaluate the iris champion, or another version, on flowers whose species is known.

Examples:
  ./pants run src/models/iris:evaluate
  ./pants run src/models/iris:evaluate -- --version 3 --input labelled.csv
  python -m models.iris.evaluate

Exits with 1 if the version misses a limit of its gate.
"""

from models.evaluate import main

if __name__ == "__main__":
    main("models.iris.definition", doc=__doc__)
