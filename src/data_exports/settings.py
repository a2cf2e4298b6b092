"""Settings of `export` and `verify`."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from config.settings import Settings
from data_access_layer.settings import BATCH_ROWS, BatchRows


class ExportSettings(Settings):
    """What to export, and where to."""

    section: ClassVar[str] = "export"

    src: str = Field(
        "",
        description="The table to export: a file, folder, location, stored table's name, or -.",
    )
    dst: str = Field(
        "",
        description="The destination: a file, FOLDER.delta, or a database's URL#TABLE.",
    )
    format: Literal["parquet", "csv", "jsonl", "xlsx", "delta"] | None = Field(
        None, description="The format, if the ending of --dst does not name it."
    )
    columns: str = Field(
        "", description="The columns to export, separated by commas; default: all."
    )
    batch_rows: BatchRows = BATCH_ROWS
    encoding: str = Field(
        "utf-8",
        description="The encoding of CSV. Excel recognizes utf-8-sig; JSON Lines are always UTF-8.",
    )
    csv_formulas: Literal["keep", "escape"] = Field(
        "keep",
        description="CSV text that a spreadsheet would run: keep it, or put ' before it.",
    )


class VerifySettings(Settings):
    """Which table to compare with its manifest."""

    section: ClassVar[str] = "verify"

    table: str = Field(
        "", description="The table to verify: --dst of an export, or --output of a prediction."
    )
