"""The contracts of the model: features of companies, labelled rows, and estimates."""

from __future__ import annotations

import pandera.pandas as pa

from feature_store.feature_set import FeatureSet
from feature_store.views.company import FeatureViewCompany

TARGET = "intensity_t_per_meur"
FEATURES = FeatureSet(
    "company_features", FeatureViewCompany["country", "industry", "revenue", "employees"]
)


class CompanyFeatures(FEATURES.model(joined=True)):  # type: ignore[misc]
    """One row per company, as known at one point in time; any value may be missing."""


class CompanyIntensities(CompanyFeatures):
    """Companies that have reported their emissions for the year of their filing."""

    company_id: str = pa.Field(description="Identifies a company, as in the companies table.")
    intensity_t_per_meur: float = pa.Field(
        gt=0, description="Emissions, scope 1 and 2, for revenue: tonnes CO2e per million EUR."
    )


class EstimatedIntensities(pa.DataFrameModel):
    """One row per company, in the order of the input; tonnes CO2e per million EUR of revenue."""

    intensity_t_per_meur: float = pa.Field(gt=0, description="The estimate.")
    intensity_t_per_meur_lower: float = pa.Field(description="Lower end of the 90 % interval.")
    intensity_t_per_meur_upper: float = pa.Field(gt=0, description="Upper end of the interval.")

    class Config:
        strict = True
