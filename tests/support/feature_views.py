"""Views small enough to check by hand. Time is in days of January 2024."""

from __future__ import annotations

from typing import Annotated, Any

import pandas as pd
import pandera.pandas as pa

from feature_store.view import FeatureView


class Shops(pa.DataFrameModel):
    shop: str
    event_timestamp: Annotated[pd.DatetimeTZDtype, "us", "UTC"]
    arrived_at: Annotated[pd.DatetimeTZDtype, "us", "UTC"]
    staff: int = pa.Field(ge=0)
    sales: float = pa.Field(ge=0, nullable=True)
    town: str = pa.Field(nullable=True)


class ShopView(FeatureView, Shops, table="shops", keys=("shop",), available="arrived_at"):
    """One row per shop, day and arrival."""


class Weather(pa.DataFrameModel):
    shop: str
    day: Annotated[pd.DatetimeTZDtype, "us", "UTC"]
    sunny: bool
    town: str


class WeatherView(FeatureView, Weather, table="weather", keys=("shop",), timestamp="day"):
    """One row per shop and day, known at once."""


def january(*days: float) -> pd.Series[Any]:
    start = pd.Timestamp("2024-01-01", tz="UTC")
    timestamps = [start + pd.Timedelta(days=day - 1) for day in days]
    return pd.Series(timestamps, dtype="datetime64[us, UTC]")


def shops() -> pd.DataFrame:
    """Shop a: day 1 is filed on day 2 and corrected on day 6; day 3 arrives late, on day 9."""
    return pd.DataFrame(
        {
            "shop": ["a", "a", "a", "a", "b"],
            "event_timestamp": january(1, 1, 3, 5, 2),
            "arrived_at": january(2, 6, 9, 5, 3),
            "staff": [10, 11, 30, 50, 7],
            "sales": [1.0, 1.5, 3.0, None, 2.0],
            "town": ["Ghent", "Ghent", "Ghent", None, "Delft"],
        }
    )


def weather() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "shop": ["a", "b"],
            "day": january(1, 4),
            "sunny": [True, False],
            "town": ["Ghent", "Delft"],
        }
    )
