"""Tables and a picture of Pants' costs by number of models.

    ./pants run benchmarks/scale/report.py
    ./pants run benchmarks/scale/report.py -- --picture dist/benchmarks/scale.svg

Reads the results of `measure.py`. The tables are Markdown; missing figures are empty.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from matplotlib.figure import Figure

from pictures import save_svg

type Figures = Mapping[str, Mapping[str, Mapping[str, float]]]

WARM = ("list, warm", "dependencies, warm")
CHANGES = tuple(
    f"change of {what}, warm" for what in ("leaf", "shared feature", "base config", "requirement")
)
JOB = ("start of Pants, CI job", "change of leaf, CI job", "change of base config, CI job")
ONE = ("test of one model", "all tests of one model's change", "package of one model")
ALL = ("test of everything", "package of everything")
PEER = ("uv: one environment", "pytest of everything", "pytest of one model")
TIMED = ("list, cold", "dependencies, cold", *WARM, *CHANGES, *JOB, *ONE, *ALL, *PEER)
SIZES = ("memory of the daemon", "local store")
# The lines of the picture.
DRAWN = (
    "change of leaf, warm",
    "change of leaf, CI job",
    "all tests of one model's change",
    "package of one model",
    "test of everything",
    "package of everything",
    "pytest of everything",
)


def cell(figure: Mapping[str, float], key: str) -> str:
    value = figure.get(key)
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 1000 or value.is_integer() else f"{value:,.1f}"


def table(figures: Figures, names: Iterable[str], key: str, unit: str) -> str:
    """A row for each figure, and a column for each number of models."""
    counts = sorted(figures, key=int)
    lines = [
        f"| {unit} | " + " | ".join(f"{int(count):,}" for count in counts) + " |",
        "|---|" + "---|" * len(counts),
    ]
    for name in names:
        cells = [cell(figures[count].get(name, {}), key) for count in counts]
        if any(cells):
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def draw(figures: Figures, file: Path) -> None:
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    for name in DRAWN:
        points = sorted(
            (int(count), measured[name]["cpu"])
            for count, measured in figures.items()
            if name in measured
        )
        if points:
            axes.plot(*zip(*points, strict=True), marker="o", label=name)
    axes.set(xscale="log", yscale="log", xlabel="models", ylabel="processor seconds")
    axes.set_title("Cost against the number of models")
    axes.grid(visible=True, which="major", alpha=0.3)
    axes.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    save_svg(figure, file)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=Path("dist/benchmarks/scale.json"))
    parser.add_argument("--picture", type=Path, help="an SVG file to draw")
    options = parser.parse_args()
    if not options.results.exists():
        parser.error(f"--results: no file {options.results}. Run benchmarks/scale/measure.py.")
    known = json.loads(options.results.read_text())
    print(", ".join(f"{key} {value}" for key, value in known["machine"].items()), end="\n\n")
    print(table(known["figures"], TIMED, "cpu", "processor seconds"), end="\n\n")
    print(table(known["figures"], TIMED, "seconds", "seconds"), end="\n\n")
    print(table(known["figures"], CHANGES, "targets", "targets touched"), end="\n\n")
    print(table(known["figures"], SIZES, "megabytes", "megabytes"))
    if options.picture:
        draw(known["figures"], options.picture)


if __name__ == "__main__":
    main()
