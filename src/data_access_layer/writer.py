"""Write a table batch by batch as Parquet or CSV.

A plain door: that a table appears whole or not at all is for `data_exports` to see to.
"""

from __future__ import annotations

from types import TracebackType
from typing import IO, Self

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from config.errors import InputError
from data_access_layer.files import Format


class TableWriter:
    """Write frames of one schema to a path or an open binary file, in the order they come."""

    def __init__(self, target: str | IO[bytes], *, format: Format) -> None:
        self._target = target
        self._file: pa.OSFile | None = None
        self._format = format
        self._writer: pq.ParquetWriter | pa_csv.CSVWriter | None = None
        self._schema: pa.Schema | None = None

    def write(self, frame: pd.DataFrame) -> None:
        """Append the rows of `frame`; the first frame sets the schema.

        Raises:
            InputError: the columns of `frame` are not those of the first one, or the format does
                not know the type of one.
        """
        try:
            self._check_columns(frame)
            table = pa.Table.from_pandas(frame, schema=self._schema, preserve_index=False)
            if self._writer is None:
                self._schema = table.schema
                self._writer = self._open(table.schema)
            self._writer.write_table(table)
        except pa.ArrowException as error:
            reason = ". ".join(str(part).rstrip(".") for part in error.args)
            raise InputError(f"The rows cannot be written as {self._format}: {reason}.") from error

    def _check_columns(self, frame: pd.DataFrame) -> None:
        if self._schema is None:
            return
        given, expected = {str(name) for name in frame}, set(self._schema.names)
        if given != expected:
            odd = ", ".join(map(repr, sorted(given ^ expected)))
            raise InputError(
                f"The tables do not have the same columns: {odd} is not in all of them. "
                "Give them the same columns, or handle them one by one."
            )

    def _open(self, schema: pa.Schema) -> pq.ParquetWriter | pa_csv.CSVWriter:
        # Opened here, because Arrow leaves its own file open where a writer cannot be closed.
        if isinstance(self._target, str):
            self._file = pa.OSFile(self._target, "wb")
        sink = self._file or self._target
        if self._format == "csv":
            return pa_csv.CSVWriter(sink, schema.remove_metadata())
        # A dictionary of floating-point numbers is as large as the numbers, and slow to make.
        dictionary = [field.name for field in schema if not pa.types.is_floating(field.type)]
        return pq.ParquetWriter(sink, schema, use_dictionary=dictionary)

    def close(self) -> None:
        """Write what a format needs at its end."""
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
