"""The contracts of the iris model: what comes in, what goes on inside, what comes out."""

from __future__ import annotations

import pandas as pd
import pandera.pandas as pa

SPECIES = ("setosa", "versicolor", "virginica")
_LONGEST_CM = 30.0


class Flowers(pa.DataFrameModel):
    """One row per flower, measured in centimetres. Further columns are kept as they are."""

    sepal_length_cm: float = pa.Field(gt=0, le=_LONGEST_CM, description="Length of a sepal, cm.")
    sepal_width_cm: float = pa.Field(gt=0, le=_LONGEST_CM, description="Width of a sepal, cm.")
    petal_length_cm: float = pa.Field(gt=0, le=_LONGEST_CM, description="Length of a petal, cm.")
    petal_width_cm: float = pa.Field(gt=0, le=_LONGEST_CM, description="Width of a petal, cm.")

    class Config:
        strict = False


class LabelledFlowers(Flowers):
    """Flowers whose species a botanist has told."""

    species: str = pa.Field(isin=SPECIES, description="The species.")


class FlowerFeatures(Flowers):
    """Flowers with what the classifier sees beside the measurements."""

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
