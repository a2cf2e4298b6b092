"""The training data, and the default input of `predict`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import cast

import pandera.pandas as pa
from pandera.typing import DataFrame

from cli.task import TaskContext
from data_access_layer.settings import StoreSettings
from feature_store.joins import point_in_time_join
from feature_store.views.company import FeatureViewCompany
from feature_store.views.company_emissions import FeatureViewCompanyEmissions
from models.company_emissions.schema import FEATURES, TARGET, CompanyFeatures, CompanyIntensities

EUR_PER_MILLION = 1e6


@pa.check_types(lazy=True)
def load_intensities(context: TaskContext) -> DataFrame[CompanyIntensities]:
    """Load one row per report of emissions, with the company's features when the report arrived.

    Only the last correction of a report is used. Reports without a filed revenue of the same year
    are dropped, because they have no intensity.
    """
    settings = context.load(StoreSettings)
    reports = FeatureViewCompanyEmissions.read(settings=settings).sort_values("arrived_at")
    last = reports.drop_duplicates(["company_id", "event_timestamp"], keep="last")
    known = point_in_time_join(
        last.rename(columns={"event_timestamp": "reported_year"}),
        FeatureViewCompany.select(*FEATURES.columns, "event_timestamp"),
        timestamp="arrived_at",
        settings=settings,
    )
    same_year = known["event_timestamp"] == known["reported_year"]
    rows = known[same_year & (known["revenue"] > 0) & (known["emissions_t"] > 0)]
    intensity = rows["emissions_t"] / (rows["revenue"] / EUR_PER_MILLION)
    columns = ["company_id", *FEATURES.columns, TARGET]
    labelled = rows.assign(**{TARGET: intensity})[columns].reset_index(drop=True)
    return cast("DataFrame[CompanyIntensities]", labelled)


def load_companies(context: TaskContext) -> DataFrame[CompanyFeatures]:
    """Load every company with its current features."""
    companies = FEATURES.read(datetime.now(UTC), settings=context.load(StoreSettings))
    return cast("DataFrame[CompanyFeatures]", companies)
