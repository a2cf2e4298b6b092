"""Read a table batch by batch, in memory that does not grow with the table."""

from __future__ import annotations

import csv
import difflib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.json as pa_json
import pyarrow.parquet as pq

from config.errors import InputError
from data_access_layer.files import format_of

# For those who hand rows on and may not import Arrow themselves.
type RecordBatch = pa.RecordBatch

DEFAULT_BATCH_ROWS = 262_144
CSV_BLOCK_BYTES = 4 << 20
# Also the longest line that a JSON Lines file may have.
JSON_BLOCK_BYTES = 16 << 20
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

    `dtypes` are the columns that the reader's contract knows, by their pandas dtype. The columns of
    a CSV or JSON Lines file are parsed as that, and an empty cell is a missing value; a Parquet
    file's numbers are widened to it, never narrowed; all other columns keep the type they have.
    """

    path: Path
    dtypes: Mapping[str, str]
    name: str

    def row_count(self) -> int | None:
        """Rows in the file where its format says so without reading it, else None."""
        if format_of(self.path) != "parquet" or _size(self.path, self.name) == 0:
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
                yield Batch(self.name, first_row, _frame(record_batch, self.dtypes))
                first_row += record_batch.num_rows
        if first_row == 1:
            raise InputError(f"{self.name}: the file has no rows.")

    def record_batches(
        self, batch_rows: int = DEFAULT_BATCH_ROWS, *, columns: Sequence[str] | None = None
    ) -> Iterator[RecordBatch]:
        """Yield the rows as Arrow has them, or of them `columns` in that order; at least one batch.

        A table without rows is one empty batch where its format says what its columns are.

        Raises:
            InputError: as `batches`; or a column is not there.
        """
        batch = None
        for batch in self._record_batches(batch_rows, columns):
            yield selected(batch, columns, self.name)
        if batch is None:
            raise InputError(f"{self.name}: the file has no rows.")

    def _record_batches(
        self, batch_rows: int, columns: Sequence[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        if _size(self.path, self.name) == 0:
            raise InputError(f"{self.name}: the file is empty.")
        match format_of(self.path):
            case "parquet":
                return self._parquet_batches(batch_rows, columns)
            case "jsonl":
                return self._json_batches(batch_rows)
            case "csv":
                return self._csv_batches(batch_rows)

    def _parquet_batches(
        self, batch_rows: int, columns: Sequence[str] | None
    ) -> Iterator[pa.RecordBatch]:
        with _parquet(self.path, self.name) as file:
            schema = file.schema_arrow
            _check_once(schema.names, self.name)
            selected(schema.empty_table(), columns, self.name)
            batches = file.iter_batches(batch_size=batch_rows, columns=columns)
            if file.metadata.num_rows == 0:
                batches = iter(pa.RecordBatch.from_pylist([], schema) for _ in range(1))
            while True:
                try:
                    batch = next(batches, None)
                except (pa.ArrowException, OSError) as error:
                    raise InputError(_damaged(self.name, error)) from error
                if batch is None:
                    return
                yield _widened(batch, self.dtypes, self.name)

    def _json_batches(self, batch_rows: int) -> Iterator[pa.RecordBatch]:
        try:
            with _open_json(self.path, {}) as first:
                known = {
                    name: _arrow_type(self.dtypes[name])
                    for name in first.schema.names
                    if name in self.dtypes
                }
                _check_once(first.schema.names, self.name)
            types = {name: kind for name, kind in known.items() if kind is not None}
            with _open_json(self.path, types) as batches:
                order = first.schema.names
                for batch in batches:
                    for start in range(0, batch.num_rows, batch_rows):
                        yield batch.slice(start, batch_rows).select(order)
        except pa.ArrowException as error:
            said = str(error).splitlines()[0].rstrip(".")
            raise InputError(
                f"{self.name}: not a JSON Lines file with the same columns, of one type each, in "
                f"all rows ({said})."
            ) from error
        except OSError as error:
            raise InputError(_unreadable(self.name, error)) from error

    def _csv_batches(self, batch_rows: int) -> Iterator[pa.RecordBatch]:
        header = _header(self.path, self.name, self.dtypes)
        known = {name: _arrow_type(dtype) for name, dtype in self.dtypes.items() if name in header}
        types = {name: kind for name, kind in known.items() if kind is not None}
        try:
            with _open_csv(self.path, types) as batches:
                # What the first rows of the other columns look like holds for all rows.
                types = {field.name: field.type for field in batches.schema}
                for batch in batches:
                    for start in range(0, batch.num_rows, batch_rows):
                        yield _empty_as_missing(batch.slice(start, batch_rows))
        except (pa.ArrowException, UnicodeDecodeError) as error:
            raise InputError(_csv_problem(self.path, self.name, header, types, error)) from error
        except OSError as error:
            raise InputError(_unreadable(self.name, error)) from error


def selected(batch: Any, columns: Sequence[str] | None, name: str) -> Any:
    """Of a record batch or an Arrow table `columns`, in that order; all where that is None.

    Raises:
        InputError: a column is not there.
    """
    if columns is None:
        return batch
    for column in columns:
        if column not in batch.schema.names:
            close = difflib.get_close_matches(column, batch.schema.names, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"it has {_listed(batch.schema)}."
            raise InputError(f"{name}: there is no column {column!r}; {hint}")
    return batch.select(list(columns))


def even_batches(batches: Iterable[RecordBatch], rows: int) -> Iterator[RecordBatch]:
    """Yield the same rows, `rows` at a time but for the last; at least one batch if there is one.

    What is written then does not depend on how the rows happened to come.
    """
    waiting: list[pa.RecordBatch] = []
    count, total, batch = 0, 0, None
    for batch in batches:
        total += batch.num_rows
        start = 0
        while start < batch.num_rows:
            part = batch.slice(start, rows - count)
            waiting.append(part)
            start += part.num_rows
            count += part.num_rows
            if count == rows:
                yield _joined(waiting)
                waiting, count = [], 0
    if waiting:
        yield _joined(waiting)
    elif not total and batch is not None:
        yield batch


def _joined(batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    return batches[0] if len(batches) == 1 else pa.concat_batches(batches)


def _listed(schema: pa.Schema) -> str:
    return ", ".join(map(repr, schema.names))


def _open_json(path: Path, types: Mapping[str, pa.DataType]) -> pa_json.JSONStreamingReader:
    return pa_json.open_json(
        path,
        read_options=pa_json.ReadOptions(block_size=JSON_BLOCK_BYTES),
        parse_options=pa_json.ParseOptions(explicit_schema=pa.schema(list(types.items()))),
    )


def _parquet(path: Path, name: str) -> pq.ParquetFile:
    try:
        # With a buffer Arrow would hold all that was read of the file until the last batch.
        return pq.ParquetFile(path, pre_buffer=False)
    except (pa.ArrowException, OSError) as error:
        raise InputError(_damaged(name, error)) from error


def _damaged(name: str, error: Exception) -> str:
    reason = str(error).splitlines()[0].rstrip(".")
    return f"{name}: not a whole Parquet file ({reason}). Was it cut off while it was copied?"


def _size(path: Path, name: str) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise InputError(_unreadable(name, error)) from error


def _unreadable(name: str, error: OSError) -> str:
    return f"{name}: cannot be read: {error.strerror or error}."


def _check_once(columns: Sequence[str], name: str) -> None:
    twice = [column for column, count in Counter(columns).items() if count > 1]
    if twice:
        raise InputError(f"{name}: expected each column once, got {twice[0]!r} twice.")


def _arrow_type(dtype: str) -> pa.DataType | None:
    """What Arrow calls a pandas dtype; None where Arrow is to look at the values."""
    known = pd.api.types.pandas_dtype(dtype)
    if isinstance(known, pd.DatetimeTZDtype):
        return pa.timestamp(known.unit, str(known.tz))
    if isinstance(known, pd.StringDtype | pd.CategoricalDtype) or known.kind == "O":
        return pa.string()
    plain = getattr(known, "numpy_dtype", known)
    return pa.from_numpy_dtype(plain) if isinstance(plain, np.dtype) else None


def _frame(batch: pa.RecordBatch, dtypes: Mapping[str, str]) -> pd.DataFrame:
    """The rows, numbered from 0: the contract's columns as pandas has them, others as Arrow has.

    As pandas has them, whole numbers would be floating-point in just those batches that miss one.
    What pandas noted about an index is ignored: that is a column like any other.
    """
    known = [name for name in batch.schema.names if name in dtypes]
    others = [name for name in batch.schema.names if name not in dtypes]
    frame: pd.DataFrame = batch.select(known).to_pandas(split_blocks=True, ignore_metadata=True)
    for name in known:
        dtype: Any = pd.api.types.pandas_dtype(dtypes[name])
        if hasattr(dtype, "numpy_dtype") and batch.column(name).type == _arrow_type(str(dtype)):
            frame[name] = dtype.__from_arrow__(batch.column(name))
    if not others:
        return frame
    kept: pd.DataFrame = batch.select(others).to_pandas(
        types_mapper=pd.ArrowDtype, ignore_metadata=True
    )
    return pd.concat([frame, kept], axis=1)[batch.schema.names] if known else kept


def _widened(batch: pa.RecordBatch, dtypes: Mapping[str, str], name: str) -> pa.RecordBatch:
    for index, field in enumerate(batch.schema):
        target = _arrow_type(dtypes[field.name]) if field.name in dtypes else None
        if target is None or field.type == target or not _widens(field.type, target):
            continue
        try:
            column = pc.cast(batch.column(index), target)
        except pa.ArrowInvalid as error:
            raise InputError(
                f"{name}: column {field.name!r}: {field.type} does not fit into {target} without "
                f"loss ({error})."
            ) from error
        batch = batch.set_column(index, field.name, column)
    return batch


def _widens(given: pa.DataType, target: pa.DataType) -> bool:
    if pa.types.is_floating(target):
        return bool(
            pa.types.is_null(given)
            or pa.types.is_integer(given)
            or (pa.types.is_floating(given) and given.bit_width < target.bit_width)
        )
    if not (pa.types.is_integer(given) and pa.types.is_integer(target)):
        return False
    same_sign = pa.types.is_signed_integer(given) == pa.types.is_signed_integer(target)
    return bool(
        given.bit_width < target.bit_width and (same_sign or pa.types.is_unsigned_integer(given))
    )


def _empty_as_missing(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Arrow does so itself for all but text, where it would also take the text NA for missing."""
    for index, field in enumerate(batch.schema):
        if pa.types.is_string(field.type):
            texts = batch.column(index)
            column = pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts)
            batch = batch.set_column(index, field.name, column)
    return batch


def _open_csv(
    path: Path,
    column_types: Mapping[str, pa.DataType],
    columns: Sequence[str] | None = None,
    *,
    missing_texts: bool = False,
) -> pa_csv.CSVStreamingReader:
    return pa_csv.open_csv(
        path,
        read_options=pa_csv.ReadOptions(block_size=CSV_BLOCK_BYTES),
        convert_options=pa_csv.ConvertOptions(
            column_types=dict(column_types),
            include_columns=columns,
            strings_can_be_null=missing_texts,
        ),
    )


def _header(path: Path, name: str, expected: Mapping[str, str]) -> list[str]:
    """The column names; a header that another delimiter would split into them is refused."""
    try:
        header = _first_row(path, ",")
        for delimiter in DELIMITERS[1:]:
            parts = _first_row(path, delimiter)
            if len(parts) > len(header) and set(parts) & set(expected) > set(header) & set(
                expected
            ):
                raise InputError(
                    f"{name}: the columns are separated by {delimiter!r}, expected ','. "
                    f"The header is {delimiter.join(parts)!r}."
                )
    except UnicodeDecodeError as error:
        raise InputError(_not_utf8(path, name) or f"{name}: {error}") from error
    except csv.Error as error:
        raise InputError(f"{name}: not a CSV file ({error}).") from error
    except OSError as error:
        raise InputError(_unreadable(name, error)) from error
    if not header:
        raise InputError(f"{name}: the file is empty.")
    _check_once(header, name)
    return header


def _first_row(path: Path, delimiter: str) -> list[str]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return next((row for row in csv.reader(file, delimiter=delimiter) if row), [])


def _csv_problem(
    path: Path,
    name: str,
    header: Sequence[str],
    types: Mapping[str, pa.DataType],
    error: Exception,
) -> str:
    """Say which rows of which columns are wrong; else what Arrow said."""
    # On a single core, Arrow names the row too.
    said = re.sub(r"Row #\d+: ", "", str(error).splitlines()[0])
    if "Empty CSV file" in said:
        return f"{name}: the file has no rows."
    if "invalid UTF8" in said:
        return _not_utf8(path, name) or f"{name}: {said}"
    if "CSV parse error: Expected" in said:
        return _uneven_rows(path, name, len(header)) or f"{name}: {said}"
    column = re.match(r"In CSV column #(\d+): ", said)
    if column is None:
        return f"{name}: {said}"
    found = [_unparsed(path, each, kind) for each, kind in types.items() if _parsed(kind)]
    return (
        "\n".join(f"{name}: {problem}" for problem in found if problem)
        or _not_utf8(path, name)
        or f"{name}: column {header[int(column[1])]!r}: {said[column.end() :]}"
    )


def _not_utf8(path: Path, name: str) -> str | None:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                return f"{name}: not a CSV file in UTF-8 (line {number:,}: {error.reason})."
    return None


def _parsed(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)
    )


def _wrong_texts(texts: pd.Series[Any], kind: pa.DataType) -> pd.Series[Any]:
    """Those of `texts` that are no values of that type."""
    given = texts[texts.notna()].str.strip()
    if pa.types.is_boolean(kind):
        options = pa_csv.ConvertOptions()
        return given[~given.isin([*options.true_values, *options.false_values])]
    numbers = pd.to_numeric(given, errors="coerce")
    wrong = numbers.isna()
    if pa.types.is_integer(kind):
        limits = np.iinfo(kind.to_pandas_dtype())
        wrong |= ~given.str.fullmatch(r"-?\d+") | (numbers < limits.min) | (numbers > limits.max)
    return given[wrong]


def _unparsed(path: Path, column: str, kind: pa.DataType) -> str | None:
    rows: list[int] = []
    example: object = None
    count, row = 0, 1
    # Another problem further down is for the next run to tell.
    with suppress(pa.ArrowException):
        for batch in _open_csv(path, {column: pa.string()}, columns=[column], missing_texts=True):
            wrong = _wrong_texts(batch.to_pandas()[column], kind)
            if count == 0 and len(wrong):
                example = wrong.iloc[0]
            count += len(wrong)
            rows += [row + int(index) for index in islice(wrong.index, SHOWN_ROWS - len(rows))]
            row += batch.num_rows
    if not count:
        return None
    expected = np.dtype(kind.to_pandas_dtype())
    return f"column {column!r}: expected {expected}, got e.g. {example!r} {_in_rows(count, rows)}."


def _uneven_rows(path: Path, name: str, columns: int) -> str | None:
    rows: list[int] = []
    example = count = number = 0
    with path.open(encoding="utf-8-sig", newline="", errors="replace") as file, suppress(csv.Error):
        for number, row in enumerate((row for row in csv.reader(file) if row), start=0):
            if len(row) != columns:
                example = example or len(row)
                count += 1
                rows += [number] * (len(rows) < SHOWN_ROWS)
    if not count:
        return None
    cut_off = rows == [number] and example < columns
    last = ". Was it cut off while it was copied?" if cut_off else "."
    return f"{name}: expected {columns} columns, got e.g. {example} {_in_rows(count, rows)}{last}"


def _in_rows(count: int, rows: Sequence[int]) -> str:
    more = ", …" if count > len(rows) else ""
    return f"in {count:,} row{'s' if count > 1 else ''}: {', '.join(map(str, rows))}{more}"
