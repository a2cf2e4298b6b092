"""Delta Lake tables, in a local folder or an object store, with the deltalake library.

The manifest is in the commit itself. If the table already has the same rows, there is no new
version. A killed write leaves no version, but it may leave files that no version refers to. The
next write to a local folder removes them. In an object store it does not: they could belong to
another writer.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, write_deltalake
from deltalake.exceptions import DeltaError, TableNotFoundError

from cli.errors import InputError, UserError
from data_access_layer.atomic import find_leftovers, lock_folder, stage_path
from data_access_layer.commit.destination import Origin
from data_access_layer.commit.digest import RowsDigest
from data_access_layer.commit.manifest import Manifest
from data_access_layer.files import DELTA_LOG
from data_access_layer.formats.writer import TableWriter
from data_access_layer.locations import S3
from data_access_layer.reader import RecordBatch
from data_access_layer.settings import BATCH_ROWS, StoreSettings
from data_access_layer.tables.objects import ObjectFile
from data_access_layer.types import (
    convert_types,
    map_leaf_types,
    refuse_names,
    refuse_types,
    select_columns,
    to_plain_types,
)

METADATA_KEY = "manifest"
# In the workspace of a write: its rows, and the list of the table's files before it.
_ROWS = "rows.parquet"
_KNOWN = "known.json"


class DeltaFolder:
    """The newest version of a table, as a source and a destination.

    It is a `data_access_layer.commit.destination.Destination`.
    """

    format = "delta"

    def __init__(self, path: Path | ObjectFile, *, option: str = "--output") -> None:
        if isinstance(path, ObjectFile) and path.location.partition("://")[0].lower() not in S3:
            raise InputError(
                f"{path}: Delta tables are read and written on this machine and in S3. Export to "
                "Parquet instead."
            )
        self.path = path
        self._option = option

    @property
    def location(self) -> str:
        """Where it is."""
        return str(self.path)

    def _open_table(self) -> DeltaTable:
        return DeltaTable(self.location, storage_options=self._storage_options)

    @property
    def _storage_options(self) -> dict[str, str] | None:
        return None if isinstance(self.path, Path) else _s3_options(self.path.settings)

    def exists(self) -> bool:
        """Whether the Delta table exists.

        Raises:
            UserError: the store denies access, or does not answer.
        """
        with self._translate_errors("cannot be read"):
            return DeltaTable.is_deltatable(self.location, storage_options=self._storage_options)

    def row_count(self) -> int:
        """The number of rows in the table's log.

        Raises:
            InputError: the table is incomplete.
        """
        with self._translate_errors("is not a complete Delta table"):
            return int(self._open_table().count())

    def batches(
        self, columns: Sequence[str] | None = None, *, batch_rows: int = BATCH_ROWS
    ) -> Iterator[RecordBatch]:
        """Yield the rows of the newest version, only of `columns`; at least one batch.

        Raises:
            InputError: the table is incomplete, or a column does not exist.
        """
        with self._translate_errors("is not a complete Delta table"):
            dataset = self._open_table().to_pyarrow_dataset()
            select_columns(dataset.schema.empty_table(), columns, self.location)
            empty = True
            for batch in dataset.to_batches(batch_size=batch_rows, columns=columns):
                empty = False
                yield batch
            if empty:
                schema = (
                    dataset.schema if columns is None else dataset.scanner(columns).projected_schema
                )
                yield pa.RecordBatch.from_pylist([], schema)

    # As a destination

    def check(self, rows: int | None) -> None:
        """Find problems before the work starts."""
        if isinstance(self.path, Path):
            if self.path.exists() and not self.path.is_dir():
                raise InputError(f"{self.path}: is a file; a Delta table is a folder.")
            self._recover(self.path)
            others = self.path.exists() and any(self.path.iterdir())
        else:
            others = bool(self.path.list_entries())
        if others and not self.exists():
            raise InputError(
                f"{self.path}: the folder contains other files, not a Delta table. "
                f"Choose another {self._option}."
            )

    def replace(self, batches: Iterator[RecordBatch], origin: Origin) -> Manifest:
        """Commit these rows as the next version, unless the table already has them."""
        with ExitStack() as stack:
            work = stack.enter_context(self._make_workspace())
            manifest = self._spool(batches, work / _ROWS, origin)
            if isinstance(self.path, Path):
                stack.enter_context(lock_folder(self.path.resolve().parent))
            if not self._is_current(manifest):
                self._commit(work, manifest)
        return manifest

    @contextmanager
    def _make_workspace(self) -> Iterator[Path]:
        if not isinstance(self.path, Path):
            with tempfile.TemporaryDirectory(prefix="table-") as folder:
                yield Path(folder)
            return
        # First: `stage_path` would remove the list that `_recover` needs.
        self._recover(self.path)
        with stage_path(self.path, option=self._option) as work:
            work.mkdir()
            try:
                yield work
            finally:
                shutil.rmtree(work, ignore_errors=True)

    def _spool(self, batches: Iterator[RecordBatch], file: Path, origin: Origin) -> Manifest:
        """Write the rows to a file, and make the manifest, which is part of the commit."""
        digest = RowsDigest()
        with TableWriter(str(file), format="parquet") as writer:
            for batch in batches:
                converted = _to_delta(batch)
                writer.write_batch(converted)
                digest.add(converted)
        return origin.make_manifest(
            rows=digest.rows,
            columns=writer.columns,
            sha256=digest.hexdigest(),
            format=self.format,
            checksum="rows",
        )

    def _is_current(self, manifest: Manifest) -> bool:
        """Whether the table has this manifest, and matches it."""
        return (
            self.exists()
            and self.read_manifest() == manifest
            and self.compute_checksum(manifest) == (manifest.rows, manifest.sha256)
        )

    def _commit(self, work: Path, manifest: Manifest) -> None:
        if not isinstance(self.path, Path):
            self._write(work / _ROWS, manifest)
            return
        known = _list_files(self.path) if self.path.exists() else []
        (work / _KNOWN).write_text(json.dumps(known))
        try:
            self._write(work / _ROWS, manifest)
        except BaseException:
            _remove_orphans(self.path, known)
            raise

    def _write(self, rows: Path, manifest: Manifest) -> None:
        # As in `formats.parquet`, for constant memory.
        file = pq.ParquetFile(rows, pre_buffer=False)
        reader = pa.RecordBatchReader.from_batches(file.schema_arrow, file.iter_batches())
        try:
            write_deltalake(
                self.location,
                reader,
                mode="overwrite",
                schema_mode="overwrite",
                commit_properties=CommitProperties(
                    custom_metadata={METADATA_KEY: manifest.to_json()}
                ),
                storage_options=self._storage_options,
            )
        except (DeltaError, OSError) as error:
            raise UserError(
                f"{self.location}: the Delta table cannot be written ({self._reason(error)}). "
                "Its earlier version is untouched."
            ) from None

    def read_manifest(self) -> Manifest | None:
        """The manifest in the newest commit that has one."""
        if not self.exists():
            raise InputError(f"{self.location}: there is no Delta table.")
        with self._translate_errors("is not a complete Delta table"):
            for commit in self._open_table().history():
                if METADATA_KEY in commit:
                    return Manifest.parse(str(commit[METADATA_KEY]), self.location)
        return None

    def compute_checksum(self, manifest: Manifest) -> tuple[int | None, str]:
        """The rows and the checksum of the newest version."""
        digest = RowsDigest.from_batches(self.batches())
        return digest.rows, digest.hexdigest()

    def _recover(self, folder: Path) -> None:
        path = folder.resolve()
        if not path.parent.is_dir():
            return
        with lock_folder(path.parent):
            for work in find_leftovers(path):
                # Without the list, the killed run had not started its commit.
                known = _read_names(work / _KNOWN)
                if known is not None and path.exists():
                    _remove_orphans(path, known)
                shutil.rmtree(work)

    @contextmanager
    def _translate_errors(self, what: str) -> Iterator[None]:
        problem: UserError
        try:
            yield
            return
        except (TableNotFoundError, pa.ArrowException) as error:
            problem = InputError(f"{self.location}: {what} ({self._reason(error)}).")
        except (DeltaError, OSError) as error:
            kind = InputError if isinstance(self.path, Path) else UserError
            problem = kind(f"{self.location}: {what} ({self._reason(error)}).")
        raise problem from None

    def _reason(self, error: Exception) -> str:
        """The first and the last line of the message, which may list nested errors."""
        lines = [_plain_text(line) for line in str(error).splitlines()]
        lines = [line for line in lines if line] or [type(error).__name__]
        reason = ": ".join(dict.fromkeys([lines[0], lines[-1]]))
        return reason if isinstance(self.path, Path) else self.path.settings.mask_secrets(reason)


def _plain_text(line: str) -> str:
    """Remove colours and arrows."""
    return re.sub(r"\x1b\[[0-9;]*m|↳", "", line).strip().rstrip(".")


def _s3_options(settings: StoreSettings) -> dict[str, str]:
    """The settings as deltalake's options; deltalake reads others from the environment."""
    options = {
        # Of two writers of one version, S3 refuses the second.
        "aws_conditional_put": "etag",
        "timeout": f"{settings.timeout_seconds}s",
        "connect_timeout": f"{settings.timeout_seconds}s",
        "max_retries": str(settings.retries),
        "retry_timeout": f"{settings.timeout_seconds * (settings.retries + 1)}s",
    }
    if settings.s3_endpoint_url:
        options["aws_endpoint_url"] = settings.s3_endpoint_url
        options["aws_allow_http"] = str(settings.s3_endpoint_url.startswith("http://")).lower()
        # Other servers have no regions, but the library requires one.
        options["aws_region"] = os.environ.get("AWS_REGION", "us-east-1")
    if settings.s3_key and settings.s3_secret:
        options["aws_access_key_id"] = settings.s3_key.get_secret_value()
        options["aws_secret_access_key"] = settings.s3_secret.get_secret_value()
    return options


def _to_delta(batch: RecordBatch) -> RecordBatch:
    """Convert to the types of Delta: signed numbers, timestamps in microseconds.

    Raises:
        InputError: a value does not fit without loss, or Delta does not support a column's type.
    """
    refuse_types(batch.schema, "delta")
    refuse_names(batch.schema.names, "delta")
    table = convert_types(
        to_plain_types(pa.Table.from_batches([batch])),
        lambda kind: map_leaf_types(kind, _delta_type),
        "delta",
    )
    batches = table.combine_chunks().replace_schema_metadata().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], table.schema)


def _delta_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_unsigned_integer(kind):
        return {8: pa.int16(), 16: pa.int32(), 32: pa.int64(), 64: pa.int64()}[kind.bit_width]
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", "UTC" if kind.tz else None)
    return kind


def _read_names(file: Path) -> list[str] | None:
    try:
        names: list[str] = json.loads(file.read_text())
    except (OSError, ValueError):
        return None
    return names


def _list_files(folder: Path) -> list[str]:
    """The names of all files of a table, including its log."""
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


def _remove_orphans(folder: Path, known: Sequence[str]) -> None:
    """Remove files of a killed commit: not `known` before it, and not in any version."""
    log = folder / DELTA_LOG
    kept = {*known, *_read_added_files(log)}
    for name in _list_files(folder):
        versioned = name.startswith(f"{DELTA_LOG}/") and name.endswith(
            (".json", ".parquet", ".crc")
        )
        is_commit = versioned and not Path(name).name.startswith((".", "_commit"))
        if name not in kept and not is_commit and name != f"{DELTA_LOG}/_last_checkpoint":
            (folder / name).unlink(missing_ok=True)
    if not any(log.glob("*.json")):
        _remove_empty_folders(folder)


def _read_added_files(log: Path) -> Iterator[str]:
    """The data files that the commits in the log add."""
    for commit in log.glob("[0-9]*.json"):
        for line in commit.read_text().splitlines():
            action: dict[str, Any] = json.loads(line)
            if "add" in action:
                yield action["add"]["path"]


def _remove_empty_folders(folder: Path) -> None:
    for path, _, files in os.walk(folder, topdown=False):
        if not files and not any(os.scandir(path)):
            os.rmdir(path)
