"""Made-up rows, for a model that is started without a sample."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tools.sample import Kind

ROWS = 300


def example_rows(kind: Kind) -> pd.DataFrame:
    """One row per made-up customer, always the same; who uses more and complains less stays."""
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
