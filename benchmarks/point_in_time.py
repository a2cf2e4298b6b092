"""Measure the point-in-time join, compared with `pandas.merge_asof`.

Examples:
  ./pants run benchmarks/point_in_time.py
  ./pants run benchmarks/point_in_time.py -- --rows 100000 1000000 --repeat 5

There are as many entities as rows, both unsorted, of 50,000 companies with string keys. Calls
alternate in every round, and the median of the rounds' ratios is printed.

- known at once: each row is known from its event on. The peer sorts both sides, calls `merge_asof`
  and restores the order of the entities, as `asof_join` does.
- late arrivals: a row is known once it has arrived, and the latest event of the known rows wins.
  The peer first drops rows that arrived after a later event, with `groupby().cummax()`. The naive
  solution is `merge_asof` by arrival only; the share of its wrong rows is printed.

The results of both peers are compared with ours, row by row.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from statistics import median

import numpy as np
import pandas as pd

from data_access_layer.query.asof import asof_join

COMPANIES = 50_000
SECONDS = 5 * 365 * 86_400
DELAY_SECONDS = 400 * 86_400


def tables(count: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    random = np.random.default_rng(count)

    def companies() -> pd.Series[str]:
        numbers = pd.Series(random.integers(0, COMPANIES, count))
        return numbers.map("C{:07d}".format).astype("str")

    def timestamps() -> pd.Series[pd.Timestamp]:
        seconds = pd.Series(random.integers(0, SECONDS, count) + 1_577_836_800)
        return pd.to_datetime(seconds, unit="s", utc=True).dt.as_unit("us")

    entities = pd.DataFrame({"company": companies(), "moment": timestamps()})
    rows = pd.DataFrame({"company": companies(), "event": timestamps(), "value": np.arange(count)})
    delay = pd.to_timedelta(pd.Series(random.integers(0, DELAY_SECONDS, count)), unit="s")
    return entities, rows.assign(arrived=(rows["event"] + delay).dt.as_unit("us"))


def ours(entities: pd.DataFrame, rows: pd.DataFrame, available: str | None) -> pd.Series[float]:
    joined = asof_join(
        entities,
        rows,
        keys=["company"],
        entity_timestamp="moment",
        row_timestamp="event",
        available=available,
        columns=["value"],
    )
    return joined["value"].astype("float64")


def merge(entities: pd.DataFrame, rows: pd.DataFrame, known: str) -> pd.Series[float]:
    """`merge_asof` with the required sorting, each side by one column."""
    order = np.argsort(entities["moment"].to_numpy("int64"), kind="stable")
    joined = pd.merge_asof(
        entities.iloc[order],
        in_order(rows, known),
        left_on="moment",
        right_on=known,
        by="company",
    )
    values = np.empty(len(entities))
    values[order] = joined["value"]
    return pd.Series(values)


def in_order(rows: pd.DataFrame, known: str) -> pd.DataFrame:
    """Sort by the time from which a row is known, then by its event, then by position."""
    columns = [rows[name].to_numpy("int64") for name in dict.fromkeys(("event", known))]
    return rows.iloc[np.lexsort(columns)]


def merge_without_overtaken(entities: pd.DataFrame, rows: pd.DataFrame) -> pd.Series[float]:
    rows = in_order(rows, "arrived")
    latest = rows.groupby("company")["event"].cummax()
    return merge(entities, rows[rows["event"] >= latest], "arrived")


def measure_time(call: Callable[[], pd.Series[float]]) -> tuple[float, pd.Series[float]]:
    started = time.perf_counter()
    result = call()
    return time.perf_counter() - started, result


def same(one: pd.Series[float], other: pd.Series[float]) -> pd.Series[bool]:
    return (one == other) | (one.isna() & other.isna())


def compare(count: int, repeat: int) -> None:
    entities, rows = tables(count)
    cases: dict[str, tuple[Callable[[], pd.Series[float]], Callable[[], pd.Series[float]]]] = {
        "known at once": (
            lambda: ours(entities, rows, None),
            lambda: merge(entities, rows, "event"),
        ),
        "late arrivals": (
            lambda: ours(entities, rows, "arrived"),
            lambda: merge_without_overtaken(entities, rows),
        ),
    }
    print(f"{count:,} entities, {count:,} rows, median of {repeat}")
    for name, (we, peer) in cases.items():
        pairs = []
        for number in range(1, repeat + 1):
            (seconds, result), (peer_seconds, peer_result) = measure_time(we), measure_time(peer)
            if not same(result, peer_result).all():
                sys.exit(f"{name}: the peer's result differs")
            pairs.append((seconds, peer_seconds))
            note = f"{name}, round {number} of {repeat}: {seconds:.2f} s, peer {peer_seconds:.2f} s"
            print(note, file=sys.stderr, flush=True)
        print(
            f"  {name:14} {median(pair[0] for pair in pairs):6.2f} s, "
            f"peer {median(pair[1] for pair in pairs):6.2f} s, "
            f"ratio {median(pair[0] / pair[1] for pair in pairs):.2f}",
            flush=True,
        )
    wrong = ~same(ours(entities, rows, "arrived"), merge(entities, rows, "arrived"))
    print(f"  merge_asof by arrival only: the wrong row for {wrong.mean():.1%} of the entities")


def main(counts: Sequence[int], repeat: int) -> None:
    for count in counts:
        compare(count, repeat)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000], help="default: 1000000")
    parser.add_argument("--repeat", type=int, default=3, help="rounds for each; default: 3")
    return parser.parse_args()


if __name__ == "__main__":
    given = arguments()
    main(given.rows, given.repeat)
