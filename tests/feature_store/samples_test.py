"""The samples match their contracts and documentation."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd
import pytest

from datasets.companies import Companies
from datasets.company_emissions import ReportedEmissions
from feature_store.samples.companies import sample_companies, sample_emissions

EVENT = ["company_id", "event_timestamp"]


@pytest.fixture(scope="module")
def companies() -> pd.DataFrame:
    return sample_companies()


@pytest.fixture(scope="module")
def emissions() -> pd.DataFrame:
    return sample_emissions()


def test_both_tables_keep_their_contracts(companies: pd.DataFrame, emissions: pd.DataFrame) -> None:
    Companies.validate(companies, lazy=True)
    ReportedEmissions.validate(emissions, lazy=True)
    assert not companies.duplicated([*EVENT, "arrived_at"]).any()
    assert not emissions.duplicated([*EVENT, "arrived_at"]).any()


def test_zero_companies_have_the_columns_of_the_contract(companies: pd.DataFrame) -> None:
    pd.testing.assert_series_equal(sample_companies(0).dtypes, companies.dtypes)
    assert len(sample_emissions(0)) == 0


def test_same_seed_gives_the_same_bytes_and_another_seed_others(companies: pd.DataFrame) -> None:
    def digest(frame: pd.DataFrame) -> str:
        return hashlib.sha256(frame.to_csv(index=False).encode()).hexdigest()

    assert digest(sample_companies()) == digest(companies)
    assert digest(sample_companies(seed=1)) != digest(companies)


def test_gaps_late_arrivals_outliers_and_corrections_are_as_documented(
    companies: pd.DataFrame,
) -> None:
    assert companies["industry"].isna().mean() == pytest.approx(0.035, abs=0.01)
    assert companies["employees"].isna().mean() == pytest.approx(0.08, abs=0.01)
    assert companies.duplicated(EVENT).mean() == pytest.approx(0.03, abs=0.01)
    delay = companies["arrived_at"] - companies["event_timestamp"]
    assert (delay > pd.Timedelta(days=300)).mean() == pytest.approx(0.08, abs=0.03)
    in_order = companies.sort_values(["company_id", "arrived_at"])
    latest = in_order.groupby("company_id")["event_timestamp"].cummax()
    assert (in_order["event_timestamp"] < latest).mean() == pytest.approx(0.045, abs=0.015)


def test_revenue_is_missing_more_often_where_the_company_is_small(companies: pd.DataFrame) -> None:
    small = companies["employees"] < 60
    large = companies["employees"] > 600
    missing = companies["revenue"].isna()
    assert missing[small].mean() > 3 * missing[large].mean()


def test_emissions_of_small_companies_vary_more() -> None:
    companies = sample_companies(40_000, years=1).dropna()
    known = sample_emissions(40_000, years=1).merge(companies, on=EVENT)
    log = pd.Series(np.log(known["emissions_t"] / known["revenue"]))
    log -= log.groupby([known["industry"], known["country"]]).transform("median")

    # Of the middle half: unit mistakes are no part of the spread.
    def spread(rows: pd.Series[bool]) -> float:
        low, high = log[rows].quantile([0.25, 0.75])
        return float(high - low)

    assert spread(known["employees"] < 60) > 1.3 * spread(known["employees"] > 1000)


def test_the_population_and_the_years_are_the_requested_ones() -> None:
    longer = sample_companies(50, years=4)
    assert set(longer["company_id"]) <= {f"C{number:07d}" for number in range(1, 51)}
    assert set(longer["event_timestamp"].dt.year) == {2016, 2017, 2018, 2019}
