"""Train the diabetes model, and make it champion if it passes its gate.

Logs pictures, the importance of each measurement and a model card with the version.

Examples:
  ./pants run src/models/diabetes:train
  python -m models.diabetes.train --parameters tuned/diabetes.json
"""

from models.train import main

if __name__ == "__main__":
    main("models.diabetes.definition", doc=__doc__)
