"""Compare the size of iris' package with that of an environment with all requirements.

    python3 benchmarks/pex_size.py

Packages both in the same layout, which takes some minutes without a cache.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MEGABYTE = 1_000_000
PACKAGES = {
    "src/models/iris:predict": "src.models.iris/predict.pex",
    "benchmarks:everything": "benchmarks/everything.pex",
}


def size(path: Path) -> int:
    """Size in bytes of a file, or of all files in a folder."""
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def largest(package: Path, count: int = 5) -> str:
    wheels = sorted((package / ".deps").iterdir(), key=size, reverse=True)
    return ", ".join(
        f"{wheel.name.split('-')[0]} {size(wheel) / MEGABYTE:.0f}" for wheel in wheels[:count]
    )


def main() -> None:
    subprocess.run(["./pants", "package", *PACKAGES], cwd=ROOT, check=True)
    sizes = []
    for target, path in PACKAGES.items():
        package = ROOT / "dist" / path
        sizes.append(size(package))
        wheels = len(list((package / ".deps").iterdir()))
        print(
            f"{target:<24} {sizes[-1] / MEGABYTE:7.1f} MB, {wheels:3} wheels, "
            f"largest (MB): {largest(package)}"
        )
    print(f"ratio {sizes[0] / sizes[1]:.2f}")


if __name__ == "__main__":
    main()
