"""Make a trained version of diabetes champion, if its gate holds.

Examples:
  ./pants run src/models/diabetes:train -- --no-promote
  ./pants run src/models/diabetes:gate
  python -m models.diabetes.gate --version 3

Called again, it changes nothing. Exits with 1 where neither the version nor the champion is within
the gate's limits.
"""

from models.gate import main
from validation.gate import Gate

# A version must reach these on the hold-out, and beat the champion, to become champion.
GATE = Gate(metric="mae", higher_is_better=False, at_least={"r2": 0.3, "coverage": 0.8})

if __name__ == "__main__":
    main("models.diabetes.definition", doc=__doc__)
