"""Yearly filings of companies: country, industry and size."""

from __future__ import annotations

from typing import Annotated

import pandas as pd
import pandera.pandas as pa

# ISO 3166-1 alpha-2.
COUNTRIES = (
    *("AT", "BE", "CH", "CZ", "DE", "DK", "ES", "FI", "FR", "GB"),
    *("IE", "IT", "NL", "NO", "PL", "PT", "SE"),
)

# Sections A to M of NACE Rev. 2, the EU's classification of economic activities. Few companies in
# the later sections (public services, households) file.
INDUSTRIES = (
    "agriculture",  # A: agriculture, forestry and fishing
    "mining",  # B: mining and quarrying
    "manufacturing",  # C
    "energy",  # D: electricity, gas and steam supply
    "water_and_waste",  # E
    "construction",  # F
    "trade",  # G: wholesale and retail
    "transport",  # H: transport and storage
    "hospitality",  # I: accommodation and food
    "information",  # J: information and communication
    "finance",  # K: finance and insurance
    "real_estate",  # L
    "professional_services",  # M: professional, scientific and technical activities
)


class Companies(pa.DataFrameModel):
    """One row per company, event (the end of a financial year) and arrival of its filing.

    A corrected filing arrives again: the same company and event, a later `arrived_at`.
    """

    company_id: str = pa.Field(description="Identifies a company; stays the same for its life.")
    event_timestamp: Annotated[pd.DatetimeTZDtype, "us", "UTC"] = pa.Field(
        description="The end of the financial year that is filed, UTC."
    )
    arrived_at: Annotated[pd.DatetimeTZDtype, "us", "UTC"] = pa.Field(
        description="When the row became known to us, UTC: months, at times years, later."
    )
    country: str = pa.Field(isin=COUNTRIES, description="Seat of the company, ISO 3166-1 alpha-2.")
    industry: str = pa.Field(
        isin=INDUSTRIES,
        nullable=True,
        description="Main activity, a section of NACE Rev. 2; missing while not classified.",
    )
    revenue: float = pa.Field(
        ge=0,
        nullable=True,
        description="Revenue of the financial year, EUR; missing where not disclosed.",
        metadata={"unit": "EUR"},
    )
    employees: pd.Int64Dtype = pa.Field(
        ge=0,
        nullable=True,
        description="Employees at the end of the financial year, heads; missing where not filed.",
        metadata={"unit": "heads"},
    )

    class Config:
        name = "companies"
        description = "Yearly filings of companies, each as often as it arrived."
        metadata = {"version": "1.0.0", "owner": "data-platform"}
