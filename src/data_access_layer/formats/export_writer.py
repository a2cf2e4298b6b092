"""Write a table in any export format.

Separate from `writer`, so that packages of `predict` need neither DuckDB nor XlsxWriter.
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

    `scratch` is a folder for Excel's temporary files.
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
        """Refuse more rows than the format supports."""
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
            # It would write the whole workbook only to be deleted.
            self._writer.discard()
        self.close()
