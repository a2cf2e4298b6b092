"""Measure the time to the first prediction, compared with a virtual environment.

    python3 benchmarks/startup.py
    python3 benchmarks/startup.py --image --rounds 7

It predicts iris' 150 flowers, from the start of the process to its end. All ways use the same
champion and the same packages, and alternate in every round:

- venv: `python -m models.iris.predict` in a virtual environment built from the package; the peer
- package, cold: with an empty PEX_ROOT, as in the first run on a machine
- package, warm: any later run
- image, cold (`--image`): `docker load` of its archive into an engine that already has the
  third-party layers, and the first container
- image, warm: any later container

`--image` needs a Docker engine, and builds the image with `./pants package`. At the end, it prints
the import times of the virtual environment's Python, by package.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median

from interpreter import python

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "src/models/iris:predict"
PEX = ROOT / "dist/src.models.iris/predict.pex"
IMAGE = "src/models/iris:image"
IMAGE_REF = "models/iris"
MODULE = "models.iris.predict"
PEER = "venv"
SHOWN_PACKAGES = 8


def call(*command: str | Path, cwd: Path, env: Mapping[str, str] | None = None) -> str:
    """Return the standard error of a command, or exit with it if the command fails."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**clean_environment(), **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}:\n{done.stdout}\n{done.stderr}")
    return done.stderr


def clean_environment() -> dict[str, str]:
    """This environment without settings for MLflow and for the repository's code."""
    ours = ("DATASCIENCE_", "MLFLOW_", "PEX_", "PYTHON")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


class Ways:
    """All ways to start one prediction, in one folder with one champion."""

    def __init__(self, folder: Path, *, image: bool) -> None:
        self._work = folder / "work"
        self._warm = folder / "pex_root"
        self._cold = folder / "cold"
        self._venv = folder / "venv"
        self._archive = folder / "image.tar"
        self._work.mkdir()
        call(python(), PEX, "venv", "--compile", self._venv, cwd=folder, env={"PEX_TOOLS": "1"})
        # Trains the champion for all ways, and fills the warm PEX_ROOT.
        self.package(self._warm)
        self.all: dict[str, Callable[[], float]] = {
            PEER: self.venv,
            "package, cold": self.cold_package,
            "package, warm": lambda: self.package(self._warm),
        }
        if image:
            save = ("docker", "save", f"--output={self._archive}", IMAGE_REF)
            call(*save, cwd=folder)
            self.all |= {"image, cold": self.cold_image, "image, warm": self.image}

    def _measure_time(self, *command: str | Path, env: Mapping[str, str] | None = None) -> float:
        start = time.perf_counter()
        call(*command, cwd=self._work, env=env)
        return time.perf_counter() - start

    def venv(self) -> float:
        return self._measure_time(self._venv / "bin/python", "-m", MODULE)

    def package(self, pex_root: Path) -> float:
        return self._measure_time(python(), PEX, env={"PEX_ROOT": str(pex_root)})

    def cold_package(self) -> float:
        shutil.rmtree(self._cold, ignore_errors=True)
        return self.package(self._cold)

    def image(self) -> float:
        place = (f"--volume={self._work}:{self._work}", f"--workdir={self._work}")
        user = f"--user={os.getuid()}:{os.getgid()}"
        options = ("--rm", "--network=none", "--read-only", "--tmpfs=/tmp", user, *place)
        return self._measure_time("docker", "run", *options, IMAGE_REF, MODULE)

    def cold_image(self) -> float:
        call("docker", "rmi", "--force", IMAGE_REF, cwd=self._work)
        call("docker", "image", "prune", "--force", cwd=self._work)
        return self._measure_time("docker", "load", f"--input={self._archive}") + self.image()

    def imports(self) -> Counter[str]:
        """Import time of each package in the virtual environment, in microseconds."""
        told = call(self._venv / "bin/python", "-X", "importtime", "-m", MODULE, cwd=self._work)
        spent: Counter[str] = Counter()
        for line in told.splitlines():
            own, _, rest = line.removeprefix("import time:").partition("|")
            if line.startswith("import time:") and own.strip().isdigit():
                module = rest.partition("|")[2].strip()
                spent[module.partition(".")[0]] += int(own)
        return spent


def report(seconds: Mapping[str, Sequence[float]], imports: Counter[str]) -> None:
    peer = median(seconds[PEER])
    print(f"{'':15}{'seconds':>8}{'ratio':>7}")
    for name, those in seconds.items():
        print(f"{name:15}{median(those):8.2f}{median(those) / peer:7.2f}")
    total = sum(imports.values())
    largest = imports.most_common(SHOWN_PACKAGES)
    parts = ", ".join(f"{name} {spent / total:.0%}" for name, spent in largest)
    ours = sum(imports[path.name] for path in (ROOT / "src").iterdir())
    print(f"imports, {total / 1e6:.1f} s: {parts}; our own modules {ours / total:.0%}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5, help="default: 5")
    parser.add_argument("--image", action="store_true", help="also measure the image")
    options = parser.parse_args()
    targets = (PACKAGE, IMAGE) if options.image else (PACKAGE,)
    subprocess.run(["./pants", "package", *targets], cwd=ROOT, check=True)
    with tempfile.TemporaryDirectory(prefix="startup-") as name:
        ways = Ways(Path(name).resolve(), image=options.image)
        seconds: dict[str, list[float]] = {way: [] for way in ways.all}
        for number in range(1, options.rounds + 1):
            for way, timed in ways.all.items():
                seconds[way].append(timed())
                told = f"round {number} of {options.rounds}: {way} {seconds[way][-1]:.2f} s"
                print(told, file=sys.stderr, flush=True)
        report(seconds, ways.imports())


if __name__ == "__main__":
    main()
