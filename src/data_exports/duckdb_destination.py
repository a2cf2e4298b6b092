"""A DuckDB table as a destination; its manifest is a row of another, in one transaction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from config.errors import InputError, UserError
from data_access_layer.commit.digest import RowsDigest
from data_access_layer.commit.manifest import Manifest
from data_access_layer.duckdb_tables import DuckDBTable
from data_access_layer.reader import RecordBatch
from data_access_layer.retries import TransientError
from data_access_layer.types import as_types, refuse_names, refuse_types, signed
from data_exports.destinations import CREATED_BY, Origin


@dataclass(frozen=True)
class DuckDBDestination:
    """One table; DuckDB itself rolls back what a killed export did."""

    table: DuckDBTable

    @property
    def name(self) -> str:
        """What a message calls it."""
        return self.table.location

    @property
    def format(self) -> str:
        """What the manifest calls it."""
        return "duckdb"

    def check(self, rows: int | None) -> None:
        """Refuse early what could only fail after all the work: nothing is known to."""

    def write(self, batches: Iterator[RecordBatch], origin: Origin) -> Manifest:
        """Replace the table and its manifest in one transaction.

        Raises:
            InputError: a column's type or name is one that DuckDB does not have.
            UserError: another process writes to the file, or the disk is full.
        """
        first = next(batches, None)
        if first is None:
            raise InputError(f"{self.name}: there are no rows to write.")
        refuse_types(first.schema, self.format)
        refuse_names(first.schema.names, self.format)
        columns = {field.name: str(field.type) for field in first.schema}
        rows = (as_types(batch, signed, self.format) for batch in chain([first], batches))
        first = next(rows)

        def manifest(written: Iterator[RecordBatch]) -> str:
            digest = _digest(written)
            return Manifest(
                rows=digest.rows,
                columns=columns,
                sha256=digest.hexdigest(),
                format=self.format,
                checksum="rows",
                created_by=CREATED_BY,
                **vars(origin),
            ).text()

        try:
            text = self.table.replace(first.schema, chain([first], rows), manifest)
        except TransientError as error:
            raise UserError(
                f"{self.name}: {error}. The earlier table is untouched; start again."
            ) from None
        return Manifest.parse(text or "", self.name)

    def manifest(self) -> Manifest | None:
        """The manifest that the file keeps for the table."""
        text = self.table.manifest()
        return None if text is None else Manifest.parse(text, self.name)

    def found(self, manifest: Manifest) -> tuple[int | None, str]:
        """Rows and checksum of the table as it is."""
        digest = _digest(self.table.rows())
        return digest.rows, digest.hexdigest()


def _digest(rows: Iterator[RecordBatch]) -> RowsDigest:
    digest = RowsDigest()
    for batch in rows:
        digest.add(batch)
    return digest
