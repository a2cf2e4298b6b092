"""Read a table batch by batch, in memory that does not grow with the table."""

from __future__ import annotations

import csv
import queue
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol, cast

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from config.errors import InputError
from data_access_layer.files import format_of

DEFAULT_BATCH_ROWS = 262_144
CSV_BLOCK_BYTES = 4 << 20
SHOWN_ROWS = 5
DELIMITERS = ",;\t|"


@dataclass(frozen=True)
class Batch:
    """Consecutive rows of one file; `first_row` counts the file's data rows from 1."""

    source: str
    first_row: int
    frame: pd.DataFrame


class Table(Protocol):
    """A named table that is read in batches; `row_count` is None where only reading would tell."""

    @property
    def name(self) -> str:
        """What a message about the table calls it."""

    def row_count(self) -> int | None:
        """How many rows there are, where that is known before they are read."""

    def batches(self, batch_rows: int = DEFAULT_BATCH_ROWS) -> Iterator[Batch]:
        """Yield the rows in order, at most `batch_rows` at a time."""


@dataclass(frozen=True)
class FrameTable:
    """A table that is in memory already."""

    frame: pd.DataFrame
    name: str

    def row_count(self) -> int | None:
        """The rows of the frame."""
        return len(self.frame)

    def batches(self, batch_rows: int = DEFAULT_BATCH_ROWS) -> Iterator[Batch]:
        """Yield the rows in order, at most `batch_rows` at a time."""
        for start in range(0, len(self.frame), batch_rows):
            rows = self.frame.iloc[start : start + batch_rows].reset_index(drop=True)
            yield Batch(self.name, start + 1, rows)


@dataclass(frozen=True)
class TableFile:
    """One file of a table, read in batches.

    `dtypes` are the columns that the reader's contract knows, by their pandas dtype. A CSV file's
    columns are parsed as that; a Parquet file's numbers are widened to it, never narrowed; all
    other columns keep the type that they have.
    """

    path: Path
    dtypes: Mapping[str, str]
    name: str

    def row_count(self) -> int | None:
        """Rows in the file where its format says so without reading it, else None."""
        if format_of(self.path) == "csv" or self.path.stat().st_size == 0:
            return None
        with _parquet(self.path, self.name) as file:
            return int(file.metadata.num_rows)

    def batches(self, batch_rows: int = DEFAULT_BATCH_ROWS) -> Iterator[Batch]:
        """Yield the rows in order, at most `batch_rows` at a time.

        Raises:
            InputError: the file is empty, cut off, or not what its ending says; a value of a CSV
                column is no number where the contract expects one.
        """
        first_row = 1
        for record_batch in self._record_batches(batch_rows):
            if record_batch.num_rows:
                frame = record_batch.to_pandas(split_blocks=True)
                yield Batch(self.name, first_row, frame)
                first_row += record_batch.num_rows
        if first_row == 1:
            raise InputError(f"{self.name}: the file has no rows.")

    def _record_batches(self, batch_rows: int) -> Iterator[pa.RecordBatch]:
        if self.path.stat().st_size == 0:
            raise InputError(f"{self.name}: the file is empty.")
        if format_of(self.path) == "parquet":
            return self._parquet_batches(batch_rows)
        return self._csv_batches(batch_rows)

    def _parquet_batches(self, batch_rows: int) -> Iterator[pa.RecordBatch]:
        with _parquet(self.path, self.name) as file:
            batches = file.iter_batches(batch_size=batch_rows)
            while True:
                try:
                    batch = next(batches, None)
                except (pa.ArrowException, OSError) as error:
                    raise InputError(_damaged(self.name, error)) from error
                if batch is None:
                    return
                yield _widened(batch, self.dtypes)

    def _csv_batches(self, batch_rows: int) -> Iterator[pa.RecordBatch]:
        header = _header(self.path, self.name, self.dtypes)
        column_types = {
            name: pa.from_numpy_dtype(dtype)
            for name, dtype in self.dtypes.items()
            if name in header and _is_number(dtype)
        }
        try:
            for batch in _open_csv(self.path, column_types):
                for start in range(0, batch.num_rows, batch_rows):
                    yield batch.slice(start, batch_rows)
        except (pa.ArrowException, UnicodeDecodeError) as error:
            raise InputError(_csv_problem(self.path, self.name, column_types, error)) from error


def prefetched[T](items: Iterable[T], depth: int = 2) -> Iterator[T]:
    """Yield `items`, of which a thread fetches up to `depth` ahead.

    An error of the thread is raised at its place in the order; leaving early stops the thread.
    """
    ready: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(depth)
    stopped = threading.Event()

    def put(entry: tuple[T | None, BaseException | None]) -> None:
        while not stopped.is_set():
            try:
                ready.put(entry, timeout=0.1)
            except queue.Full:
                continue
            return

    def fetch() -> None:
        try:
            for item in items:
                put((item, None))
                if stopped.is_set():
                    return
            put((None, StopIteration()))
        except BaseException as error:  # handed over to the consumer, which raises it
            put((None, error))

    thread = threading.Thread(target=fetch, name="prefetch", daemon=True)
    thread.start()
    try:
        while True:
            item, error = ready.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield cast("T", item)
    finally:
        stopped.set()
        thread.join()


def _parquet(path: Path, name: str) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise InputError(_damaged(name, error)) from error


def _damaged(name: str, error: Exception) -> str:
    reason = str(error).splitlines()[0].rstrip(".")
    return f"{name}: not a whole Parquet file ({reason}). Was it cut off while it was copied?"


def _is_number(dtype: str) -> bool:
    return bool(pd.api.types.is_numeric_dtype(dtype))


def _widened(batch: pa.RecordBatch, dtypes: Mapping[str, str]) -> pa.RecordBatch:
    for index, field in enumerate(batch.schema):
        dtype = dtypes.get(field.name)
        if dtype is None or not _is_number(dtype):
            continue
        target = pa.from_numpy_dtype(dtype)
        if field.type != target and _widens(field.type, target):
            batch = batch.set_column(index, field.name, pc.cast(batch.column(index), target))
    return batch


def _widens(given: pa.DataType, target: pa.DataType) -> bool:
    if pa.types.is_floating(target):
        return bool(
            pa.types.is_integer(given)
            or (pa.types.is_floating(given) and given.bit_width < target.bit_width)
        )
    return bool(
        pa.types.is_signed_integer(given)
        and pa.types.is_signed_integer(target)
        and given.bit_width < target.bit_width
    )


def _open_csv(
    path: Path,
    column_types: Mapping[str, pa.DataType],
    columns: Sequence[str] | None = None,
) -> pa_csv.CSVStreamingReader:
    return pa_csv.open_csv(
        path,
        read_options=pa_csv.ReadOptions(block_size=CSV_BLOCK_BYTES),
        convert_options=pa_csv.ConvertOptions(
            column_types=dict(column_types), include_columns=columns
        ),
    )


def _header(path: Path, name: str, expected: Mapping[str, str]) -> list[str]:
    """The column names; a header that another delimiter would split into them is refused."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            line = file.readline()
    except UnicodeDecodeError as error:
        raise InputError(f"{name}: not a CSV file in UTF-8 ({error.reason}).") from error
    header = next(csv.reader([line]), [])
    for delimiter in DELIMITERS[1:]:
        parts = next(csv.reader([line], delimiter=delimiter), [])
        if len(parts) > len(header) and set(parts) & set(expected) > set(header) & set(expected):
            raise InputError(
                f"{name}: the columns are separated by {delimiter!r}, expected ','. "
                f"The header is {line.strip()!r}."
            )
    return header


def _csv_problem(
    path: Path, name: str, column_types: Mapping[str, pa.DataType], error: Exception
) -> str:
    """Say which rows of which columns are no numbers; else what Arrow said."""
    problems = [
        _not_numbers(path, column, dtype)
        for column, dtype in column_types.items()
        if "conversion error" in str(error)
    ]
    found = [problem for problem in problems if problem]
    if not found:
        return f"{name}: {str(error).splitlines()[0]}"
    return "\n".join(f"{name}: {problem}" for problem in found)


def _not_numbers(path: Path, column: str, dtype: pa.DataType) -> str | None:
    rows: list[int] = []
    example: object = None
    count, row = 0, 1
    for batch in _open_csv(path, {column: pa.string()}, columns=[column]):
        texts = batch.to_pandas()[column]
        wrong = texts[texts.notna() & pd.to_numeric(texts, errors="coerce").isna()]
        if count == 0 and len(wrong):
            example = wrong.iloc[0]
        count += len(wrong)
        rows += [row + int(index) for index in islice(wrong.index, SHOWN_ROWS - len(rows))]
        row += batch.num_rows
    if not count:
        return None
    more = ", …" if count > len(rows) else ""
    return (
        f"column {column!r}: expected {dtype}, got e.g. {example!r} "
        f"in {count:,} row{'s' if count > 1 else ''}: {', '.join(map(str, rows))}{more}."
    )
