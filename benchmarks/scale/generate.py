"""Write models of varied shape into a repository, which use the shared modules.

    python3 benchmarks/scale/generate.py --models 50 --into ../clone

Half of the models compute their features with the same shared module, a quarter with one that eight
models share, and a quarter with their own. They need four sets of requirements. Each has the files
of a model (BUILD, contracts, data set, features, pipeline, definition, four tasks, declaration) and
a test.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scale.shapes import Shape


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def generate(root: Path, first: int, last: int) -> None:
    """Write the models with the numbers from `first` to `last`, excluding `last`."""
    for number in range(first, last):
        for file, text in Shape(number).files().items():
            write(root / file, text)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=int, required=True, help="how many")
    parser.add_argument("--into", type=Path, required=True, help="a clone of this repository")
    options = parser.parse_args()
    if not (options.into / "src/models").is_dir():
        parser.error(
            f"--into: {options.into} has no src/models. Expected a clone of this repository."
        )
    generate(options.into, 0, options.models)
    print(f"{options.models} models written below {options.into}/src/models.", file=sys.stderr)


if __name__ == "__main__":
    main()
