"""Make a trained version of iris champion, if its gate holds.

Examples:
  ./pants run src/models/iris:train -- --no-promote
  ./pants run src/models/iris:gate
  python -m models.iris.gate --version 3

Called again, it changes nothing. Exits with 1 where neither the version nor the champion is within
the gate's limits.
"""

from models.gate import main
from validation.gate import Gate

# A version must reach these on the hold-out, and beat the champion, to become champion.
GATE = Gate(metric="log_loss", higher_is_better=False, at_least={"accuracy": 0.9})

if __name__ == "__main__":
    main("models.iris.definition", doc=__doc__)
