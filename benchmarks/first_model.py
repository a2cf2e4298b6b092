"""Create a model with tests, predictions and a package, and print each command with its wall time.

    python3 benchmarks/first_model.py [--image] > recording.txt

Runs in a fresh clone of HEAD, with a generated sample of labelled rows. Uses this machine's caches
of Pants. `--image` also builds the image, which needs a Docker engine and a base image.
"""

from __future__ import annotations

import csv
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ROWS = 1_000
SHOWN_LINES = 6
COMMANDS = (
    "./pants run src/tools:new-model -- churn --kind classification --data customers.csv --id id",
    "git add --all && git commit --quiet --message 'A model of churn'",
    "./pants tailor --check update-build-files --check ::",
    "./pants lint check test src/models/churn:: src/datasets/churn.py tests/models/churn::",
    "./pants run src/datasets:contracts -- export --check",
    "./pants run src/models/churn:train",
    "./pants run src/models/churn:predict -- --input customers.csv --output predicted.csv",
    "./pants package src/models/churn:predict",
)
IMAGE = "./pants package src/models/churn:image"


def write_sample(file: Path) -> None:
    """Write customers, and whether they left: the higher the price, the likelier."""
    draw = random.Random(2)
    with file.open("w", newline="", encoding="utf-8") as opened:
        writer = csv.writer(opened)
        writer.writerow(["id", "plan", "monthly_charge", "calls", "since", "churn"])
        for number in range(ROWS):
            charge = round(draw.uniform(5, 90), 2)
            day = f"2023-{draw.randint(1, 12):02}-{draw.randint(1, 28):02}"
            left = "yes" if charge + draw.gauss(0, 15) > 60 else "no"
            plan = draw.choice(["basic", "family", "pro"])
            writer.writerow([f"c{number:04}", plan, charge, draw.choice([0, 1, 2, ""]), day, left])


def run(command: str, root: Path) -> float:
    """Run a command, print the end of its output, and return its duration in seconds."""
    print(f"$ {command}", flush=True)
    started = time.monotonic()
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    seconds = time.monotonic() - started
    lines = [line.rstrip() for line in done.stdout.splitlines() if line.strip()]
    for line in lines[-SHOWN_LINES:] if not done.returncode else lines:
        print(f"  {line}")
    print(f"  [{seconds:.1f} s]\n", flush=True)
    if done.returncode:
        sys.exit(f"The command failed with exit code {done.returncode}.")
    return seconds


def main(commands: tuple[str, ...]) -> None:
    with tempfile.TemporaryDirectory(prefix="first-") as folder:
        root = Path(folder) / "clone"
        subprocess.run(["git", "clone", "--quiet", ROOT, root], check=True)
        write_sample(root / "customers.csv")
        with (root / ".git/info/exclude").open("a") as exclude:
            exclude.write("/customers.csv\n/predicted.csv*\n")
        for key, value in (("user.name", "Me"), ("user.email", "me@example.com")):
            subprocess.run(["git", "config", key, value], cwd=root, check=True)
        seconds = sum(run(command, root) for command in commands)
        print(f"{len(commands)} commands, {seconds:.0f} s, no file edited by hand.")


if __name__ == "__main__":
    main(COMMANDS + ((IMAGE,) if "--image" in sys.argv[1:] else ()))
