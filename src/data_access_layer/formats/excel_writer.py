"""Write Excel sheets with XlsxWriter: in constant memory, and reproducible.

A value that a cell cannot store exactly is written as text: whole numbers beyond 2**53, decimals of
more than 15 digits, infinite numbers, days before March 1900, times finer than a millisecond. Text
is always text, never a formula or a link. Timestamps with a time zone are in UTC: Excel has no time
zones. A missing value is an empty cell; most readers treat an empty string the same.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc
import xlsxwriter

from cli.errors import InputError
from data_access_layer.types import to_plain_types

SHEET_ROWS = 1_048_576
SHEET_COLUMNS = 16_384
CELL_CHARACTERS = 32_767
EXACT_INTEGERS = 2**53
EXACT_DIGITS = 15
# Excel's calendar has a 29 February 1900, which did not exist.
FIRST_DAY = dt.date(1900, 3, 1)
# Constant, so that exports are reproducible.
CREATED = dt.datetime(2000, 1, 1)


class ExcelWriter:
    """Append tables of one schema to the sheet of a new workbook."""

    def __init__(self, sink: IO[bytes], schema: pa.Schema, *, scratch: Path | None) -> None:
        if len(schema) > SHEET_COLUMNS:
            raise InputError(
                f"The rows cannot be written as xlsx: a sheet has at most {SHEET_COLUMNS:,} "
                f"columns, but there are {len(schema):,}. Leave some out, or choose another format."
            )
        options = {
            "constant_memory": True,
            "strings_to_formulas": False,
            "strings_to_numbers": False,
            "strings_to_urls": False,
        }
        self._book: Any = xlsxwriter.Workbook(
            sink, options | ({"tmpdir": str(scratch)} if scratch else {})
        )
        self._book.set_properties({"created": CREATED})
        self._sheet = self._book.add_worksheet("rows")
        bold = self._book.add_format({"bold": True})
        for column, name in enumerate(schema.names):
            self._sheet.write_string(0, column, name, bold)
        self._sheet.freeze_panes(1, 0)
        self._formats = {
            name: self._book.add_format({"num_format": pattern})
            for name, pattern in {
                "date": "yyyy-mm-dd",
                "time": "hh:mm:ss.000",
                "timestamp": "yyyy-mm-dd hh:mm:ss.000",
            }.items()
        }
        for column, kind in enumerate(schema.types):
            if pa.types.is_temporal(kind):
                self._sheet.set_column(column, column, 24)
        self._row = 1

    def write_table(self, table: pa.Table) -> None:
        """Append the rows of a table."""
        refuse_rows(self._row - 1 + table.num_rows)
        table = to_plain_types(table)
        columns = [
            self._cells(name, column)
            for name, column in zip(table.column_names, table.columns, strict=True)
        ]
        # Row by row, as constant memory requires.
        for row, cells in enumerate(zip(*columns, strict=True), start=self._row):
            for column, (write, value, format) in enumerate(cells):
                if value is not None:
                    write(row, column, value, format)
        self._row += table.num_rows

    def close(self) -> None:
        """Write the workbook."""
        if self._book is not None:
            self._book.close()

    def discard(self) -> None:
        """Close without writing the workbook."""
        if self._book is not None:
            self._sheet.row_data_fh.close()
            # Otherwise it warns that it was not closed.
            self._book.fileclosed = True
            self._book = None

    def _cells(self, name: str, column: pa.ChunkedArray) -> Iterable[tuple[Any, Any, Any]]:
        """For each value, the function that writes it, its arguments and its format."""
        kind = column.type
        number, text = self._sheet.write_number, self._sheet.write_string
        if pa.types.is_boolean(kind):
            return _map_cells(column, lambda value: (self._sheet.write_boolean, value, None))
        if pa.types.is_integer(kind):
            return _map_cells(
                column,
                lambda value: (
                    (number, value, None)
                    if -EXACT_INTEGERS <= value <= EXACT_INTEGERS
                    else (text, str(value), None)
                ),
            )
        if pa.types.is_floating(kind):
            values = pc.if_else(pc.is_nan(column), None, column)
            if pa.types.is_float32(kind):
                # By way of text, to keep the shortest digits of the 32-bit number.
                values = pc.cast(pc.cast(values, pa.string()), pa.float64())
            return _map_cells(
                values,
                lambda value: (
                    number if math.isfinite(value) else text,
                    _exact_number(value),
                    None,
                ),
            )
        if pa.types.is_decimal(kind):
            return _map_cells(column, lambda value: _decimal_cell(number, text, value))
        if pa.types.is_temporal(kind):
            return self._temporal_cells(column)
        longest = pc.max(pc.utf8_length(column)).as_py() or 0
        if longest > CELL_CHARACTERS:
            raise InputError(
                f"The rows cannot be written as xlsx: column {name!r} has a string of {longest:,} "
                f"characters, but a cell holds at most {CELL_CHARACTERS:,}. Leave the column out, "
                "or choose another format."
            )
        return _map_cells(column, lambda value: (text, value, None))

    def _temporal_cells(self, column: pa.ChunkedArray) -> Iterable[tuple[Any, Any, Any]]:
        write, text, kind = self._sheet.write_datetime, self._sheet.write_string, column.type
        texts = _to_iso(column)
        if pa.types.is_date(kind):
            format, values = self._formats["date"], column.cast(pa.date32()).to_pylist()
            exact = [value is not None and value >= FIRST_DAY for value in values]
        elif pa.types.is_time(kind):
            format, values = self._formats["time"], _to_microseconds(column, pa.time64("us"))
            exact = [value is not None and value.microsecond % 1000 == 0 for value in values]
        else:
            format, values = (
                self._formats["timestamp"],
                _to_microseconds(column, pa.timestamp("us")),
            )
            exact = [
                value is not None and value.microsecond % 1000 == 0 and value.date() >= FIRST_DAY
                for value in values
            ]
        return [
            (write, value, format) if fits else (text, iso, None)
            for value, fits, iso in zip(values, exact, texts, strict=True)
        ]


def refuse_rows(rows: int) -> None:
    """Refuse more rows than fit on one sheet.

    Raises:
        InputError: there are too many rows.
    """
    if rows >= SHEET_ROWS:
        raise InputError(
            f"The rows cannot be written as xlsx: a sheet has at most {SHEET_ROWS - 1:,} rows "
            f"below its header, but there are {rows:,} or more. Choose Parquet or CSV."
        )


def _map_cells(
    column: pa.ChunkedArray, cell: Callable[[Any], tuple[Any, Any, Any]]
) -> list[tuple[Any, Any, Any]]:
    nothing = (None, None, None)
    return [nothing if value is None else cell(value) for value in column.to_pylist()]


def _exact_number(value: float) -> float | str:
    return _ExactFloat(value) if math.isfinite(value) else str(value)


class _ExactFloat(float):
    """A number with all its digits: XlsxWriter writes 16, but half of all numbers need 17."""

    def __format__(self, spec: str) -> str:
        text = super().__format__(spec)
        return text if float(text) == self else repr(float(self))


def _decimal_cell(number: Any, text: Any, value: Decimal) -> tuple[Any, Any, Any]:
    exact = len(value.normalize().as_tuple().digits) <= EXACT_DIGITS
    return (number, float(value), None) if exact else (text, str(value), None)


def _to_iso(column: pa.ChunkedArray) -> list[str | None]:
    """Format as ISO 8601; a timestamp with a time zone is in UTC and ends with Z."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        texts = pc.strftime(column.cast(pa.timestamp(kind.unit)), "%Y-%m-%dT%H:%M:%S")
        end = "Z" if kind.tz else ""
        return [None if text is None else text + end for text in texts.to_pylist()]
    texts_of_others: list[str | None] = column.cast(pa.string()).to_pylist()
    return texts_of_others


def _to_microseconds(column: pa.ChunkedArray, kind: pa.DataType) -> list[Any]:
    """Convert to Python values; None if digits would be lost."""
    if getattr(column.type, "tz", None):
        column = column.cast(pa.timestamp(column.type.unit))
    cut = column.cast(kind, safe=False)
    same = pc.equal(cut.cast(column.type, safe=False), column)
    values: list[Any] = pc.if_else(same, cut, None).to_pylist()
    return values
