"""A made-up population of companies, because real company data may not be shipped.

`sample_companies` and `sample_emissions` return two tables about the same population: its yearly
filings, and the emissions that some companies report. Both are drawn with NumPy's PCG64 from one
seed. Each part of the process has its own stream, seeded by its name, so changing one part does not
change the others. The same arguments and NumPy version give the same bytes.

The process, with its parameters (EUR, heads, tonnes CO2e; "lognormal(m, s)" has median m and
standard deviation s of its logarithm):

1.  Companies. Country and industry are drawn with the weights in `_COUNTRIES` and `_INDUSTRIES`.
    The financial year ends in December (70 %), March, June or September (10 % each), on the month's
    last day at 00:00 UTC. A company is founded before the first year (70 %) or in any later year,
    and ends with a hazard of 2 % a year.
2.  Size. Employees start from lognormal(180, 1.5) and grow by the company's trend, normal(2 %,
    4 %), and a yearly shock of 8 %. Revenue is employees times revenue per head: the industry's
    median, the country's price level, the company's productivity, lognormal(1, 0.5), inflation of
    2 % a year, and a yearly shock of 10 %.
3.  Emission intensity, tonnes per million EUR of revenue: the industry's median, the carbon
    content of the country's power, (revenue / 50 million)^-0.08 for scale, a decline of 3 % a
    year, and the company's effect, lognormal(1, s), where `s` is the industry's spread times
    (employees / 180)^-0.12 within 0.5 to 1.8: noise is larger for small companies and in mixed
    industries (heteroscedastic). The company's effect correlates with productivity by 0.35, because
    plants that replace people use energy. A yearly shock of 12 % is added.
4.  Arrival of filings: gamma with mean 95 and shape 4 days after the year's end. 6 % are late by
    another 300 to 900 days, and so often arrive after the next year's. Reports of emissions: mean
    170 days, 4 % late.
5.  Gaps, not at random. Revenue is missing with 8 % for a company of 180 heads, and more often for
    smaller ones (logistic, -0.7 per log of heads); employees with 6 %, doubled in ES, IT, PL and
    PT; industry in the first year of 12 % of the companies and in all years of 2 %. 3 % of the
    filings are missing entirely. Half of the companies with 800 heads report emissions (logistic,
    0.9 per log of heads, one draw per company, plus 10 points for energy, mining and finance).
6.  Outliers: 1 % of revenues are filed in thousands (divided by 1,000); 0.8 % of emissions in
    kilograms (multiplied by 1,000).
7.  Corrections, the same year filed again 20 to 400 days after the first time: 60 % of the
    outliers of step 6, with the correct figure; and 3 % of all other filings and reports, their
    figure times lognormal(1, 0.05).
8.  Rows that arrive after the year following the last one are dropped: the tables are as known at
    its end.

The medians of `_INDUSTRIES` are orders of magnitude from public statistics on these sectors (air
emissions, business). They are not estimates, and no row represents a real company.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

SEED = 20_250_101
COMPANIES = 5_000
FIRST_YEAR = 2016
YEARS = 9

type Floats = NDArray[np.float64]
type Flags = NDArray[np.bool_]

# Weight, revenue per head (EUR), emission intensity (t per million EUR), spread of its logarithm.
_INDUSTRIES = {
    "agriculture": (0.04, 140e3, 380.0, 0.7),
    "mining": (0.01, 350e3, 450.0, 0.9),
    "manufacturing": (0.22, 240e3, 110.0, 0.9),
    "energy": (0.03, 900e3, 700.0, 1.1),
    "water_and_waste": (0.02, 210e3, 240.0, 0.7),
    "construction": (0.12, 170e3, 40.0, 0.5),
    "trade": (0.20, 420e3, 14.0, 0.5),
    "transport": (0.07, 190e3, 280.0, 0.9),
    "hospitality": (0.06, 70e3, 30.0, 0.4),
    "information": (0.09, 230e3, 7.0, 0.5),
    "finance": (0.03, 450e3, 2.5, 0.6),
    "real_estate": (0.03, 320e3, 12.0, 0.6),
    "professional_services": (0.08, 150e3, 5.0, 0.4),
}
# Weight, price level, carbon content of power relative to the average.
_COUNTRIES = {
    "AT": (0.04, 1.1, 0.7),
    "BE": (0.04, 1.1, 0.8),
    "CH": (0.03, 1.4, 0.5),
    "CZ": (0.03, 0.7, 1.5),
    "DE": (0.20, 1.1, 1.2),
    "DK": (0.03, 1.2, 0.7),
    "ES": (0.09, 0.9, 0.8),
    "FI": (0.02, 1.1, 0.6),
    "FR": (0.14, 1.1, 0.5),
    "GB": (0.12, 1.1, 0.9),
    "IE": (0.02, 1.3, 1.1),
    "IT": (0.09, 0.9, 1.1),
    "NL": (0.06, 1.2, 1.1),
    "NO": (0.02, 1.3, 0.4),
    "PL": (0.04, 0.6, 1.9),
    "PT": (0.01, 0.7, 0.8),
    "SE": (0.02, 1.1, 0.4),
}
_SPARSE_EMPLOYEES = ("ES", "IT", "PL", "PT")
_KEEN_REPORTERS = ("energy", "mining", "finance")
_YEAR_END_MONTHS = (12, 3, 6, 9)
_TYPICAL_HEADS = 180.0


@dataclass(frozen=True)
class _Truth:
    """The true figures: one entry per company, or one row per company and column per year."""

    company_id: NDArray[Any]
    country: NDArray[Any]
    industry: NDArray[Any]
    year_end: NDArray[Any]  # (companies, years), datetime64[us]
    alive: Flags  # (companies, years)
    employees: Floats  # (companies, years), heads
    revenue: Floats  # (companies, years), EUR
    emissions: Floats  # (companies, years), tonnes CO2e


def sample_companies(
    companies: int = COMPANIES,
    *,
    years: int = YEARS,
    first_year: int = FIRST_YEAR,
    seed: int = SEED,
) -> pd.DataFrame:
    """All filings, in order of arrival; valid for `datasets.companies.Companies`.

    The defaults give 36,000 rows, one per company, financial year and arrival.
    """
    truth = _truth(companies, years, first_year, seed)
    company, year = np.nonzero(
        truth.alive & (_stream(seed, "filings").random(truth.alive.shape) >= 0.03)
    )
    gaps = _stream(seed, "gaps")
    heads = truth.employees[company, year]
    no_revenue = gaps.random(len(heads)) < _logistic(-2.44 - 0.7 * _size(heads))
    sparse = np.isin(truth.country[company], _SPARSE_EMPLOYEES)
    no_heads = gaps.random(len(heads)) < np.where(sparse, 0.12, 0.06)

    right = np.where(no_revenue, np.nan, truth.revenue[company, year])
    slips = _stream(seed, "revenue slips")
    slipped = slips.random(len(heads)) < 0.01
    rows = pd.DataFrame(
        {
            "company_id": truth.company_id[company],
            "event_timestamp": truth.year_end[company, year],
            "arrived_at": truth.year_end[company, year]
            + _delays(_stream(seed, "arrivals of filings"), len(heads), mean=95, late=0.06),
            "country": truth.country[company],
            "industry": _classified(truth, company, year, _stream(seed, "classification")),
            "revenue": np.where(slipped, right / 1000, right).round(2),
            "employees": np.where(no_heads, np.nan, heads),
        }
    )
    corrections = _corrections(rows, "revenue", right, slipped, slips)
    filings = _sort_by_arrival([rows, corrections], before_year=first_year + years + 1)
    return filings.astype({"industry": "str", "employees": "Int64"})


def sample_emissions(
    companies: int = COMPANIES,
    *,
    years: int = YEARS,
    first_year: int = FIRST_YEAR,
    seed: int = SEED,
) -> pd.DataFrame:
    """All reports of emissions of the same population, in order of arrival.

    Valid for `datasets.company_emissions.ReportedEmissions`. The defaults give 11,000 rows, one per
    company, financial year and arrival.
    """
    truth = _truth(companies, years, first_year, seed)
    reports = _reporting(truth, _stream(seed, "reporting"))
    company, year = np.nonzero(truth.alive & reports)
    right = truth.emissions[company, year]
    slips = _stream(seed, "emission slips")
    slipped = slips.random(len(right)) < 0.008
    rows = pd.DataFrame(
        {
            "company_id": truth.company_id[company],
            "event_timestamp": truth.year_end[company, year],
            "arrived_at": truth.year_end[company, year]
            + _delays(_stream(seed, "arrivals of reports"), len(right), mean=170, late=0.04),
            "emissions_t": np.where(slipped, right * 1000, right).round(2),
        }
    )
    corrections = _corrections(rows, "emissions_t", right, slipped, slips)
    return _sort_by_arrival([rows, corrections], before_year=first_year + years + 1)


def _truth(companies: int, years: int, first_year: int, seed: int) -> _Truth:
    who = _stream(seed, "who")
    industry = who.choice(list(_INDUSTRIES), companies, p=_weights(_INDUSTRIES))
    country = who.choice(list(_COUNTRIES), companies, p=_weights(_COUNTRIES))
    revenue_per_head, intensity, spread = _traits(_INDUSTRIES, industry)
    price_level, carbon = _traits(_COUNTRIES, country)
    year = np.arange(years)

    size = _stream(seed, "size")
    trend = size.normal(0.02, 0.04, (companies, 1))
    log_heads = np.log(_TYPICAL_HEADS) + 1.5 * size.standard_normal((companies, 1))
    log_heads = log_heads + trend * year + _walk(size, companies, years, 0.08)
    heads = np.maximum(np.exp(log_heads).round(), 1)

    money = _stream(seed, "revenue")
    productivity = money.standard_normal((companies, 1))
    log_revenue = np.log(heads) + np.log(revenue_per_head * price_level)
    log_revenue = log_revenue + 0.5 * productivity + 0.02 * year
    revenue = np.exp(log_revenue + 0.10 * money.standard_normal((companies, years)))

    gases = _stream(seed, "emissions")
    own = gases.standard_normal((companies, 1))
    own = 0.35 * productivity + np.sqrt(1 - 0.35**2) * own
    noise = spread * np.clip(np.exp(-0.12 * _size(heads[:, :1])), 0.5, 1.8)
    log_intensity = np.log(intensity * carbon) - 0.08 * np.log(revenue / 50e6) - 0.03 * year
    log_intensity = log_intensity + noise * own
    log_intensity = log_intensity + 0.12 * gases.standard_normal((companies, years))
    return _Truth(
        company_id=np.array([f"C{number:07d}" for number in range(1, companies + 1)]),
        country=country,
        industry=industry,
        year_end=_year_ends(who, companies, first_year + year),
        alive=_alive(_stream(seed, "lives"), companies, years),
        employees=heads,
        revenue=revenue,
        emissions=np.exp(log_intensity) * revenue / 1e6,
    )


def _stream(seed: int, name: str) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64([seed, zlib.crc32(name.encode())]))


def _weights(table: Mapping[str, tuple[float, ...]]) -> Floats:
    weights = np.array([traits[0] for traits in table.values()])
    shares: Floats = weights / weights.sum()
    return shares


def _traits(table: Mapping[str, tuple[float, ...]], chosen: NDArray[Any]) -> list[Floats]:
    """The traits after the weight, each as a column with one row per company."""
    names = np.array(list(table))
    order = np.argsort(names)
    rows = order[np.searchsorted(names, chosen, sorter=order)]
    return list(np.array(list(table.values()))[rows, 1:].T[..., None])


def _walk(stream: np.random.Generator, companies: int, years: int, shock: float) -> Floats:
    steps = shock * stream.standard_normal((companies, years))
    steps[:, 0] = 0
    walk: Floats = steps.cumsum(axis=1)
    return walk


def _year_ends(stream: np.random.Generator, companies: int, years: NDArray[Any]) -> NDArray[Any]:
    month = stream.choice(_YEAR_END_MONTHS, (companies, 1), p=(0.7, 0.1, 0.1, 0.1))
    next_month = ((years - 1970) * 12 + month).astype("datetime64[M]")
    last_day: NDArray[Any] = next_month.astype("datetime64[D]") - np.timedelta64(1, "D")
    return last_day.astype("datetime64[us]")


def _alive(stream: np.random.Generator, companies: int, years: int) -> Flags:
    young = stream.random((companies, 1)) >= 0.7
    founded = np.where(young, stream.integers(0, years, (companies, 1)), 0)
    age = np.arange(years) - founded
    alive: Flags = (age >= 0) & (age < stream.geometric(0.02, (companies, 1)))
    return alive


def _size(heads: Floats) -> Floats:
    """The logarithm of size relative to a typical company."""
    logarithm: Floats = np.log(heads / _TYPICAL_HEADS)
    return logarithm


def _logistic(value: Floats) -> Floats:
    return 1 / (1 + np.exp(-value))


def _delays(
    stream: np.random.Generator, count: int, *, mean: float, late: float
) -> NDArray[np.timedelta64]:
    days = stream.gamma(4, mean / 4, count)
    days += np.where(stream.random(count) < late, stream.uniform(300, 900, count), 0)
    return _whole_seconds(days)


def _whole_seconds(days: Floats) -> NDArray[np.timedelta64]:
    return (days * 86_400).astype("timedelta64[s]")


def _classified(
    truth: _Truth, company: NDArray[Any], year: NDArray[Any], stream: np.random.Generator
) -> NDArray[Any]:
    never = stream.random(len(truth.company_id)) < 0.02
    slowly = stream.random(len(truth.company_id)) < 0.12
    first_year = truth.alive.argmax(axis=1)
    unknown = never[company] | (slowly[company] & (year == first_year[company]))
    industry: NDArray[Any] = truth.industry[company].astype(object)
    industry[unknown] = None
    return industry


def _reporting(truth: _Truth, stream: np.random.Generator) -> Flags:
    keen = np.where(np.isin(truth.industry, _KEEN_REPORTERS), 0.1, 0.0)[:, None]
    chance = _logistic(0.9 * np.log(truth.employees / 800.0)) + keen
    reports: Flags = stream.random((len(keen), 1)) < chance
    return reports


def _corrections(
    rows: pd.DataFrame, column: str, right: Floats, slipped: Flags, stream: np.random.Generator
) -> pd.DataFrame:
    """The rows that are filed again, with the corrected `column`."""
    count = len(rows)
    corrected = slipped & (stream.random(count) < 0.6)
    revised = ~slipped & (stream.random(count) < 0.03)
    factor = np.where(revised, np.exp(0.05 * stream.standard_normal(count)), 1.0)
    delay = _whole_seconds(stream.uniform(20, 400, count))
    again = (corrected | revised) & ~np.isnan(right)
    filed_again = rows.assign(arrived_at=rows["arrived_at"] + delay)
    filed_again[column] = (right * factor).round(2)
    return filed_again[again]


def _sort_by_arrival(parts: Sequence[pd.DataFrame], *, before_year: int) -> pd.DataFrame:
    """All rows that arrived before a year, in order of arrival."""
    rows = pd.concat(parts)
    rows = rows[rows["arrived_at"] < pd.Timestamp(year=before_year, month=1, day=1)]
    rows = rows.sort_values(["arrived_at", "company_id", "event_timestamp"], ignore_index=True)
    times = {
        name: rows[name].dt.tz_localize("UTC").dt.as_unit("us")
        for name in ("event_timestamp", "arrived_at")
    }
    return rows.assign(**times).astype({"company_id": "str"})
