"""Evaluate the diabetes champion, or another version, on patients whose progression is known.

Exits with 1 if the version misses a limit of its gate.

Examples:
  ./pants run src/models/diabetes:evaluate
  python -m models.diabetes.evaluate --version 3 --input labelled.csv
"""

from models.evaluate import main

if __name__ == "__main__":
    main("models.diabetes.definition", doc=__doc__)
