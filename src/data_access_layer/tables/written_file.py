"""A file or an object as a destination, with its manifest next to it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.errors import InputError
from data_access_layer.atomic import stage_path
from data_access_layer.commit.destination import Origin
from data_access_layer.commit.manifest import Manifest, read_manifest
from data_access_layer.commit.staging import stage_table
from data_access_layer.files import FilePath, WrittenFormat, file_sha256
from data_access_layer.formats.writer import TableWriter
from data_access_layer.optional import EXPORTS, import_optional
from data_access_layer.reader import RecordBatch
from data_access_layer.tables.objects import ObjectFile
from data_access_layer.text import Formulas, check_encoding

# Formats that every package can write; others require a library.
OWN_FORMATS = ("parquet", "csv")


@dataclass(frozen=True)
class FileDestination:
    """A file or object, with its manifest next to it."""

    path: FilePath
    format: WrittenFormat
    option: str = "--output"
    encoding: str = "utf-8"
    formulas: Formulas = "keep"

    @property
    def location(self) -> str:
        """Its name in messages."""
        return str(self.path)

    def check(self, rows: int | None) -> None:
        """Find problems before the work starts."""
        if isinstance(self.path, Path):
            if self.path.is_dir():
                raise InputError(
                    f"{self.path}: is a folder. Expected a file, or a Delta table, whose name "
                    "ends in .delta."
                )
        elif isinstance(self.path, ObjectFile):
            # Ask now, to report problems of the store before the work starts.
            self.path.is_file()
            self.path.check_bucket()
        check_encoding(self.encoding)
        if self.encoding != "utf-8" and self.format != "csv":
            raise InputError(
                f"--encoding {self.encoding}: applies only to CSV, not to {self.format}."
            )
        if self.format not in OWN_FORMATS:
            self._exports.ExportWriter.check(self.format, rows)

    def replace(self, batches: Iterator[RecordBatch], origin: Origin) -> Manifest:
        """Replace the file and its manifest, or leave both unchanged."""
        with ExitStack() as stack:
            table = stack.enter_context(stage_table(self.path, option=self.option))
            scratch = None
            if self.format == "xlsx" and isinstance(self.path, Path):
                scratch = stack.enter_context(_make_scratch_folder(self.path, self.option))
            table.manifest = write_file(
                table.path, self._writer(table.path, scratch), batches, origin
            )
        return table.manifest

    def _writer(self, path: Path, scratch: Path | None) -> TableWriter:
        own: dict[str, Any] = {"encoding": self.encoding, "formulas": self.formulas}
        if self.format in OWN_FORMATS:
            return TableWriter(str(path), format=self.format, **own)
        writer: TableWriter = self._exports.ExportWriter(
            str(path), format=self.format, scratch=scratch, **own
        )
        return writer

    @property
    def _exports(self) -> Any:
        return import_optional(EXPORTS, place=self.location)

    def read_manifest(self) -> Manifest | None:
        """Read the manifest of the current file."""
        if not self.path.is_file():
            raise InputError(f"{self.path}: there is no such file.")
        return read_manifest(self.path)

    def compute_checksum(self, manifest: Manifest) -> tuple[int | None, str]:
        """The file's checksum; it implies the rows, which are not counted."""
        return None, file_sha256(self.path)


def write_file(
    path: Path, writer: TableWriter, batches: Iterator[RecordBatch], origin: Origin
) -> Manifest:
    """Write the rows to `path`, and return the file's manifest.

    Raises:
        InputError: the rows do not have the same columns, or the format cannot hold a value.
    """
    rows = 0
    with writer:
        for batch in batches:
            writer.write_batch(batch)
            rows += batch.num_rows
    return origin.make_manifest(
        rows=rows,
        columns=writer.columns,
        sha256=file_sha256(path),
        format=writer.format,
    )


@contextmanager
def _make_scratch_folder(destination: Path, option: str) -> Iterator[Path]:
    """Make a folder next to the destination; if this run is killed, the next one removes it."""
    with stage_path(destination.with_name(f"{destination.name}.scratch"), option=option) as folder:
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
