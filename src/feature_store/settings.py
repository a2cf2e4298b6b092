"""What can be set for the feature store's tasks."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from config.settings import Settings
from data_access_layer.settings import BATCH_ROWS, BatchRows


class ExtractSettings(Settings):
    """What is extracted, and where it goes."""

    section: ClassVar[str] = "extract"

    dst: str = Field("", description="The Parquet or CSV file to write (or another location).")
    columns: str = Field("", description="Which columns, such as revenue,employees; default: all.")
    filter: str = Field("", description="Which rows, such as 'revenue > 1e6'; default: all.")
    as_of: str = Field(
        "",
        description="What was known at that date or moment, one row per entity; default: all rows.",
    )
    batch_rows: BatchRows = BATCH_ROWS
