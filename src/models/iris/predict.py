"""Predict the species of iris flowers.

Examples:
  ./pants run src/models/iris:predict
  ./pants run src/models/iris:predict -- --input flowers.csv --output species.parquet
  python -m models.iris.predict --input flowers/ --output species/

The input needs sepal_length_cm, sepal_width_cm, petal_length_cm and petal_width_cm; other
columns are kept. Exits with 2 if it breaks its contract; the earlier output is then untouched.
"""

from models.predict import main

if __name__ == "__main__":
    main("models.iris.definition", doc=__doc__)
