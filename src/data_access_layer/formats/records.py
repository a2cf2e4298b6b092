"""Cut a CSV stream into pieces of complete records.

Arrow can cut a CSV file into blocks at any line break, which breaks records with line breaks inside
quotes. With `newlines_in_values`, it loses the line feed of a quoted CRLF at the border of two
blocks (https://github.com/apache/arrow/issues/51368). So this module cuts the stream, and Arrow
parses each piece as one block.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np
import numpy.typing as npt

QUOTE = ord('"')
# The characters before a quote that opens a field, and after a quote that closes it.
_AROUND_FIELDS = np.frombuffer(b',\r\n"', np.uint8)
# One field and what ends it, as Arrow reads them: a quote opens a field only at its start. The
# possessive `*+` never backtracks, so a field whose end has not been read yet matches nothing.
_FIELD = re.compile(
    rb"""(?:"[^"]*+(?:""[^"]*+)*+"[^,\r\n]*+|[^",\r\n][^,\r\n]*+)?+(?:,|(\r\n|\r(?=[^\n])|\n))"""
)


class Stream(Protocol):
    """A stream of bytes."""

    def read(self, size: int, /) -> bytes:
        """Read at most `size` bytes; none at the end."""


class LongRecordError(ValueError):
    """A record is longer than `limit` bytes; usually, a quote is not closed."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"a record is longer than {limit:,} bytes")
        self.limit = limit


def whole_records(stream: Stream, block_bytes: int, limit: int) -> Iterator[bytes]:
    """Yield the stream in pieces of complete records, about `block_bytes` each.

    Raises:
        LongRecordError: a record is longer than `limit` bytes.
    """
    return _cut(stream, records_end, block_bytes, limit)


def whole_lines(stream: Stream, block_bytes: int, limit: int) -> Iterator[bytes]:
    """Yield the stream in pieces of complete lines, about `block_bytes` each.

    Raises:
        LongRecordError: a line is longer than `limit` bytes.
    """
    return _cut(stream, lambda data: data.rfind(b"\n") + 1, block_bytes, limit)


def _cut(
    stream: Stream, end_of: Callable[[bytes], int], block_bytes: int, limit: int
) -> Iterator[bytes]:
    rest = b""
    while block := stream.read(block_bytes):
        data = rest + block
        end = end_of(data)
        if end:
            yield data[:end]
        rest = data[end:]
        if len(rest) > limit:
            raise LongRecordError(limit)
    if rest:
        yield rest


def records_end(data: bytes) -> int:
    """The end of the last complete record of `data`, which begins with a record; 0 for none."""
    # A carriage return at the end may be followed by a line feed.
    end = len(data) - data.endswith(b"\r")
    if b'"' not in data:
        return data.rfind(b"\n", 0, end) + 1
    array = np.frombuffer(data, np.uint8)
    quotes = np.flatnonzero(array == QUOTE)
    if not _are_paired(array, quotes):
        return _scan_end(data)
    while (line_break := data.rfind(b"\n", 0, end)) >= 0:
        before = int(np.searchsorted(quotes, line_break))
        if before % 2 == 0:
            return line_break + 1
        # Inside quotes: look before the one that opened them.
        end = int(quotes[before - 1])
    return 0


def first_record(data: bytes) -> tuple[bytes, int]:
    """The first record that is not an empty line, and its end; 0 if it is incomplete."""
    start = position = 0
    while field := _FIELD.match(data, position):
        position = field.end()
        if field[1]:
            record = data[start : field.start(1)]
            if record:
                return record, position
            start = position
    return data[start:], 0


def _are_paired(array: npt.NDArray[np.uint8], quotes: npt.NDArray[np.intp]) -> bool:
    """Whether each second quote opens a field, and the one after it closes that field."""
    opens, closes = quotes[0::2], quotes[1::2]
    opens, closes = opens[opens > 0], closes[closes < len(array) - 1]
    return bool(
        np.isin(array[opens - 1], _AROUND_FIELDS).all()
        and np.isin(array[closes + 1], _AROUND_FIELDS).all()
    )


def _scan_end(data: bytes) -> int:
    """The same field by field, for data in which quotes can also be ordinary characters."""
    position = end = 0
    while field := _FIELD.match(data, position):
        position = field.end()
        if field[1]:
            end = position
    return end
