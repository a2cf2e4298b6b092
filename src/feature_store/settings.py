"""Settings of the feature store's tasks."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from config.settings import Settings
from data_access_layer.settings import BATCH_ROWS, BatchRows


class ExtractSettings(Settings):
    """What to extract, and where to write it."""

    section: ClassVar[str] = "extract"

    dst: str = Field("", description="The Parquet or CSV file to write (or another location).")
    columns: str = Field("", description="The columns, such as revenue,employees; default: all.")
    filter: str = Field("", description="The rows, such as 'revenue > 1e6'; default: all.")
    as_of: str = Field(
        "",
        description="The date or time as of which to read, one row per entity; default: all rows.",
    )
    batch_rows: BatchRows = BATCH_ROWS
