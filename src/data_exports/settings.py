"""What can be set for exports."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from config.settings import Settings
from data_access_layer.settings import BATCH_ROWS, BatchRows


class ExportSettings(Settings):
    """What is exported, and where it goes."""

    section: ClassVar[str] = "export"

    src: str = Field(
        "",
        description="A file, a folder of them, a location, the name of a stored table, or -.",
    )
    dst: str = Field(
        "",
        description="Where to: a file by its ending, FOLDER.delta, or a database's URL#TABLE.",
    )
    format: Literal["parquet", "csv", "jsonl", "xlsx", "delta"] | None = Field(
        None, description="The format where the ending of --dst does not say it."
    )
    columns: str = Field("", description="Which columns, separated by commas; default: all.")
    batch_rows: BatchRows = BATCH_ROWS
    encoding: str = Field(
        "utf-8", description="Of CSV; Excel opens utf-8-sig right away, JSON Lines are UTF-8."
    )
    csv_formulas: Literal["keep", "escape"] = Field(
        "keep",
        description="CSV texts that a spreadsheet would run: kept, or with ' before them.",
    )


class VerifySettings(Settings):
    """Which exported table is held against its manifest."""

    section: ClassVar[str] = "verify"

    table: str = Field("", description="What was --dst of an export, or --output of a prediction.")
