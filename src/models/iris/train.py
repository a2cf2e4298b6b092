"""Train the iris model, and make it champion if it passes its gate.

Examples:
  ./pants run src/models/iris:train
  ./pants run src/models/iris:train -- --seed 7 --folds 10
  python -m models.iris.train
"""

from models.train import main

if __name__ == "__main__":
    main("models.iris.definition", doc=__doc__)
