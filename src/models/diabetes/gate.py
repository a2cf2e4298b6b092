"""Make a trained version of diabetes champion if it passes its gate.

Examples:
  ./pants run src/models/diabetes:train -- --no-promote
  ./pants run src/models/diabetes:gate
  python -m models.diabetes.gate --version 3

A second call changes nothing. Exits with 1 if neither the version nor the champion is within the
gate's limits.
"""

from models.gate import main

if __name__ == "__main__":
    main("models.diabetes.definition", doc=__doc__)
