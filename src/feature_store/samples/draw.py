"""Random values, column by column, for samples of feature views."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa

from feature_store.checks import dtypes_of

SEED = 20_250_101
_SECONDS_A_DAY = 86_400


class Draw:
    """Random values of one column, from a stream seeded by its name.

    Another column therefore does not change the values. `missing` is the share of missing values.
    """

    def __init__(self, column: str, *, rows: int, seed: int, missing: float = 0) -> None:
        self.column = column
        self.rows = rows
        self.missing = missing
        seeds = [seed, zlib.crc32(column.encode())]
        self._stream = np.random.Generator(np.random.PCG64(seeds))

    def numbers(self, low: float, high: float) -> pd.Series[Any]:
        """Uniform numbers from `low` to `high`."""
        return self._with_gaps(
            self._stream.uniform(low, high, self.rows).clip(low, high), "float64"
        )

    def integers(self, low: int, high: int) -> pd.Series[Any]:
        """Uniform integers from `low` to `high`."""
        whole = self._stream.integers(low, high, self.rows, endpoint=True)
        return self._with_gaps(whole, "Int64")

    def choices(self, *values: str) -> pd.Series[Any]:
        """One of these strings."""
        return self._with_gaps(self._stream.choice(values, self.rows), "str")

    def texts(self, different: int) -> pd.Series[Any]:
        """One of `different` strings, each the column's name and a number."""
        return self.choices(*(f"{self.column} {number}" for number in range(1, different + 1)))

    def flags(self) -> pd.Series[Any]:
        """True or False with equal probability."""
        return self._with_gaps(self._stream.random(self.rows) < 0.5, "boolean")

    def timestamps(self, low: str, high: str) -> pd.Series[Any]:
        """Whole seconds from `low` to a day after `high`, in their time zone if they have one."""
        start = pd.Timestamp(low)
        days = (pd.Timestamp(high) - start) / pd.Timedelta(days=1) + 1
        return self._with_gaps(start + self._delays(days), None)

    def later(self, timestamps: pd.Series[Any], days: float) -> pd.Series[Any]:
        """Timestamps up to `days` days after others."""
        return timestamps + self._delays(days)

    def _delays(self, days: float) -> pd.Series[Any]:
        seconds = self._stream.integers(0, round(days * _SECONDS_A_DAY), self.rows)
        return pd.Series(seconds.astype("timedelta64[s]"))

    def _with_gaps(self, values: Any, dtype: str | None) -> pd.Series[Any]:
        drawn = pd.Series(values, dtype=dtype)
        return drawn.mask(self._stream.random(self.rows) < self.missing) if self.missing else drawn


def table_of(
    contract: type[pa.DataFrameModel],
    columns: Mapping[str, pd.Series[Any]],
    *,
    order: Sequence[str],
) -> pd.DataFrame:
    """The rows of a contract, sorted by `order`; of rows with equal values there, the first."""
    rows = pd.DataFrame(columns).astype(dtypes_of(contract.to_schema()))
    return rows.drop_duplicates(list(order)).sort_values(list(order), ignore_index=True)
