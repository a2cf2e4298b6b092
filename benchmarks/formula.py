"""Compare FormulaTransformer with pandas' `DataFrame.eval` with numexpr, and with formulaic.

Examples:
  ./pants run benchmarks/formula.py
  ./pants run benchmarks/formula.py -- --rows 1000000 --repeat 9

All work on the same frame in memory, in an order that changes in each round. Their results are
compared first. The ratios to the peer are medians (below 1 is faster). Peak memory is that of a
separate process, without the frame (Linux only). formulaic does not support formulas that use each
other, so it gets the expanded chain.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import cast

import numpy as np
import pandas as pd

ROWS = 10_000_000
SEED = 0
# The formula of the same column `y`, for us, DataFrame.eval (which has no `where`) and formulaic.
FORMULAS = {
    "ratio": ("y = revenue / employees", "y = revenue / employees", "{revenue / employees} - 1"),
    "where+log1p": (
        "y = log1p(where(revenue > 0, revenue, 0))",
        "y = log1p(revenue * (revenue > 0))",
        "{np.log1p(np.where(revenue > 0, revenue, 0))} - 1",
    ),
    "chain of 3": (
        "a = revenue / employees\nb = a * a + assets\ny = b / (a + 1)",
        "a = revenue / employees\nb = a * a + assets\ny = b / (a + 1)",
        "{((revenue / employees) * (revenue / employees) + assets)"
        " / (revenue / employees + 1)} - 1",
    ),
}
PEERS = ("ours", "eval", "formulaic")


def companies(rows: int) -> pd.DataFrame:
    random = np.random.default_rng(SEED)
    return pd.DataFrame(
        {
            "revenue": random.lognormal(10, 1, rows) - 5000,
            "employees": random.integers(1, 1000, rows),
            "assets": random.lognormal(10, 1, rows),
        }
    )


def runner(peer: str, name: str, frame: pd.DataFrame) -> Callable[[], pd.DataFrame]:
    """A function that computes the formula. Imports are not timed."""
    ours, evaluated, formulaic_text = FORMULAS[name]
    if peer == "ours":
        from feature_store.derived_features.row_features import FormulaTransformer

        return lambda: FormulaTransformer(ours, keep_inputs=True).fit_transform(frame)
    if peer == "eval":
        return lambda: cast("pd.DataFrame", frame.eval(evaluated, engine="numexpr"))
    from formulaic import model_matrix

    return lambda: model_matrix(formulaic_text, frame, na_action="ignore", context={"np": np})


def seconds(run: Callable[[], pd.DataFrame]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def peak() -> float:
    """The peak memory since the last `forget_peak`, in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def peak_of(peer: str, name: str, rows: int) -> float:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, __file__, "--rows", str(rows), "--peak", peer, name]
    output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return float(output.stdout)


def main(rows: int, repeat: int) -> None:
    frame = companies(rows)
    print(f"{rows:,} rows, medians of {repeat}")
    for name in FORMULAS:
        runs = {peer: runner(peer, name, frame) for peer in PEERS}
        results = [run().iloc[:, -1].to_numpy() for run in runs.values()]
        for result in results[1:]:
            np.testing.assert_allclose(result, results[0])
        del results
        taken: dict[str, list[float]] = {peer: [] for peer in PEERS}
        for turn in range(repeat):
            for peer in PEERS[turn % 3 :] + PEERS[: turn % 3]:
                taken[peer].append(seconds(runs[peer]))
        medians = {peer: median(times) for peer, times in taken.items()}
        peaks = {peer: peak_of(peer, name, rows) for peer in PEERS}
        print(
            f"  {name:12} ours/eval {medians['ours'] / medians['eval']:.2f}  "
            f"ours/formulaic {medians['ours'] / medians['formulaic']:.2f}  "
            f"({', '.join(f'{peer} {medians[peer]:.3f} s' for peer in PEERS)}; "
            f"peak {', '.join(f'{peer} {peaks[peer]:.0f} MiB' for peer in PEERS)})",
            flush=True,
        )


def main_peak(peer: str, name: str, rows: int) -> None:
    runner(peer, name, companies(1000))()
    frame = companies(rows)
    run = runner(peer, name, frame)
    forget_peak()
    before = peak()
    run()
    print(peak() - before)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--peak", nargs=2, metavar=("PEER", "FORMULA"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.peak:
        peer, formula = given.peak
        main_peak(peer, formula, given.rows)
    else:
        main(given.rows, given.repeat)
