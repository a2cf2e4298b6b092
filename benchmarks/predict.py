"""Measure `predict` with iris from Parquet to Parquet, compared with the bare scikit-learn call.

Examples:
  ./pants run benchmarks/predict.py
  ./pants run benchmarks/predict.py -- --rows 1000000 10000000 --repeat 5

Three kinds of processes alternate in every round, so that all run under the same conditions:

- the command, `python -m models.iris.predict`, unchanged, from its start to its end.
- the peer, the same champion without contracts: one `predict_proba` and its argmax on the whole
  frame in memory. Only the call is timed. Nothing is read, checked or written. Both use the
  forest's own `n_jobs` (one thread).
- the command with a timer around every pandera validation. This gives the share of the checks, and
  the time without the start (imports, MLflow, loading the champion), which does not depend on the
  number of rows.

Ratios are computed per round, and their median is printed. `wall` is elapsed time, and `cpu` is
processor time, which depends less on other work. Peak memory is measured for each process by the
kernel.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import predict_peers
from models.iris import predict as command

RUSAGE_UNIT = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class Cost:
    """Seconds, and the peak of resident memory in MiB."""

    wall: float
    cpu: float
    peak: float = 0.0

    def __str__(self) -> str:
        return f"{self.wall:.1f} s (cpu {self.cpu:.1f} s)"


@dataclass(frozen=True)
class Round:
    """One run of each kind of process; `work` is the command without its start."""

    whole: Cost
    work: Cost
    peer: Cost
    checks_cpu: float


def run(
    module: str, *arguments: str, folder: Path, more: Mapping[str, str] | None = None
) -> tuple[Cost, str]:
    """Run one process to its end, with MLflow's files in `folder`.

    `more` are further variables of its environment.
    """
    log = folder / "log"
    started = time.perf_counter()
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=folder,
            env={**environment(), **(more or {})},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
        # wait4 reports the usage of this child only, not the sum over all children.
        _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{module} {' '.join(arguments)} failed:\n{log.read_text()}")
    peak = usage.ru_maxrss * RUSAGE_UNIT / 2**20
    return Cost(wall, usage.ru_utime + usage.ru_stime, peak), log.read_text()


def environment() -> dict[str, str]:
    """This environment without settings for MLflow, and with byte code, like installed commands."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in ("MLFLOW_TRACKING_URI", "PYTHONDONTWRITEBYTECODE")
        and not name.startswith("DATASCIENCE_")
    }
    return {**kept, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def one_round(rows: Path, folder: Path) -> Round:
    output = str(folder / "out.parquet")
    peers = predict_peers.__name__
    whole, _ = run(command.__name__, "--input", str(rows), "--output", output, folder=folder)
    process, told = run(peers, "bare", str(rows), folder=folder)
    call = json.loads(told.splitlines()[-1])
    _, told = run(peers, "checks", str(rows), output, folder=folder)
    inside = json.loads(told.splitlines()[-1])
    return Round(
        whole,
        Cost(inside["wall"], inside["cpu"]),
        Cost(call["wall"], call["cpu"], process.peak),
        inside["checks_cpu"],
    )


def report(count: int, rounds: Sequence[Round]) -> None:
    def ratio(name: str, kind: str) -> float:
        pairs = [(getattr(r, kind), r.peer) for r in rounds]
        return median([float(getattr(a, name) / getattr(b, name)) for a, b in pairs])

    whole = median(r.whole.wall for r in rounds)
    work = median(r.work.wall for r in rounds)
    peer = median(r.peer.wall for r in rounds)
    print(f"{count:,} rows, median of {len(rounds)}")
    for name, seconds, kind in (("command", whole, "whole"), ("its work", work, "work")):
        print(
            f"  {name:9} {seconds:7.1f} s {count / seconds:12,.0f} rows/s   "
            f"ratio: wall {ratio('wall', kind):.2f}, cpu {ratio('cpu', kind):.2f}"
        )
    print(f"  {'peer':9} {peer:7.1f} s {count / peer:12,.0f} rows/s")
    print(
        f"  peak      {median(r.whole.peak for r in rounds):7.0f} MiB, "
        f"peer {median(r.peer.peak for r in rounds):.0f} MiB"
    )
    checks = median(r.checks_cpu / r.work.cpu for r in rounds)
    print(f"  checks    {checks:7.1%} of the work's cpu", flush=True)


def main(counts: Sequence[int], repeat: int) -> None:
    with tempfile.TemporaryDirectory(prefix="predict-") as name:
        folder = Path(name).resolve()
        say("training a champion")
        run(command.__name__, folder=folder)
        for count in counts:
            rows = folder / "rows.parquet"
            say(f"writing {count:,} flowers")
            run(predict_peers.__name__, "flowers", str(count), str(rows), folder=folder)
            rounds = []
            for number in range(1, repeat + 1):
                rounds.append(one_round(rows, folder))
                last = rounds[-1]
                say(
                    f"{count:,} rows, round {number} of {repeat}: command {last.whole}, "
                    f"work {last.work}; peer {last.peer}"
                )
            report(count, rounds)


def say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--rows",
        type=int,
        nargs="+",
        default=[1_000_000, 10_000_000],
        help="default: 1000000 10000000",
    )
    parser.add_argument("--repeat", type=int, default=3, help="rounds for each; default: 3")
    return parser.parse_args()


if __name__ == "__main__":
    given = arguments()
    main(given.rows, given.repeat)
