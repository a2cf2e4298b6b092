"""Compare a model's image with the usual layout: one environment for all, sources copied last.

    ./pants run benchmarks/images.py
    PANTS_IMAGES_BASE_IMAGE=datascience-base:debian ./pants run benchmarks/images.py -- --rounds 7
    ./pants run benchmarks/images.py -- --models 281

Both have the same base. Each round appends one line to a model's pipeline, in a clone of the last
commit, and builds both images again. The model is iris, or with --models the first generated one.
Needs a Docker engine. The first build takes some minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scale.generate import generate
from scale.shapes import Shape

# `./pants run` starts it in the build root.
ROOT = Path.cwd()
MEGABYTE = 1_000_000
PEER = "benchmark-everything"
EVERYTHING = "benchmarks:everything"
ENVIRONMENT = "benchmark-environment"
# A separate image replaces a builder's cache: an older engine would send all files to look it up.
DOCKERFILES = {
    ENVIRONMENT: "FROM {base}\nCOPY site-packages /opt/environment\n",
    PEER: "FROM {base}\nCOPY src /opt/src\nENV PYTHONPATH=/opt/environment:/opt/src\n",
}


def call(*command: str | Path, cwd: Path, env: dict[str, str] | None = None) -> str:
    """Return the output of a command, or exit with its output if it fails."""
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **(env or {})}, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}:\n{done.stderr or done.stdout}")
    return done.stdout


def inspect(image: str) -> dict[str, Any]:
    (told,) = json.loads(call("docker", "image", "inspect", image, cwd=ROOT))
    return dict(told)


def layer_sizes(image: str) -> list[int]:
    """Bytes of each layer, the base's first."""
    history = ("docker", "history", "--human=false", "--format={{.Size}}", image)
    sizes = [int(line) for line in call(*history, cwd=ROOT).split()]
    return sizes[::-1]


def new_bytes(image: str, before: Sequence[str]) -> int:
    """Bytes of the layers that are new in an image."""
    layers = inspect(image)["RootFS"]["Layers"]
    # The history also has steps that only change the configuration, without a layer.
    sizes = [size for size in layer_sizes(image) if size][-len(layers) :]
    kept = sum(1 for old, new in zip(before, layers, strict=False) if old == new)
    return sum(sizes[kept - len(layers) :]) if kept < len(layers) else 0


@dataclass
class Layout:
    """An image, how to build it, and the costs of each round."""

    name: str
    image: str
    build: Callable[[], object]
    seconds: list[float] = field(default_factory=list)
    added: list[int] = field(default_factory=list)

    def round(self) -> None:
        before = inspect(self.image)["RootFS"]["Layers"]
        start = time.perf_counter()
        self.build()
        self.seconds.append(time.perf_counter() - start)
        self.added.append(new_bytes(self.image, before))

    @property
    def size(self) -> int:
        return int(inspect(self.image)["Size"])


def docker_build(image: str, base: str, folder: Path) -> None:
    (folder / "Dockerfile").write_text(DOCKERFILES[image].format(base=base))
    call("docker", "build", "--quiet", f"--tag={image}", ".", cwd=folder)


def build_environment(clone: Path, folder: Path) -> None:
    """Build an image with the whole `default` resolve, on the same base as ours."""
    call("./pants", "package", EVERYTHING, cwd=clone)
    pex = clone / "dist/benchmarks/everything.pex"
    venv = folder / "venv"
    call(sys.executable, pex, "venv", "--compile", venv, cwd=clone, env={"PEX_TOOLS": "1"})
    (site_packages,) = venv.glob("lib/python*/site-packages")
    site_packages.rename(folder / "site-packages")
    shutil.rmtree(venv)
    docker_build(ENVIRONMENT, os.environ.get("PANTS_IMAGES_BASE_IMAGE") or base_of_ours(), folder)
    shutil.rmtree(folder / "site-packages")


def own(clone: Path, model: str) -> Layout:
    """The model's own image."""

    def build() -> None:
        call("./pants", "package", f"src/models/{model}:image", cwd=clone)

    return Layout("model_image", f"models/{model}", build)


def peer(clone: Path, folder: Path) -> Layout:
    """The usual layout."""
    build_environment(clone, folder)

    def build() -> None:
        shutil.copytree(clone / "src", folder / "src", dirs_exist_ok=True)
        docker_build(PEER, ENVIRONMENT, folder)

    return Layout("one environment, sources last", PEER, build)


def base_of_ours() -> str:
    (ref,) = call(
        "docker", "image", "ls", "--format={{.Repository}}:{{.Tag}}", "datascience-base", cwd=ROOT
    ).split()[:1]
    return ref


def report(ours: Layout, other: Layout) -> None:
    figures: list[tuple[str, Callable[[Layout], float], str]] = [
        ("one-line change, s", lambda layout: statistics.median(layout.seconds), "1, and 3 s"),
        ("new layers, kB", lambda layout: max(layout.added) / 1000, "200 kB"),
        ("size, MB", lambda layout: layout.size / MEGABYTE, "0.33"),
    ]
    print(f"{'':20}{ours.name:>14}{other.name:>32}{'ratio':>8}  aim")
    for name, figure, aim in figures:
        mine, theirs = figure(ours), figure(other)
        print(f"{name:20}{mine:>14.2f}{theirs:>32.2f}{mine / theirs:>8.2f}  {aim}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--models", type=int, default=0, help="how many models to generate")
    options = parser.parse_args()
    model = Shape(0).name if options.models else "iris"
    with tempfile.TemporaryDirectory(prefix="benchmark-images-") as name:
        clone, folder = Path(name, "clone"), Path(name, "peer")
        call("git", "clone", "--quiet", ROOT, clone, cwd=ROOT)
        generate(clone, 0, options.models)
        folder.mkdir()
        ours = own(clone, model)
        ours.build()
        other = peer(clone, folder)
        other.build()
        for number in range(options.rounds):
            with (clone / f"src/models/{model}/pipeline.py").open("a") as file:
                file.write(f"# Round {number}.\n")
            ours.round()
            other.round()
        report(ours, other)


if __name__ == "__main__":
    main()
