"""A checksum of rows in any store, for tables that are not one file.

Each row is rendered as JSON, which does not depend on the store's types. The checksum is the sum of
the rows' SHA-256 modulo 2**256. It does not depend on the order of the rows, which not every store
keeps, and it counts duplicate rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Self

import pyarrow as pa

from data_access_layer.formats.json_lines_writer import JsonLines
from data_access_layer.reader import RecordBatch

_MODULUS = 1 << 256


class RowsDigest:
    """Sums up the batches of one table."""

    def __init__(self) -> None:
        self.rows = 0
        self._sum = 0
        self._lines: JsonLines | None = None

    @classmethod
    def from_batches(cls, batches: Iterable[RecordBatch]) -> Self:
        """The digest of all rows."""
        digest = cls()
        for batch in batches:
            digest.add(batch)
        return digest

    def add(self, batch: RecordBatch) -> None:
        """Add rows."""
        self._lines = self._lines or JsonLines(batch.schema, finite=False)
        lines = self._lines.render(pa.Table.from_batches([batch])).to_pylist()
        sha256 = hashlib.sha256
        self._sum += sum(int.from_bytes(sha256(line.encode()).digest()) for line in lines)
        self._sum %= _MODULUS
        self.rows += len(lines)

    def hexdigest(self) -> str:
        """The sum, in hexadecimal."""
        return f"{self._sum:064x}"
