"""The kinds of places that a table is exported to; each keeps table and manifest together."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

from config.errors import InputError
from data_access_layer.atomic import left_behind, locked, staged
from data_access_layer.commit.digest import RowsDigest
from data_access_layer.commit.manifest import Manifest, manifest_of
from data_access_layer.commit.staged_table import staged_table
from data_access_layer.delta import (
    commit_metadata,
    delta_batches,
    for_delta,
    is_delta,
    remove_orphans,
    replace_delta,
    table_files_of,
)
from data_access_layer.excel import refuse_rows
from data_access_layer.export_writer import ExportWriter
from data_access_layer.files import FORMATS, FilePath, WrittenFormat, file_sha256
from data_access_layer.reader import RecordBatch
from data_access_layer.text import Formulas, check_encoding

OPTION = "--dst"
CREATED_BY = "data_exports.export"
METADATA_KEY = "manifest"
# In the folder where a Delta export works: its rows, and which files there were before it.
_ROWS = "rows.parquet"
_KNOWN = "known.json"
ENDINGS: dict[str, WrittenFormat] = {**FORMATS, ".xlsx": "xlsx"}


@dataclass(frozen=True)
class Origin:
    """What a manifest says of where its rows come from."""

    source: str
    model: str = ""
    model_version: str = ""
    git_commit: str = ""


class Destination(Protocol):
    """A place that holds one table with its manifest."""

    @property
    def name(self) -> str:
        """What a message calls it."""

    @property
    def format(self) -> str:
        """What the manifest calls its format."""

    def check(self, rows: int | None) -> None:
        """Refuse early what could only fail after all the work; `rows` where they are known."""

    def write(self, batches: Iterator[RecordBatch], origin: Origin) -> Manifest:
        """Replace the table by these rows, and its manifest with it, or leave both as they were."""

    def manifest(self) -> Manifest | None:
        """The manifest of the table that is there now."""

    def found(self, manifest: Manifest) -> tuple[int | None, str]:
        """Of the table that is there now its rows, if counted, and its checksum."""


@dataclass(frozen=True)
class FileDestination:
    """One file, or object of S3, and its manifest next to it."""

    path: FilePath
    format: WrittenFormat
    encoding: str = "utf-8"
    formulas: Formulas = "keep"

    @property
    def name(self) -> str:
        """What a message calls it."""
        return str(self.path)

    def check(self, rows: int | None) -> None:
        """Refuse early what could only fail after all the work."""
        if isinstance(self.path, Path) and self.path.is_dir():
            raise InputError(
                f"{self.path}: is a folder; {OPTION} names a file by its ending, or a Delta table "
                "with --format delta."
            )
        check_encoding(self.encoding)
        if self.encoding != "utf-8" and self.format != "csv":
            raise InputError(
                f"--encoding {self.encoding}: only CSV has a choice; {self.format} has its own."
            )
        if self.format == "xlsx" and rows is not None:
            refuse_rows(rows)

    def write(self, batches: Iterator[RecordBatch], origin: Origin) -> Manifest:
        """Replace the file and its manifest, or leave both as they were."""
        with ExitStack() as stack:
            table = stack.enter_context(staged_table(self.path, option=OPTION))
            scratch = None
            if self.format == "xlsx" and isinstance(self.path, Path):
                scratch = stack.enter_context(_scratch(self.path))
            with ExportWriter(
                str(table.path),
                format=self.format,
                encoding=self.encoding,
                formulas=self.formulas,
                scratch=scratch,
            ) as writer:
                rows = 0
                for batch in batches:
                    writer.write_batch(batch)
                    rows += batch.num_rows
            table.manifest = Manifest(
                rows=rows,
                columns=writer.columns,
                sha256=file_sha256(table.path),
                format=self.format,
                created_by=CREATED_BY,
                **vars(origin),
            )
        return table.manifest

    def manifest(self) -> Manifest | None:
        """The manifest of the file that is there now."""
        if not self.path.is_file():
            raise InputError(f"{self.path}: there is no such file.")
        return manifest_of(self.path)

    def found(self, manifest: Manifest) -> tuple[int | None, str]:
        """The file's checksum; who has that has the rows."""
        return None, file_sha256(self.path)


@dataclass(frozen=True)
class DeltaDestination:
    """A Delta table in a local folder; its manifest is in the commit itself, so one with it.

    Rows that are there already are not written again: no new version. A killed export left no
    version, but perhaps files that none names: the next one removes them.
    """

    path: Path

    @property
    def name(self) -> str:
        """What a message calls it."""
        return str(self.path)

    @property
    def format(self) -> str:
        """What the manifest calls its format."""
        return "delta"

    def check(self, rows: int | None) -> None:
        """Refuse early what could only fail after all the work."""
        if self.path.exists() and not self.path.is_dir():
            raise InputError(f"{self.path}: is a file; a Delta table is a folder.")
        if not self.path.exists():
            return
        self._recover()
        if self.path.exists() and not is_delta(self.path) and any(self.path.iterdir()):
            raise InputError(
                f"{self.path}: the folder holds no Delta table, but other files. "
                f"Choose another {OPTION}."
            )

    def write(self, batches: Iterator[RecordBatch], origin: Origin) -> Manifest:
        """Commit these rows as the next version, or none where they are there already."""
        # First: `staged` removes what a killed run left, with the list that this needs.
        self._recover()
        with staged(self.path, option=OPTION) as work:
            work.mkdir()
            try:
                manifest = self._spool(batches, work / _ROWS, origin)
                with locked(self.path.resolve().parent):
                    if not self._holds(manifest):
                        self._commit(work, manifest)
            finally:
                shutil.rmtree(work, ignore_errors=True)
        return manifest

    def _spool(self, batches: Iterator[RecordBatch], file: Path, origin: Origin) -> Manifest:
        """Keep the rows: the manifest, which is part of their commit, has to be known before it."""
        digest = RowsDigest()
        with ExportWriter(str(file), format="parquet") as writer:
            for batch in batches:
                converted = for_delta(batch)
                writer.write_batch(converted)
                digest.add(converted)
        return Manifest(
            rows=digest.rows,
            columns=writer.columns,
            sha256=digest.hexdigest(),
            format=self.format,
            checksum="rows",
            created_by=CREATED_BY,
            **vars(origin),
        )

    def _commit(self, work: Path, manifest: Manifest) -> None:
        known = table_files_of(self.path) if self.path.exists() else []
        (work / _KNOWN).write_text(json.dumps(known))
        try:
            replace_delta(self.path, work / _ROWS, {METADATA_KEY: manifest.text()})
        except BaseException:
            remove_orphans(self.path, known)
            raise

    def _holds(self, manifest: Manifest) -> bool:
        """Whether the table is what the manifest says, in its manifest and in fact."""
        return (
            is_delta(self.path)
            and self.manifest() == manifest
            and self.found(manifest) == (manifest.rows, manifest.sha256)
        )

    def manifest(self) -> Manifest | None:
        """The manifest in the newest commit that has one."""
        if not is_delta(self.path):
            raise InputError(f"{self.path}: there is no Delta table.")
        text = commit_metadata(self.path, METADATA_KEY)
        return None if text is None else Manifest.parse(text, self.name)

    def found(self, manifest: Manifest) -> tuple[int | None, str]:
        """Rows and checksum of the newest version."""
        digest = RowsDigest()
        for batch in delta_batches(self.path):
            digest.add(batch)
        return digest.rows, digest.hexdigest()

    def _recover(self) -> None:
        path = self.path.resolve()
        if not path.parent.is_dir():
            return
        with locked(path.parent):
            for work in left_behind(path):
                # Without the list the killed run had not begun to commit.
                known = _listed(work / _KNOWN)
                if known is not None and path.exists():
                    remove_orphans(path, known)
                shutil.rmtree(work)


def _listed(file: Path) -> list[str] | None:
    try:
        return cast("list[str]", json.loads(file.read_text()))
    except (OSError, ValueError):
        return None


@contextmanager
def _scratch(destination: Path) -> Iterator[Path]:
    """A folder beside the destination, which the next run removes where this one is killed."""
    with staged(destination.with_name(f"{destination.name}.scratch"), option=OPTION) as folder:
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
