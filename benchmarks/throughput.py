"""Measure rows per second of `predict` with iris, compared with the bare model and with MLflow.

Examples:
  ./pants run benchmarks/throughput.py
  ./pants run benchmarks/throughput.py -- --rows 1000000 10000000 100000000 --csv-rows 1000000
  ./pants run benchmarks/throughput.py -- --picture docs/pages/benchmarks/throughput.svg

Flowers are drawn with noise and streamed into one Parquet file. One command predicts it into
another file. It is compared with:

- the bare model: the same champion's `predict_proba` and argmax without contracts, on batches in
  memory with as many rows as the smallest file. Nothing is read, checked or written.
- `mlflow models predict`, MLflow's own batch scoring of a CSV file (it predicts the species without
  probabilities), compared with our command from CSV to CSV.

Our command runs with one job, and with one job per core (`--jobs`).

Then it runs on the smallest file again, to measure the processor time of reading, contracts,
features, model and writing. Peak memory is measured for each process.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure

import predict_peers
from models.iris import predict as command
from pictures import save_svg
from predict import Cost, run, say

PEERS = predict_peers.__name__
MLFLOW = "mlflow"
URI = "models:/iris@champion"
# One, and one per core.
JOBS = tuple(sorted({1, os.process_cpu_count() or 1}))
AIM_BARE, AIM_MLFLOW = 1.3, 5.0


def write_flowers(rows: int, path: Path, folder: Path) -> None:
    say(f"writing {rows:,} flowers as {path.suffix[1:]}")
    run(PEERS, "flowers", str(rows), str(path), folder=folder)


def bare_rate(rows: int, batch: Path, folder: Path) -> float:
    """Rows per second of the bare model, on the same batch repeatedly."""
    _, told = run(PEERS, "batches", str(batch), str(rows), folder=folder)
    seconds = json.loads(told.splitlines()[-1])["wall"]
    return float(rows / seconds)


def run_predict(rows: Path, output: Path, jobs: int, folder: Path) -> Cost:
    files = ("--input", str(rows), "--output", str(output))
    cost, _ = run(command.__name__, *files, "--jobs", str(jobs), folder=folder)
    say(f"{rows.name} to {output.name}, {jobs} jobs: {cost}, {cost.peak:.0f} MiB")
    return cost


def compare_with_bare(count: int, rows: Path, jobs: int, bare: float, folder: Path) -> None:
    """`bare` is in rows per second."""
    cost = run_predict(rows, folder / "out.parquet", jobs, folder)
    print(
        f"{count:,} rows, {jobs} jobs: {cost.wall:.1f} s, {count / cost.wall:,.0f} rows/s, "
        f"{cost.peak:.0f} MiB; {cost.wall * bare / count:.2f} times the bare model's own "
        f"time (aim: {AIM_BARE})",
        flush=True,
    )


def compare_with_mlflow(rows: int, folder: Path) -> None:
    """Both from CSV to CSV."""
    flowers, output = folder / "rows.csv", folder / "mlflow.csv"
    write_flowers(rows, flowers, folder)
    every = [(jobs, run_predict(flowers, folder / "out.csv", jobs, folder)) for jobs in JOBS]
    arguments = ("models", "predict", "--model-uri", URI, "--content-type", "csv")
    files = ("--input-path", str(flowers), "--output-path", str(output))
    tracking = {"MLFLOW_TRACKING_URI": f"sqlite:///{folder}/.mlflow/mlflow.db"}
    theirs, _ = run(
        MLFLOW, *arguments, *files, "--env-manager", "local", folder=folder, more=tracking
    )
    for jobs, ours in every:
        print(
            f"{rows:,} rows of CSV, {jobs} jobs: ours {ours.wall:.1f} s, {ours.peak:.0f} MiB; "
            f"mlflow models predict {theirs.wall:.1f} s, {theirs.peak:.0f} MiB; ours is "
            f"{theirs.wall / ours.wall:.2f} times as fast (aim: {AIM_MLFLOW:.0f})",
            flush=True,
        )


def stages(rows: Path, folder: Path) -> dict[str, float]:
    _, told = run(PEERS, "stages", str(rows), str(folder / "out.parquet"), folder=folder)
    return dict(json.loads(told.splitlines()[-1]))


def draw(spent: Mapping[str, float], file: Path) -> None:
    figure = Figure(figsize=(8, 1.8), layout="constrained")
    axes = figure.add_subplot()
    total, left = sum(spent.values()), 0.0
    for name, seconds in spent.items():
        share = 100 * seconds / total
        axes.barh([0], [share], left=left, label=f"{name} {share:.1f} %")
        left += share
    axes.set(yticks=[], xlim=(0, 100), xlabel="% of processor time, without the start")
    axes.legend(
        fontsize="small", ncols=5, loc="lower center", bbox_to_anchor=(0.5, 1), frameon=False
    )
    save_svg(figure, file)


def main(counts: list[int], csv_rows: int, picture: Path | None) -> None:
    with tempfile.TemporaryDirectory(prefix="throughput-") as name:
        folder = Path(name).resolve()
        say("training a champion")
        run(command.__name__, folder=folder)
        least, smallest = min(counts), folder / "smallest.parquet"
        write_flowers(least, smallest, folder)
        bare = bare_rate(least, smallest, folder)
        print(f"bare model: {bare:,.0f} rows/s", flush=True)
        for count in counts:
            rows = smallest
            if count != least:
                rows = folder / "rows.parquet"
                write_flowers(count, rows, folder)
            for jobs in JOBS:
                compare_with_bare(count, rows, jobs, bare, folder)
        spent = stages(smallest, folder)
        total = sum(spent.values())
        print(", ".join(f"{stage} {seconds / total:.1%}" for stage, seconds in spent.items()))
        if picture:
            draw(spent, picture)
        compare_with_mlflow(csv_rows, folder)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000_000, 100_000_000])
    parser.add_argument("--csv-rows", type=int, default=1_000_000, help="default: 1000000")
    parser.add_argument("--picture", type=Path, help="an SVG file to draw: where the time goes")
    return parser.parse_args()


if __name__ == "__main__":
    given = arguments()
    main(given.rows, given.csv_rows, given.picture)
