"""Measure `predict` from S3 to S3, compared with local files.

Examples:
  ./pants run benchmarks/s3.py
  ./pants run benchmarks/s3.py -- --rows 10000000 --repeat 3

Both read and write Parquet, alternating, with the unchanged command
`python -m models.iris.predict`. The server is moto's, on loopback, in a separate process: its
processor time does not count.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

import predict_peers
from integration.servers import S3
from models.iris import predict as command
from predict import Cost, environment, run, say

BUCKET = "benchmark"


def server(folder: Path) -> tuple[subprocess.Popen[bytes], S3]:
    """Start the server in its own process, with an empty bucket."""
    s3 = S3(BUCKET)
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(s3.port)],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment(),
    )
    s3.wait()
    return process, s3


def upload(rows: Path, variables: Mapping[str, str], folder: Path) -> str:
    place = f"s3://{BUCKET}/rows.parquet"
    run("data_exports.export", "--src", str(rows), "--dst", place, folder=folder, more=variables)
    return place


def report(count: int, here: Sequence[Cost], there: Sequence[Cost]) -> None:
    def ratio(name: str) -> float:
        pairs = zip(here, there, strict=True)
        return median(float(getattr(b, name) / getattr(a, name)) for a, b in pairs)

    print(f"{count:,} rows, median of {len(here)}")
    for name, costs in (("file to file", here), ("S3 to S3", there)):
        print(
            f"  {name:12} {median(c.wall for c in costs):7.1f} s   "
            f"cpu {median(c.cpu for c in costs):7.1f} s   "
            f"peak {median(c.peak for c in costs):6.0f} MiB"
        )
    print(
        f"  ratio        wall {ratio('wall'):.2f}   cpu {ratio('cpu'):.2f}   "
        f"peak {ratio('peak'):.2f}",
        flush=True,
    )


def main(counts: Sequence[int], repeat: int) -> None:
    with tempfile.TemporaryDirectory(prefix="s3-") as name:
        folder = Path(name).resolve()
        say("training a champion")
        module = command.__name__
        run(module, folder=folder)
        process, s3 = server(folder)
        variables = {
            "DATASCIENCE_STORES_S3_ENDPOINT_URL": s3.endpoint,
            "DATASCIENCE_STORES_S3_KEY": "key",
            "DATASCIENCE_STORES_S3_SECRET": "secret",  # pragma: allowlist secret
            "DATASCIENCE_STORES_TIMEOUT_SECONDS": "120",
        }
        try:
            for count in counts:
                rows = folder / "rows.parquet"
                say(f"writing {count:,} flowers")
                run(predict_peers.__name__, "flowers", str(count), str(rows), folder=folder)
                place = upload(rows, variables, folder)
                here, there = [], []
                for number in range(repeat):
                    say(f"round {number + 1} of {repeat}")
                    output = str(folder / "out.parquet")
                    here.append(
                        run(module, "--input", str(rows), "--output", output, folder=folder)[0]
                    )
                    output = f"s3://{BUCKET}/out.parquet"
                    arguments = ("--input", place, "--output", output)
                    there.append(run(module, *arguments, folder=folder, more=variables)[0])
                report(count, here, there)
        finally:
            process.kill()
            process.wait()


if __name__ == "__main__":
    summary, _, details = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=details, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000_000])
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    main(options.rows, options.repeat)
