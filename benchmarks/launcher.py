"""Measure what ./pants adds to Pants: the medians of `./pants --version` with and without it.

    python3 benchmarks/launcher.py [calls]

Runs in a new repository with a warm pantsd. The two kinds of calls alternate, so that both run
under the same conditions.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
LAUNCHER = "3rdparty/python/launcher"

# Replaces the last step of ./pants, to find out the command and environment that it would use.
REPORT = """
exec() { printf '%s\\0' "$1"; env -0; exit 0; }
set -- --version
source ./pants
"""


def new_repository(root: Path) -> None:
    shutil.copytree(ROOT / LAUNCHER, root / LAUNCHER)
    for name in ("pants", ".pants.bootstrap"):
        shutil.copy(ROOT / name, root / name)
    (root / "pants.toml").write_text('[GLOBAL]\npants_version = "2.17.1"\n')


def without_launcher(root: Path) -> tuple[list[str], dict[str, str]]:
    """The command and environment of the last step of ./pants."""
    told = subprocess.run(
        ["bash", "-c", REPORT, "./pants"], cwd=root, check=True, capture_output=True, text=True
    )
    executable, *environment = told.stdout.rstrip("\0").split("\0")
    return [executable, "--version"], dict(entry.split("=", 1) for entry in environment)


def milliseconds(command: list[str], root: Path, env: dict[str, str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, cwd=root, env=env, check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - start) * 1000


def main(calls: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        new_repository(root)
        launcher = (["./pants", "--version"], dict(os.environ))
        # Runs the setup and starts pantsd, which ends when its folder is deleted.
        milliseconds(launcher[0], root, launcher[1])
        direct = without_launcher(root)
        pairs = [
            (milliseconds(launcher[0], root, launcher[1]), milliseconds(direct[0], root, direct[1]))
            for _ in range(calls)
        ]
    through, alone = (median(times) for times in zip(*pairs, strict=True))
    print(f"./pants --version      {through:6.1f} ms (median of {calls})")
    print(f"the same executable    {alone:6.1f} ms")
    print(f"launcher               {through - alone:6.1f} ms, ratio {through / alone:.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 25)
