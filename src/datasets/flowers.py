"""Iris flowers, measured.

Source: R. A. Fisher, "The use of multiple measurements in taxonomic problems", Annals of Eugenics 7
(1936), 179-188; scikit-learn ships it.
"""

from __future__ import annotations

import pandera.pandas as pa

SPECIES = ("setosa", "versicolor", "virginica")
_LONGEST_CM = 30.0
_CM = {"unit": "cm"}


class Flowers(pa.DataFrameModel):
    """One row per flower, measured in centimetres. Additional columns are kept."""

    sepal_length_cm: float = pa.Field(
        gt=0, le=_LONGEST_CM, description="Length of a sepal.", metadata=_CM
    )
    sepal_width_cm: float = pa.Field(
        gt=0, le=_LONGEST_CM, description="Width of a sepal, at its widest.", metadata=_CM
    )
    petal_length_cm: float = pa.Field(
        gt=0, le=_LONGEST_CM, description="Length of a petal.", metadata=_CM
    )
    petal_width_cm: float = pa.Field(
        gt=0, le=_LONGEST_CM, description="Width of a petal, at its widest.", metadata=_CM
    )

    class Config:
        name = "flowers"
        description = "One row per flower; additional columns are kept."
        metadata = {"version": "1.0.0", "owner": "data-science"}
        strict = False


class LabelledFlowers(Flowers):
    """Flowers with the species that a botanist identified."""

    species: str = pa.Field(isin=SPECIES, description="The species that a botanist identified.")

    class Config:
        name = "labelled_flowers"
        description = "One row per flower with the species that a botanist identified."
        metadata = {"version": "1.0.0", "owner": "data-science"}
