"""Write a table in any format that an export may have.

Apart from `writer`, so that predictions carry neither DuckDB nor XlsxWriter along.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import IO, Any

import pyarrow as pa

from data_access_layer.files import WrittenFormat
from data_access_layer.formats.excel_writer import ExcelWriter, refuse_rows
from data_access_layer.formats.json_lines_writer import JsonLinesWriter
from data_access_layer.formats.writer import TableWriter
from data_access_layer.text import Formulas


class ExportWriter(TableWriter):
    """A `TableWriter` of Parquet, CSV, JSON Lines or Excel.

    `scratch` is a folder for what Excel needs beside the file.
    """

    def __init__(
        self,
        target: str | IO[bytes],
        *,
        format: WrittenFormat,
        encoding: str = "utf-8",
        formulas: Formulas = "keep",
        scratch: Path | None = None,
    ) -> None:
        super().__init__(target, format=format, encoding=encoding, formulas=formulas)
        self._scratch = scratch

    @staticmethod
    def check(format: WrittenFormat, rows: int | None) -> None:
        """Refuse so many rows, if the format cannot hold them."""
        if format == "xlsx" and rows is not None:
            refuse_rows(rows)

    def _open_in(self, sink: Any, schema: pa.Schema) -> Any:
        if self.format == "jsonl":
            return JsonLinesWriter(sink, schema)
        if self.format == "xlsx":
            return ExcelWriter(sink, schema, scratch=self._scratch)
        return super()._open_in(sink, schema)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None and isinstance(self._writer, ExcelWriter):
            # All its work is at the end, and would be for nothing.
            self._writer.discard()
        self.close()
