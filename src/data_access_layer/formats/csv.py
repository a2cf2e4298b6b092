"""Read CSV: columns are text unless a contract declares a type; wrong cells are reported."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from cli.errors import InputError
from data_access_layer.formats.records import LongRecordError, first_record, whole_records
from data_access_layer.formats.text_types import TextTypes

BLOCK_BYTES = 4 << 20
RECORD_BYTES = 64 << 20
DELIMITER, OTHER_DELIMITERS = ",", ";\t|"
SHOWN_ROWS = 5
# Python's default limit would refuse long text in the first rows.
csv.field_size_limit(RECORD_BYTES)
_UTF8_MARK, _UTF16_MARKS = b"\xef\xbb\xbf", (b"\xff\xfe", b"\xfe\xff")
_NULL_TEXTS = pa.array(pa_csv.ConvertOptions().null_values)
_BOOLEANS = {*pa_csv.ConvertOptions().true_values, *pa_csv.ConvertOptions().false_values}
_OFFSET = r"(?:[Zz]|[+-]\d\d(?::?\d\d)?)$"


@dataclass(frozen=True)
class WrongCells:
    """Cells of one column that do not have the type that the contract declares.

    `rows` are positions in their batch, from 0; `texts` are the contents of the cells.
    """

    column: str
    expected: str
    rows: tuple[int, ...]
    texts: tuple[str, ...]


@dataclass(frozen=True)
class CsvFile:
    """A CSV file in UTF-8, or in UTF-16 with a byte order mark, separated by commas.

    `declared` are columns with a declared type. An empty cell is a missing value. In a column that
    is not declared, a quoted empty cell is an empty string, and all other cells are unchanged text.
    """

    open: Callable[[], Any]
    name: str
    declared: Mapping[str, pa.DataType]

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The names in the first line.

        Raises:
            InputError: the file is empty or not in UTF-8, has a column twice, or its columns are
                separated by another character.
        """
        return self._header[0]

    @cached_property
    def _header(self) -> tuple[tuple[str, ...], int]:
        """The columns, and the offset of the first row."""
        with self._open_utf8() as stream:
            data, end = b"", 0
            while not end and (block := stream.read(BLOCK_BYTES)):
                data += block
                record, end = first_record(data.removeprefix(_UTF8_MARK))
        if not data:
            raise InputError(f"{self.name}: the file is empty.")
        start = len(_UTF8_MARK) * data.startswith(_UTF8_MARK)
        end = end + start if end else len(data)
        names = self._split(record, DELIMITER)
        if not names:
            raise InputError(f"{self.name}: the file is empty.")
        self._check_delimiter(record, names, first_record(data[end:])[0])
        twice = [name for index, name in enumerate(names) if name in names[:index]]
        if twice:
            raise InputError(f"{self.name}: expected each column once, got {twice[0]!r} twice.")
        return tuple(names), end

    def _split(self, record: bytes, delimiter: str) -> list[str]:
        try:
            text = io.StringIO(record.decode(), newline="")
            return next((row for row in csv.reader(text, delimiter=delimiter) if row), [])
        except UnicodeDecodeError as error:
            raise self._utf8_error(1, error) from error
        except csv.Error as error:
            raise InputError(f"{self.name}: not a CSV file ({error}).") from error

    def _check_delimiter(self, header: bytes, names: Sequence[str], first_row: bytes) -> None:
        for delimiter in OTHER_DELIMITERS:
            parts = self._split(header, delimiter)
            if len(parts) <= len(names):
                continue
            declared = {*parts} & {*self.declared} > {*names} & {*self.declared}
            only = len(names) == 1 and (
                not first_row or len(self._split_row(first_row, delimiter)) == len(parts)
            )
            if declared or (only and not {*names} & {*self.declared}):
                raise InputError(
                    f"{self.name}: the columns are separated by {delimiter!r}, expected ','. "
                    f"The header is {delimiter.join(parts)!r}."
                )

    def _split_row(self, record: bytes, delimiter: str) -> list[str]:
        # Invalid UTF-8 is reported when the rows are read.
        return self._split(record.decode(errors="replace").encode(), delimiter)

    def scan_texts(self, columns: Sequence[str], types: TextTypes) -> None:
        """Infer the types of text columns; reads the whole file.

        Raises:
            InputError: as `batches`.
        """
        for piece in replace(self, declared={})._read_pieces(columns, {}):
            types.add(dict(zip(piece.rows.schema.names, piece.rows.columns, strict=True)))

    def batches(
        self, types: Mapping[str, pa.DataType], columns: Sequence[str] | None = None
    ) -> Iterator[tuple[pa.RecordBatch, Sequence[WrongCells]]]:
        """Yield the rows in order, some megabytes at a time, and the wrong cells.

        There is at least one batch; it is empty if the file has no rows. A wrong cell is missing in
        the rows. Columns that are neither declared nor in `types` (from `scan_texts`) are text.

        Raises:
            InputError: a row has more or fewer cells than the header, or is not in UTF-8.
        """
        chosen = self.columns if columns is None else columns
        kinds = {name: {**types, **self.declared}.get(name, pa.string()) for name in chosen}
        empty = True
        for piece in self._read_pieces(chosen, types):
            empty = False
            yield piece.rows, piece.wrong
        if empty:
            yield pa.RecordBatch.from_pylist([], pa.schema(list(kinds.items()))), ()

    def _open_utf8(self) -> Any:
        stream = self.open()
        start = stream.read(2)
        stream.close()
        stream = self.open()
        if start in _UTF16_MARKS:
            return pa.transcoding_input_stream(stream, "utf-16", "utf-8")
        return stream

    def _read_pieces(
        self, columns: Sequence[str], types: Mapping[str, pa.DataType]
    ) -> Iterator[_Piece]:
        names, start = self._header
        kinds = {name: pa.string() for name in columns} | {
            name: kind for name, kind in {**types, **self.declared}.items() if name in columns
        }
        row, line, uneven = 1, 1, _UnevenRows(len(names))
        with self._open_utf8() as stream:
            line += stream.read(start).count(b"\n")
            try:
                for data in whole_records(stream, BLOCK_BYTES, RECORD_BYTES):
                    self._check_utf8(data, line)
                    parsed = self._parse(data, names, kinds)
                    if parsed.uneven:
                        uneven.add(self._find_uneven_rows(data, names), row)
                    rows = parsed.rows.num_rows + len(parsed.uneven)
                    if rows and not uneven.count:
                        yield parsed
                    row += rows
                    line += data.count(b"\n")
            except LongRecordError as error:
                raise InputError(
                    f"{self.name}: the record in line {line:,} or after it does not end within "
                    f"{error.limit >> 20} MB. Is a quote missing?"
                ) from error
        if uneven.count:
            raise InputError(f"{self.name}: {uneven.message(last=row - 1)}")

    def _check_utf8(self, data: bytes, line: int) -> None:
        if data.isascii():
            return
        try:
            data.decode()
        except UnicodeDecodeError as error:
            raise self._utf8_error(line + data.count(b"\n", 0, error.start), error) from error

    def _utf8_error(self, line: int, error: UnicodeDecodeError) -> InputError:
        return InputError(
            f"{self.name}: not a CSV file in UTF-8 (line {line:,}: {error.reason}). "
            "Convert it, e.g. with `iconv --from-code latin1 --to-code utf-8`."
        )

    def _parse(self, data: bytes, names: Sequence[str], kinds: Mapping[str, pa.DataType]) -> _Piece:
        uneven: list[pa_csv.InvalidRow] = []
        try:
            table = _read_csv(data, names, kinds, uneven)
        except pa.ArrowInvalid:
            uneven.clear()
            table = _read_csv(data, names, dict.fromkeys(kinds, pa.string()), uneven)
        texts = self._restore_empty_texts(table, data, names)
        wrong, columns = [], []
        for name, kind in kinds.items():
            column = texts[name]
            if column.type != kind:
                column, cells = _convert(column, kind, name)
                wrong += cells
            columns.append(column)
        return _Piece(pa.RecordBatch.from_arrays(columns, list(kinds)), tuple(wrong), uneven)

    def _restore_empty_texts(
        self, table: pa.Table, data: bytes, names: Sequence[str]
    ) -> dict[str, pa.Array]:
        """The columns; an empty cell is a missing value, a quoted empty cell an empty string."""
        columns = {
            name: _one_chunk(column)
            for name, column in zip(table.column_names, table.columns, strict=True)
        }
        is_text = [name for name, column in columns.items() if pa.types.is_string(column.type)]
        undeclared = [name for name in is_text if name not in self.declared]
        for name in is_text:
            columns[name] = _null_where(columns[name], pc.equal(columns[name], ""))
        if undeclared and b'""' in data:
            exact = _read_csv(data, names, dict.fromkeys(undeclared, pa.string()), [], exact=True)
            columns |= {name: _one_chunk(exact[name]) for name in undeclared}
        return columns

    def _find_uneven_rows(self, data: bytes, names: Sequence[str]) -> list[pa_csv.InvalidRow]:
        """Find them with their numbers, which Arrow only reports with a single thread."""
        found: list[pa_csv.InvalidRow] = []
        _read_csv(data, names, {names[0]: pa.string()}, found, use_threads=False)
        return found


@dataclass(frozen=True)
class _Piece:
    rows: pa.RecordBatch
    wrong: tuple[WrongCells, ...]
    uneven: Sequence[pa_csv.InvalidRow]


@dataclass
class _UnevenRows:
    """Rows that have more or fewer cells than the header."""

    expected: int
    count: int = 0
    example: int = 0
    rows: list[int] = field(default_factory=list)

    def add(self, found: Sequence[pa_csv.InvalidRow], first_row: int) -> None:
        """Add rows of a piece that begins with row `first_row`."""
        for each in found:
            self.example = self.example or each.actual_columns
            self.count += 1
            if len(self.rows) < SHOWN_ROWS:
                self.rows.append(first_row + each.number - 1)

    def message(self, last: int) -> str:
        cut_off = self.rows == [last] and self.example < self.expected
        end = ". Was it cut off while it was copied?" if cut_off else "."
        return (
            f"expected {self.expected} columns, got e.g. {self.example} "
            f"{in_rows(self.count, self.rows)}{end}"
        )


def in_rows(count: int, rows: Sequence[int]) -> str:
    """The number of rows and the first row numbers, for a message."""
    more = ", …" if count > len(rows) else ""
    return f"in {count:,} row{'s' if count > 1 else ''}: {', '.join(map(str, rows))}{more}"


def _read_csv(
    data: bytes,
    names: Sequence[str],
    kinds: Mapping[str, pa.DataType],
    uneven: list[pa_csv.InvalidRow],
    *,
    exact: bool = False,
    use_threads: bool = True,
) -> pa.Table:
    """Parse complete records as one block; with `exact`, empty cells of text are missing."""

    def skip(row: pa_csv.InvalidRow) -> str:
        uneven.append(row)
        return "skip"

    return pa_csv.read_csv(
        pa.BufferReader(data),
        read_options=pa_csv.ReadOptions(
            column_names=names, block_size=len(data) + 1, use_threads=use_threads
        ),
        parse_options=pa_csv.ParseOptions(
            newlines_in_values=True,
            # In a file of one column, an empty line is a row with a missing value.
            ignore_empty_lines=len(names) > 1,
            invalid_row_handler=skip,
        ),
        convert_options=pa_csv.ConvertOptions(
            column_types=dict(kinds),
            include_columns=list(kinds),
            check_utf8=False,
            strings_can_be_null=exact,
            quoted_strings_can_be_null=not exact,
            null_values=[""] if exact else None,
        ),
    )


def _one_chunk(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)


def _null_where(values: pa.Array, where: Any) -> pa.Array:
    if not pc.any(where).as_py():
        return values
    return pc.if_else(where, pa.scalar(None, values.type), values)


def _convert(texts: pa.Array, kind: pa.DataType, column: str) -> tuple[pa.Array, list[WrongCells]]:
    """Convert text by Arrow's rules for CSV; cells that cannot be converted are missing."""
    given = _null_where(texts, pc.is_in(pc.utf8_trim_whitespace(texts), value_set=_NULL_TEXTS))
    is_wrong = np.zeros(len(given), bool)
    is_wrong[_find_suspects(given, kind)] = True
    while True:
        try:
            values = _parse_texts(_null_where(given, pa.array(is_wrong)), kind)
            break
        except pa.ArrowInvalid:
            is_wrong[_find_first_wrong(_null_where(given, pa.array(is_wrong)), kind)] = True
    rows = tuple(map(int, np.flatnonzero(is_wrong)))
    if not rows:
        return values, []
    shown = tuple(texts.take(list(rows)).to_pylist())
    return values, [WrongCells(column, pandas_name(kind), rows, shown)]


def _parse_texts(texts: pa.Array, kind: pa.DataType) -> pa.Array:
    sink = io.BytesIO()
    pa_csv.write_csv(pa.table({"": texts}), sink)
    table = pa_csv.read_csv(
        pa.BufferReader(sink.getvalue()),
        read_options=pa_csv.ReadOptions(block_size=len(sink.getvalue()) + 1),
        parse_options=pa_csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        convert_options=pa_csv.ConvertOptions(column_types={"": kind}),
    )
    return _one_chunk(table.column(0))


def _find_first_wrong(texts: pa.Array, kind: pa.DataType) -> int:
    """The position of the first wrong cell; there must be one."""
    low, high = 0, len(texts)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            _parse_texts(texts.slice(low, middle - low), kind)
            low = middle
        except pa.ArrowInvalid:
            high = middle
    return low


def _find_suspects(texts: pa.Array, kind: pa.DataType) -> Any:
    """Positions that are certainly wrong; the search for the others finds them one by one."""
    given = texts.to_pandas().dropna().astype(str).str.strip()
    if pa.types.is_boolean(kind):
        return given.index[~given.isin(_BOOLEANS)]
    if pa.types.is_temporal(kind):
        parsed = pd.to_datetime(given, format="ISO8601", errors="coerce", utc=True)
        has_offset = given.str.contains(_OFFSET) & given.str.contains("[Tt ]")
        wanted = getattr(kind, "tz", None) is not None
        return given.index[parsed.isna() | (has_offset != wanted)]
    numbers = pd.to_numeric(given, errors="coerce")
    wrong = numbers.isna()
    if pa.types.is_integer(kind):
        limits = np.iinfo(kind.to_pandas_dtype())
        wrong |= ~given.str.fullmatch(r"-?\d+") | (numbers < limits.min) | (numbers > limits.max)
    return given.index[wrong]


def pandas_name(kind: pa.DataType) -> str:
    """The pandas name of an Arrow type, for messages."""
    if pa.types.is_timestamp(kind):
        return f"datetime64[{kind.unit}{f', {kind.tz}' if kind.tz else ''}]"
    return str(np.dtype(kind.to_pandas_dtype()))
