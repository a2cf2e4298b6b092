"""Predict how far patients' diabetes progresses within a year, with 90 % intervals.

The input needs the ten measurements of datasets/diabetes.py; other columns are kept. Exits with 2
if it breaks its contract; the earlier output is then untouched.

Examples:
  ./pants run src/models/diabetes:predict
  python -m models.diabetes.predict --input patients.csv --output progression.parquet
"""

from models.predict import main

if __name__ == "__main__":
    main("models.diabetes.definition", doc=__doc__)
