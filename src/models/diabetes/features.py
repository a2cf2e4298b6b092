"""Compute the features of the labelled patients, and write them as a table.

Examples:
  ./pants run src/models/diabetes:features
  python -m models.diabetes.features --output features.csv
"""

from models.features import main

if __name__ == "__main__":
    main("models.diabetes.definition", doc=__doc__)
