"""Made-up rows for models, datasets and feature views that are started without a sample."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tools.scaffold.sample import Kind

ROWS = 300


def example_rows(kind: Kind) -> pd.DataFrame:
    """One row per made-up customer, deterministic; usage makes them stay, complaints leave."""
    draw = np.random.default_rng(0)
    usage = draw.gamma(2.0, 10.0, ROWS).round(1)
    complaints = draw.poisson(1.0, ROWS)
    value = (usage - 8 * complaints + draw.normal(0, 5, ROWS)).round(2)
    rows = pd.DataFrame(
        {
            "customer_id": [f"c{number:03}" for number in range(ROWS)],
            "plan": pd.Series(draw.choice(["basic", "family", "pro"], ROWS), dtype="str"),
            "usage": np.where(draw.random(ROWS) < 0.05, np.nan, usage),
            "complaints": complaints.astype("int64"),
            "newsletter": draw.random(ROWS) < 0.5,
            "signed_up": pd.Timestamp("2023-01-01") + pd.to_timedelta(np.arange(ROWS), unit="D"),
        }
    )
    rows = rows.astype({"customer_id": "str", "signed_up": "datetime64[us]"})
    if kind == "regression":
        return rows.assign(value=value)
    return rows.assign(label=pd.Series(np.where(value > 5, "stays", "leaves"), dtype="str"))


def example_events() -> pd.DataFrame:
    """One row per made-up order of a customer, deterministic; it arrives within three days."""
    draw = np.random.default_rng(0)
    seconds = draw.integers(0, 365 * 86_400, ROWS)
    ordered = pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(seconds, unit="s")
    rows = pd.DataFrame(
        {
            "customer_id": [f"c{number:03}" for number in draw.integers(0, 60, ROWS)],
            "event_timestamp": ordered,
            "arrived_at": ordered + pd.to_timedelta(draw.integers(60, 3 * 86_400, ROWS), unit="s"),
            "amount": draw.gamma(2.0, 20.0, ROWS).round(2),
            "items": draw.integers(1, 9, ROWS),
            "channel": pd.Series(draw.choice(["shop", "web", "phone"], ROWS), dtype="str"),
        }
    )
    timestamps = dict.fromkeys(["event_timestamp", "arrived_at"], "datetime64[us, UTC]")
    return rows.astype({"customer_id": "str", **timestamps})
