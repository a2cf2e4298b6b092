"""Write what the regressor sees: training patients and hold-out, preprocessed.

Examples:
  ./pants run src/models/diabetes:preprocess
  python -m models.diabetes.preprocess --output preprocessed
"""

from models.preprocess import main

if __name__ == "__main__":
    main("models.diabetes.definition", doc=__doc__)
