"""A uniform sample of a stream, in constant memory."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd


class Reservoir:
    """Keeps a uniform sample of `size` rows.

    Each row draws a random number, and the rows with the smallest numbers are kept. The same seed
    and rows give the same sample for any batch size.
    """

    def __init__(self, size: int, seed: int) -> None:
        self._size = size
        self._rng = np.random.default_rng(seed)
        self._drawn: npt.NDArray[np.float64] = np.empty(0)
        self._rows: pd.DataFrame | None = None
        self.seen = 0

    def add(self, frame: pd.DataFrame) -> None:
        """Add the next rows of the stream."""
        if frame.empty:
            return
        self.seen += len(frame)
        drawn = self._rng.random(len(frame))
        if len(self._drawn) == self._size:
            chosen = drawn < self._drawn.max()
            frame, drawn = frame[chosen], drawn[chosen]
        if frame.empty:
            return
        rows = frame if self._rows is None else pd.concat([self._rows, frame], ignore_index=True)
        drawn = np.concatenate([self._drawn, drawn])
        kept = np.sort(np.argsort(drawn, kind="stable")[: self._size])
        self._rows, self._drawn = rows.iloc[kept].reset_index(drop=True), drawn[kept]

    def rows(self) -> pd.DataFrame:
        """The sample, in the order of the stream."""
        return pd.DataFrame() if self._rows is None else self._rows
