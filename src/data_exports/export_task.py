"""Export a table: read and write it batch by batch."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from cli.errors import InputError
from cli.task import TaskContext
from cli.terminal import say, show_table, with_progress
from data_access_layer.commit.destination import Destination, Origin
from data_access_layer.commit.manifest import Manifest, read_manifest
from data_access_layer.files import file_sha256, manifest_path
from data_access_layer.formats.text_types import TextsAs
from data_access_layer.open import StoreSource, open_destination, open_source, refuse_own_input
from data_access_layer.reader import even_batches
from data_access_layer.tables.files import TableFiles, paths_of
from data_access_layer.text import count_formulas, formula_warning
from data_access_layer.threads import prefetch
from data_exports.settings import ExportSettings
from data_exports.verify_task import summarize

CREATED_BY = "data_exports.export"
_ADVICE = "export .xlsx, or set --csv-formulas escape"


def export(settings: ExportSettings, context: TaskContext) -> Manifest:
    """Export one table, completely or not at all, and print a summary.

    Raises:
        InputError: the table cannot be read, or the destination is wrong or cannot hold it.
        UserError: the disk is full, or a store failed.
    """
    started = time.monotonic()
    for option, value in (("--src", settings.src), ("--dst", settings.dst)):
        if not value:
            raise InputError(f"{option} is missing. See `python -m data_exports.export --help`.")
    destination = open_destination(
        settings.dst,
        context,
        option="--dst",
        format=settings.format,
        encoding=settings.encoding,
        formulas=settings.csv_formulas,
    )
    # CSV columns keep their text, so their types do not matter.
    texts_as: TextsAs = "text" if destination.format == "csv" else "exact"
    source = open_source(settings.src, context, texts_as=texts_as)
    refuse_own_input(source, destination, option="--dst")
    rows = source.row_count()
    destination.check(rows)
    formulas: Counter[str] = Counter()
    columns = _parse_columns(settings.columns)
    batch_rows = settings.batch_rows
    rows_read = source.record_batches(batch_rows, columns=columns)
    read = prefetch(even_batches(rows_read, batch_rows))
    with closing(read):
        counted = ((batch.num_rows, batch) for batch in read)
        batches = with_progress(counted, rows, what="exporting")
        if destination.format == "csv":
            batches = count_formulas(batches, formulas)
        manifest = destination.replace(batches, _find_origin(source))
    _show(manifest, destination, time.monotonic() - started)
    if formulas and settings.csv_formulas == "keep":
        say(formula_warning(formulas, _ADVICE))
    return manifest


def _find_origin(source: TableFiles | StoreSource) -> Origin:
    """The origin in the files' manifests, if all files have one and name the same model version."""
    # The checksum of an object would take as long as the export.
    files = [file for file in paths_of([source]) if isinstance(file, Path)]
    manifests = [manifest for file in files if (manifest := _read_own_manifest(file))]
    made = {(m.model, m.model_version, m.git_commit) for m in manifests}
    origin = Origin(source=source.name, created_by=CREATED_BY)
    if len(made) != 1 or len(manifests) < len(files):
        return origin
    model, version, commit = made.pop()
    return replace(origin, model=model, model_version=version, git_commit=commit)


def _parse_columns(text: str) -> list[str] | None:
    names = [name.strip() for name in text.split(",") if name.strip()]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise InputError(f"--columns: {twice[0]!r} is listed twice.")
    return names or None


def _read_own_manifest(file: Path) -> Manifest | None:
    if not manifest_path(file).is_file():
        return None
    manifest = read_manifest(file)
    if manifest is None or manifest.sha256 != file_sha256(file):
        say(f"{file}: was changed after its manifest was written; the manifest is ignored.")
        return None
    return manifest


def _show(manifest: Manifest, destination: Destination, seconds: float) -> None:
    rows = [
        *summarize(manifest),
        ("seconds", f"{seconds:.1f}"),
        ("destination", destination.location),
    ]
    show_table(f"{manifest.source}: exported as {manifest.format}", ["", ""], rows)
