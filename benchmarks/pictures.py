"""Pictures that go into git."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure


def save_svg(figure: Figure, file: Path) -> None:
    """The same bytes of the same figures: a picture in git changes only where a figure did."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context({"svg.hashsalt": file.stem}):
        # With a date in it the picture would be another one each day.
        figure.savefig(file, metadata={"Date": None})
