"""Search for the parameters of the diabetes model by cross-validation.

The hold-out takes no part; the file that it writes is for `train`.

Examples:
  ./pants run src/models/diabetes:tune
  python -m models.diabetes.tune --trials 50 --output tuned.json
"""

from models.tune import main

if __name__ == "__main__":
    main("models.diabetes.definition", doc=__doc__)
