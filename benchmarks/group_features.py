"""Measure a group feature, a mean per group for every row, compared with pandas.

Examples:
  ./pants run benchmarks/group_features.py
  ./pants run benchmarks/group_features.py -- --rows 10000000 --groups 10000 --repeat 5

Ours is the fitted `GroupFeatureGenerator.transform`. The peers compute the same column:

- map: `frame["group"].map(means).astype("float64")`, with `means` computed before. `transform` does
  the same, and also supports nulls as a group, and unseen groups.
- groupby: `frame.groupby("group")["value"].transform("mean")`, which fits and transforms in one
  call. So ours is compared with it as `fit` and `transform` together, too.

All run in one process and alternate in every round. The ratio is computed per round, and the median
is printed: below 1 ours is faster.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import pandas as pd

from feature_store.derived_features.aggregated_features import GroupFeatureGenerator


def frames(rows: int, groups: int) -> dict[str, pd.DataFrame]:
    """The same rows, with the group as a number, a string and a category."""
    random = np.random.default_rng(0)
    group = random.integers(0, groups, rows)
    value = random.normal(size=rows)
    text = pd.Series([f"group-{g:06d}" for g in range(groups)], dtype="str")
    sparse = group.astype(np.int64) * 1_000_003
    return {
        "small numbers": pd.DataFrame({"group": group, "value": value}),
        "large numbers": pd.DataFrame({"group": sparse, "value": value}),
        "text": pd.DataFrame({"group": text.take(group).reset_index(drop=True), "value": value}),
        "category": pd.DataFrame(
            {"group": pd.Categorical.from_codes(group, pd.Index(text)), "value": value}
        ),
    }


def measure_time(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def one_round(frame: pd.DataFrame) -> dict[str, float]:
    """Seconds of each."""
    generator = GroupFeatureGenerator("group", "mean", target_name="value", cv=None)
    fit = measure_time(lambda: generator.fit(frame))
    means = frame.groupby("group", observed=True)["value"].mean()
    seconds = {
        "fit": fit,
        "ours": measure_time(lambda: generator.transform(frame)),
        "map": measure_time(lambda: frame["group"].map(means).astype("float64")),
        "groupby": measure_time(
            lambda: frame.groupby("group", observed=True)["value"].transform("mean")
        ),
    }
    np.testing.assert_allclose(
        generator.transform(frame.head(1000)).iloc[:, 0], frame["group"].head(1000).map(means)
    )
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--groups", type=int, default=10_000)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    print(f"{options.rows:,} rows, {options.groups:,} groups, medians of {options.repeat} rounds")
    for name, frame in frames(options.rows, options.groups).items():
        rounds = [one_round(frame) for _ in range(options.repeat)]
        to_map = median(r["ours"] / r["map"] for r in rounds)
        to_groupby = median(r["ours"] / r["groupby"] for r in rounds)
        whole = median((r["fit"] + r["ours"]) / r["groupby"] for r in rounds)
        ours = median(r["ours"] for r in rounds)
        print(
            f"{name:14} transform/map {to_map:.2f}  transform/groupby {to_groupby:.2f}  "
            f"(fit + transform)/groupby {whole:.2f}  transform {ours:.2f} s"
        )


if __name__ == "__main__":
    main()
