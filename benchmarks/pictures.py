"""Pictures that are committed to git."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure


def save_svg(figure: Figure, file: Path) -> None:
    """Write an SVG file reproducibly, so that it changes only if a figure changed."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context({"svg.hashsalt": file.stem}):
        # A date would change the picture each day.
        figure.savefig(file, metadata={"Date": None})
