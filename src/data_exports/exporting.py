"""Exports: rows are read batch by batch, and written beside their destination meanwhile."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from config.errors import InputError
from config.task import LoadSettings
from config.terminal import say, show_table, with_progress
from data_access_layer.files import (
    STANDARD_STREAM,
    file_sha256,
    manifest_path,
    standard_input_file,
    table_files,
)
from data_access_layer.reader import RecordBatch, TableFile, even_batches
from data_access_layer.settings import StoreSettings
from data_access_layer.stores import open_location, open_table
from data_access_layer.table import StoredTable
from data_access_layer.text import formula_like
from data_access_layer.threads import prefetched
from data_exports.destinations import Destination, Origin
from data_exports.manifest import Manifest, manifest_of
from data_exports.places import destination_of
from data_exports.settings import ExportSettings
from data_exports.verifying import facts


class Source(Protocol):
    """A table that is exported."""

    @property
    def name(self) -> str:
        """What a message and the manifest call it."""

    def row_count(self) -> int | None:
        """How many rows there are, where that is known before they are read."""

    def batches(self, columns: Sequence[str] | None, batch_rows: int) -> Iterator[RecordBatch]:
        """Yield the rows in order, of `columns` only."""

    def origin(self) -> Origin:
        """Where the rows come from, and which model made them."""


@dataclass(frozen=True)
class FileSource:
    """One file or several that are read one after another."""

    files: Sequence[TableFile]
    name: str

    def row_count(self) -> int | None:
        """The rows of all files, where their formats tell."""
        counts = [file.row_count() for file in self.files]
        return None if None in counts else sum(count or 0 for count in counts)

    def batches(self, columns: Sequence[str] | None, batch_rows: int) -> Iterator[RecordBatch]:
        """Yield the rows in order, of `columns` only."""
        for file in self.files:
            yield from file.record_batches(batch_rows, columns=columns)

    def origin(self) -> Origin:
        """As the only file's manifest says, if it has one and it is its own."""
        manifests = [manifest for file in self.files if (manifest := _own_manifest(file.path))]
        made = {(m.model, m.model_version, m.git_commit) for m in manifests}
        if len(made) != 1 or len(manifests) < len(self.files):
            return Origin(self.name)
        return Origin(self.name, *made.pop())


@dataclass(frozen=True)
class StoredSource:
    """A table in a store."""

    table: StoredTable

    @property
    def name(self) -> str:
        """Where it lies, without credentials."""
        return self.table.location

    def row_count(self) -> int | None:
        """As the store knows or counts them."""
        return self.table.row_count()

    def batches(self, columns: Sequence[str] | None, batch_rows: int) -> Iterator[RecordBatch]:
        """Yield the rows as the store has them, of `columns` only."""
        return self.table.batches(columns, batch_rows=batch_rows)

    def origin(self) -> Origin:
        """The store."""
        return Origin(self.name)


def export(settings: ExportSettings, load_settings: LoadSettings) -> Manifest:
    """Export one table, whole or not at all, and show a summary.

    Raises:
        InputError: the table cannot be read, or the destination cannot be there or cannot hold it.
        UserError: the disk is full, or a store failed.
    """
    started = time.monotonic()
    for option, value in (("--src", settings.src), ("--dst", settings.dst)):
        if not value:
            raise InputError(f"{option} is missing. See `python -m data_exports.export --help`.")
    destination = destination_of(settings.dst, settings.format, load_settings, settings=settings)
    with ExitStack() as stack:
        source = source_of(settings.src, load_settings, stack)
        rows = source.row_count()
        destination.check(rows)
        formulas: Counter[str] = Counter()
        columns = _columns(settings.columns)
        batch_rows = settings.batch_rows
        read = prefetched(even_batches(source.batches(columns, batch_rows), batch_rows))
        with closing(read):
            counted = ((batch.num_rows, batch) for batch in read)
            batches = with_progress(counted, rows, what="exporting")
            if destination.format == "csv":
                batches = _counting(batches, formulas)
            manifest = destination.write(batches, source.origin())
    _show(manifest, destination, time.monotonic() - started)
    if formulas and settings.csv_formulas == "keep":
        _warn(formulas)
    return manifest


def source_of(place: str, load_settings: LoadSettings, stack: ExitStack) -> Source:
    """The table that `place` names.

    Raises:
        InputError: there is none.
    """
    if place == STANDARD_STREAM:
        file = stack.enter_context(standard_input_file())
        return FileSource([TableFile(file, {}, "standard input")], "standard input")
    settings = load_settings(StoreSettings)
    if "://" in place:
        return StoredSource(open_location(place, settings))
    # A name that is no file's is that of a stored table.
    if not Path(place).exists() and re.fullmatch(r"\w+", place):
        return StoredSource(open_table(place, settings))
    files = [TableFile(file, {}, str(file)) for file in table_files(Path(place))]
    return FileSource(files, place)


def _columns(text: str) -> list[str] | None:
    names = [name.strip() for name in text.split(",") if name.strip()]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise InputError(f"--columns: {twice[0]!r} stands there twice.")
    return names or None


def _own_manifest(file: Path) -> Manifest | None:
    if not manifest_path(file).is_file():
        return None
    manifest = manifest_of(file)
    if manifest is None or manifest.sha256 != file_sha256(file):
        say(f"{file}: was changed after its manifest was written, which is not carried over.")
        return None
    return manifest


def _counting(batches: Iterator[RecordBatch], formulas: Counter[str]) -> Iterator[RecordBatch]:
    for batch in batches:
        formulas.update(formula_like(batch))
        yield batch


def _warn(formulas: Counter[str]) -> None:
    columns = ", ".join(f"{name!r} ({count:,})" for name, count in sorted(formulas.items()))
    say(
        f"Texts that a spreadsheet would run as formulas: {columns}. They are kept as they are. "
        "For people who open it in a spreadsheet, export .xlsx, or say --csv-formulas escape."
    )


def _show(manifest: Manifest, destination: Destination, seconds: float) -> None:
    rows = [*facts(manifest), ("seconds", f"{seconds:.1f}"), ("destination", destination.name)]
    show_table(f"{manifest.source}: exported as {manifest.format}", ["", ""], rows)
