"""Reported emissions of companies."""

from __future__ import annotations

import pandas as pd

from datasets.company_emissions import ReportedEmissions
from feature_store.view import FeatureView


def _sample() -> pd.DataFrame:
    from feature_store.samples.companies import sample_emissions

    return sample_emissions()


class FeatureViewCompanyEmissions(
    FeatureView,
    ReportedEmissions,
    table="company_emissions",
    keys=("company_id",),
    available="arrived_at",
    sample=_sample,
):
    """Emissions of a company, scope 1 and 2 (tonnes CO2e), one row per report."""
