"""A database's table as a destination; its manifest is a row of another, in one transaction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from data_access_layer.commit.manifest import Manifest
from data_access_layer.reader import RecordBatch
from data_access_layer.sql_table import SqlTable
from data_exports.destinations import CREATED_BY, Origin


@dataclass(frozen=True)
class SqlDestination:
    """One table; the database itself rolls back what a killed export did."""

    table: SqlTable

    @property
    def name(self) -> str:
        """What a message calls it."""
        return self.table.location

    @property
    def format(self) -> str:
        """What the manifest calls it."""
        return "sql"

    def check(self, rows: int | None) -> None:
        """Refuse early what could only fail after all the work."""
        self.table.check()

    def write(self, batches: Iterator[RecordBatch], origin: Origin) -> Manifest:
        """Replace the table and its manifest in one transaction."""

        def manifest(rows: int, checksum: str, columns: dict[str, str]) -> str:
            return Manifest(
                rows=rows,
                columns=columns,
                sha256=checksum,
                format=self.format,
                checksum="rows",
                created_by=CREATED_BY,
                **vars(origin),
            ).text()

        return Manifest.parse(self.table.replace_with(batches, manifest), self.name)

    def manifest(self) -> Manifest | None:
        """The manifest that the database keeps for the table."""
        text = self.table.manifest()
        return None if text is None else Manifest.parse(text, self.name)

    def found(self, manifest: Manifest) -> tuple[int | None, str]:
        """Rows and checksum of the table as it is."""
        return self.table.checksum()
