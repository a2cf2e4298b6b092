"""Make a trained version of diabetes champion, if its gate holds.

Examples:
  ./pants run src/models/diabetes:train -- --no-promote
  ./pants run src/models/diabetes:gate
  python -m models.diabetes.gate --version 3

Called again, it changes nothing. Exits with 1 where neither the version nor the champion is within
the gate's limits.
"""

from models.gate import main

if __name__ == "__main__":
    main("models.diabetes.definition", doc=__doc__)
