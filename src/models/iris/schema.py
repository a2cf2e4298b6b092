"""The contracts of features and predictions; the input's is in `datasets.flowers`."""

from __future__ import annotations

import pandas as pd
import pandera.pandas as pa

from datasets.flowers import SPECIES, Flowers


class FlowerFeatures(Flowers):
    """Flowers with the features that the classifier uses in addition to the measurements."""

    petal_area_cm2: float = pa.Field(gt=0, description="Petal length times width, cm².")
    sepal_area_cm2: float = pa.Field(gt=0, description="Sepal length times width, cm².")

    class Config:
        strict = "filter"


class SpeciesPredictions(pa.DataFrameModel):
    """One row per flower, in the order of the input."""

    species: pd.CategoricalDtype = pa.Field(
        dtype_kwargs={"categories": SPECIES, "ordered": False},
        description="The most probable species.",
    )
    probability_setosa: float = pa.Field(ge=0, le=1, description="Probability of setosa.")
    probability_versicolor: float = pa.Field(ge=0, le=1, description="Probability of versicolor.")
    probability_virginica: float = pa.Field(ge=0, le=1, description="Probability of virginica.")

    class Config:
        strict = True
