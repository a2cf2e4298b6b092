"""What companies report about their own greenhouse gas emissions."""

from __future__ import annotations

from typing import Annotated

import pandas as pd
import pandera.pandas as pa


class ReportedEmissions(pa.DataFrameModel):
    """One row per company, event (the end of a financial year) and arrival of its report.

    A corrected report arrives again: the same company and event, a later `arrived_at`.
    """

    company_id: str = pa.Field(description="Identifies a company, as in the companies table.")
    event_timestamp: Annotated[pd.DatetimeTZDtype, "us", "UTC"] = pa.Field(
        description="The end of the financial year that is reported, UTC."
    )
    arrived_at: Annotated[pd.DatetimeTZDtype, "us", "UTC"] = pa.Field(
        description="When the row became known to us, UTC."
    )
    emissions_t: float = pa.Field(
        ge=0,
        description="Greenhouse gases of the year, scope 1 and 2 (market-based), tonnes CO2e.",
        metadata={"unit": "t CO2e"},
    )

    class Config:
        name = "company_emissions"
        description = "Reported greenhouse gas emissions of companies, as often as they arrived."
        metadata = {"version": "1.0.0", "owner": "data-platform"}
