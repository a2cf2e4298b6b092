"""Measure an export, compared with the library call that writes the same file without guarantees.

Examples:
  ./pants run benchmarks/exports.py
  ./pants run benchmarks/exports.py -- --rows 2000000 --repeat 5

An export reads Parquet, writes to a temporary file next to the destination, flushes to the disk,
computes the checksum, and renames table and manifest. Delta and SQL have a checksum for each row.
The peer reads the same file into memory and writes it with one call. Both run in this process,
without its start. They alternate, and the median of the ratios is printed.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import sqlalchemy as sa
from deltalake import write_deltalake

from data_exports import export

EXCEL_ROWS = 50_000


def main(argv: Sequence[str] | None = None) -> None:
    """Print one line per format."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=Raw)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="exports-") as name:
        folder = Path(name)
        for destination, peer_name, peer in peers(folder):
            rows = min(options.rows, EXCEL_ROWS) if destination.endswith("xlsx") else options.rows
            source = rows_file(folder, rows)
            pairs = [pair(folder, source, destination, peer) for _ in range(options.repeat)]
            ratio = median(ours / theirs for ours, theirs in pairs)
            ours, theirs = (median(side) for side in zip(*pairs, strict=True))
            kind = destination.partition(":")[0].rpartition(".")[2]
            print(
                f"{kind:10} {rows:>10,} rows: {ours:6.2f} s, {peer_name} {theirs:6.2f} s, "
                f"ratio {ratio:.2f}"
            )


class Raw(argparse.RawDescriptionHelpFormatter):
    """Keeps the line breaks of the examples."""


def peers(folder: Path) -> list[tuple[str, str, Callable[[Path, Path], object]]]:
    """The destinations, each with the name of its peer, and the peer."""
    out = folder / "ours"

    def to_sql(source: Path, path: Path) -> None:
        engine = sa.create_engine(f"sqlite:///{path}", poolclass=sa.NullPool)
        pd.read_parquet(source).to_sql("rows", engine, if_exists="replace", index=False)

    return [
        (
            f"{out}.parquet",
            "pyarrow's write_table",
            lambda s, p: pq.write_table(pq.read_table(s), p),
        ),
        (f"{out}.csv", "pyarrow's write_csv", lambda s, p: pa_csv.write_csv(pq.read_table(s), p)),
        (
            f"{out}.jsonl",
            "pandas' to_json",
            lambda s, p: pd.read_parquet(s).to_json(
                p, orient="records", lines=True, date_format="iso"
            ),
        ),
        (
            f"{out}.xlsx",
            "pandas' to_excel",
            lambda s, p: pd.read_parquet(s).to_excel(p, index=False, engine="xlsxwriter"),
        ),
        (f"{out}.delta", "write_deltalake", lambda s, p: write_deltalake(p, pq.read_table(s))),
        (f"sqlite:///{out}.db#rows", "pandas' to_sql", to_sql),
    ]


def rows_file(folder: Path, rows: int) -> Path:
    """Write rows of integers, floating-point numbers, strings and timestamps."""
    random = np.random.default_rng(0)
    path = folder / f"{rows}.parquet"
    table = {
        "id": np.arange(rows),
        "value": random.normal(size=rows),
        "text": [f"text {number}" for number in random.integers(0, 10**6, rows)],
        "moment": pa.array(random.integers(0, 10**15, rows), pa.timestamp("us")),
    }
    pq.write_table(pa.table(table), path)
    return path


def pair(
    folder: Path, source: Path, destination: str, peer: Callable[[Path, Path], object]
) -> tuple[float, float]:
    """Time one export and its peer, in seconds."""
    for left in [*folder.glob("ours*"), *folder.glob("theirs*")]:
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    suffix = Path(destination.partition("#")[0]).suffix
    started = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        export.main(["--src", str(source), "--dst", destination])
    ours = time.perf_counter() - started
    started = time.perf_counter()
    peer(source, folder / f"theirs{suffix}")
    return ours, time.perf_counter() - started


if __name__ == "__main__":
    main()
