"""Yearly filings of companies."""

from __future__ import annotations

import pandas as pd

from datasets.companies import Companies
from feature_store.view import FeatureView


def _sample() -> pd.DataFrame:
    from feature_store.samples.companies import sample_companies

    return sample_companies()


class FeatureViewCompany(
    FeatureView,
    Companies,
    table="companies",
    keys=("company_id",),
    available="arrived_at",
    sample=_sample,
):
    """Country, industry, revenue (EUR) and employees of a company, one row per filing."""
