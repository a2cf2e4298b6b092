"""Write a file batch by batch as Parquet or CSV; `export_writer` has further formats.

`data_access_layer.commit` makes writes atomic.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from cli.errors import InputError
from data_access_layer.files import WrittenFormat, is_utf8
from data_access_layer.reader import RecordBatch
from data_access_layer.settings import BATCH_ROWS
from data_access_layer.text import EncodedFile, Formulas, escape_formulas
from data_access_layer.types import (
    is_text,
    reason_of,
    refuse_names,
    refuse_types,
    to_plain_types,
    to_utc,
)

# Small enough for readers to skip row groups, large enough to compress.
ROW_GROUP_ROWS = BATCH_ROWS // 2


class TableWriter:
    """Write rows of one schema to a path or an open binary file, in the order they come.

    `encoding` and `formulas` are for CSV; `formulas` keeps or escapes text that a spreadsheet would
    run.
    """

    def __init__(
        self,
        target: str | IO[bytes],
        *,
        format: WrittenFormat,
        encoding: str = "utf-8",
        formulas: Formulas = "keep",
    ) -> None:
        self._target = target
        self._file: pa.NativeFile | None = None
        self.format = format
        self._encoding = encoding
        self._formulas = formulas
        self._writer: Any = None
        self._schema: pa.Schema | None = None

    @property
    def columns(self) -> dict[str, str]:
        """The Arrow types of the written columns, by name."""
        schema = self._schema or pa.schema([])
        if self._is_escaped:
            schema = escape_formulas(schema.empty_table()).schema
        return {field.name: str(field.type) for field in schema}

    @property
    def _is_escaped(self) -> bool:
        return self.format == "csv" and self._formulas == "escape"

    def write(self, frame: pd.DataFrame) -> None:
        """Append the rows of `frame`; the first frame sets the schema.

        Raises:
            InputError: the columns of `frame` differ from those of the first frame, or the format
                does not support a column's type.
        """
        try:
            _check_columns(map(str, frame), self._schema)
            table = pa.Table.from_pandas(frame, schema=self._schema, preserve_index=False)
            self._append(table)
        except pa.ArrowException as error:
            raise InputError(self._error_message(error)) from error

    def write_batch(self, batch: RecordBatch) -> None:
        """Append the rows of an Arrow record batch, as `write` does."""
        try:
            _check_columns(batch.schema.names, self._schema)
            table = pa.Table.from_batches([batch])
            if self._schema is not None and table.schema != self._schema:
                table = _cast(table.select(self._schema.names), self._schema)
            self._append(table)
        except pa.ArrowException as error:
            raise InputError(self._error_message(error)) from error

    def _append(self, table: pa.Table) -> None:
        if self._writer is None:
            refuse_types(table.schema, self.format)
            refuse_names(table.schema.names, self.format)
            self._schema = table.schema
            self._writer = self._open(table.schema)
        if self.format == "csv":
            table = to_utc(to_plain_types(table))
            if self._is_escaped:
                table = escape_formulas(table)
        if self.format == "parquet":
            self._writer.write_table(table, ROW_GROUP_ROWS)
        else:
            self._writer.write_table(table)

    def _error_message(self, error: pa.ArrowException) -> str:
        return f"The rows cannot be written as {self.format}: {reason_of(error)}."

    def _open(self, schema: pa.Schema) -> Any:
        # Opened here: Arrow does not close its own file if closing the writer fails.
        if isinstance(self._target, str):
            path = Path(self._target)
            is_plain = is_utf8(path)
            self._file = (
                pa.OSFile(self._target, "wb") if is_plain else pa.PythonFile(path.open("wb"))
            )
        return self._open_in(self._file or self._target, schema)

    def _open_in(self, sink: Any, schema: pa.Schema) -> Any:
        if self.format == "csv":
            if self._encoding != "utf-8":
                sink = EncodedFile(sink, self._encoding)
            header = to_utc(to_plain_types(schema.empty_table()))
            if self._is_escaped:
                header = escape_formulas(header)
            return pa_csv.CSVWriter(sink, header.schema.remove_metadata())
        if self.format != "parquet":
            raise InputError(
                f"Expected an ending for Parquet or CSV, got one for {self.format}. Write one of "
                "them, and export it: ./pants run src/data_exports:export -- --help"
            )
        # A dictionary of floating-point numbers is as large as the numbers, and slow.
        dictionary = [field.name for field in schema if not pa.types.is_floating(field.type)]
        return pq.ParquetWriter(sink, schema, use_dictionary=dictionary)

    def close(self) -> None:
        """Write the end of the file, and close it."""
        try:
            if self._writer is not None:
                self._writer.close()
        finally:
            if self._file is not None:
                self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def as_batches(frames: Iterable[pd.DataFrame]) -> Iterator[RecordBatch]:
    """Convert frames to Arrow batches; the first frame sets the schema.

    Raises:
        InputError: a frame has other columns or types than the first one.
    """
    schema: pa.Schema | None = None
    for frame in frames:
        _check_columns(map(str, frame), schema)
        try:
            table = pa.Table.from_pandas(frame, schema=schema, preserve_index=False)
        except pa.ArrowException as error:
            raise InputError(f"The rows cannot be written: {reason_of(error)}.") from error
        schema = table.schema
        yield from table.to_batches() or [pa.RecordBatch.from_pylist([], schema)]


def _check_columns(given: Iterable[str], schema: pa.Schema | None) -> None:
    """Refuse columns that differ from those of the schema."""
    odd = set() if schema is None else {*given} ^ {*schema.names}
    if odd:
        raise InputError(
            f"The tables do not have the same columns: {', '.join(map(repr, sorted(odd)))} is not "
            "in all of them. Give them the same columns, or handle them one by one."
        )


def _cast(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Cast to the schema of the first table, between similar types and without loss."""
    columns = []
    for name, target in zip(schema.names, schema.types, strict=True):
        given = table[name]
        if given.type != target and not _is_alike(given.type, target):
            raise pa.ArrowInvalid(
                f"Column {name!r} is {given.type} in one table and {target} in another"
            )
        columns.append(given if given.type == target else given.cast(target))
    return pa.table(columns, schema=schema)


def _is_alike(given: pa.DataType, target: pa.DataType) -> bool:
    if pa.types.is_null(given):
        return True
    return any(
        is_kind(given) and is_kind(target)
        for is_kind in (pa.types.is_integer, pa.types.is_floating, is_text)
    )
