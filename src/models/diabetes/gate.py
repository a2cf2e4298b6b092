"""Make a trained version of diabetes champion if it passes its gate.

Examples:
  ./pants run src/models/diabetes:train -- --no-promote
  ./pants run src/models/diabetes:gate
  python -m models.diabetes.gate --version 3

A second call changes nothing. Exits with 1 if neither the version nor the champion is within the
gate's limits.
"""

from models.gate import main
from validation.gate import Gate

# A version becomes champion if it is within these limits on the hold-out and improves the metric.
GATE = Gate(metric="mae", higher_is_better=False, at_least={"r2": 0.3, "coverage": 0.8})

if __name__ == "__main__":
    main("models.diabetes.definition", doc=__doc__)
