"""Delta Lake tables in a local folder, over the deltalake library."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, write_deltalake
from deltalake.exceptions import DeltaError

from config.errors import InputError, UserError
from data_access_layer.files import DELTA_LOG
from data_access_layer.reader import DEFAULT_BATCH_ROWS, RecordBatch
from data_access_layer.types import as_types, plain, refuse_names, refuse_types, selected


def is_delta(folder: Path) -> bool:
    """Whether a Delta table lies there."""
    return folder.is_dir() and DeltaTable.is_deltatable(str(folder))


@dataclass(frozen=True)
class LocalDelta:
    """The newest version of a table in a local folder."""

    path: Path

    @property
    def location(self) -> str:
        """Where it is."""
        return str(self.path)

    def row_count(self) -> int:
        """The rows that the table's log counts."""
        return int(DeltaTable(str(self.path)).count())

    def batches(
        self, columns: Sequence[str] | None = None, *, batch_rows: int = DEFAULT_BATCH_ROWS
    ) -> Iterator[RecordBatch]:
        """As `delta_batches`."""
        return delta_batches(self.path, batch_rows, columns=columns)


def delta_batches(
    folder: Path,
    batch_rows: int = DEFAULT_BATCH_ROWS,
    *,
    columns: Sequence[str] | None = None,
) -> Iterator[RecordBatch]:
    """The rows of the newest version, of `columns` only; at least one batch.

    Raises:
        InputError: the table is not whole, or a column is not there.
    """
    try:
        dataset = DeltaTable(str(folder)).to_pyarrow_dataset()
        selected(dataset.schema.empty_table(), columns, str(folder))
        empty = True
        for batch in dataset.to_batches(batch_size=batch_rows, columns=columns):
            empty = False
            yield batch
        if empty:
            schema = (
                dataset.schema if columns is None else dataset.scanner(columns).projected_schema
            )
            yield pa.RecordBatch.from_pylist([], schema)
    except (DeltaError, pa.ArrowException, OSError) as error:
        raise InputError(f"{folder}: no whole Delta table ({_first_line(error)}).") from error


def replace_delta(folder: Path, rows: Path, metadata: dict[str, str]) -> None:
    """Make the rows of a Parquet file a table's next version, in one commit that holds `metadata`.

    Raises:
        UserError: the library could not write it; the version before is untouched.
    """
    # As in `reader`: nothing is held back.
    file = pq.ParquetFile(rows, pre_buffer=False)
    reader = pa.RecordBatchReader.from_batches(file.schema_arrow, file.iter_batches())
    try:
        write_deltalake(
            str(folder),
            reader,
            mode="overwrite",
            schema_mode="overwrite",
            commit_properties=CommitProperties(custom_metadata=metadata),
        )
    except (DeltaError, OSError) as error:
        raise UserError(
            f"{folder}: the Delta table cannot be written ({_first_line(error)}). "
            "Its earlier version is untouched."
        ) from error


def commit_metadata(folder: Path, key: str) -> str | None:
    """What the newest commit that has `key` in its metadata has there."""
    for commit in DeltaTable(str(folder)).history():
        if key in commit:
            return str(commit[key])
    return None


def for_delta(batch: RecordBatch) -> RecordBatch:
    """The same values, in the types that Delta has: signed numbers, moments in microseconds.

    Raises:
        InputError: a value does not fit without a loss, or a column's type is none of Delta's.
    """
    refuse_types(batch.schema, "delta")
    refuse_names(batch.schema.names, "delta")
    table = as_types(plain(pa.Table.from_batches([batch])), _delta_type, "delta")
    batches = table.combine_chunks().replace_schema_metadata().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], table.schema)


def table_files_of(folder: Path) -> list[str]:
    """The names of all files of a table, its log's too."""
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


def remove_orphans(folder: Path, known: Sequence[str]) -> None:
    """Remove what a killed commit left: files not `known` before it, which no version names."""
    log = folder / DELTA_LOG
    kept = {*known, *_named(log)}
    for name in table_files_of(folder):
        versioned = name.startswith(f"{DELTA_LOG}/") and name.endswith(
            (".json", ".parquet", ".crc")
        )
        is_commit = versioned and not Path(name).name.startswith((".", "_commit"))
        if name not in kept and not is_commit and name != f"{DELTA_LOG}/_last_checkpoint":
            (folder / name).unlink(missing_ok=True)
    if not any(log.glob("*.json")):
        _remove_empty(folder)


def _named(log: Path) -> Iterable[str]:
    """The data files that the commits in the log add."""
    for commit in log.glob("[0-9]*.json"):
        for line in commit.read_text().splitlines():
            action = json.loads(line)
            if "add" in action:
                yield action["add"]["path"]


def _remove_empty(folder: Path) -> None:
    for path, _, files in os.walk(folder, topdown=False):
        if not files and not any(os.scandir(path)):
            os.rmdir(path)


def _delta_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_unsigned_integer(kind):
        return {8: pa.int16(), 16: pa.int32(), 32: pa.int64(), 64: pa.int64()}[kind.bit_width]
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", "UTC" if kind.tz else None)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.list_(_delta_type(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, _delta_type(field.type)) for field in kind])
    return kind


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
