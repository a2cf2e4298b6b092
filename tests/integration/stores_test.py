"""The same table in a Parquet file, a DuckDB file, an S3 server and a PostgreSQL server."""

from __future__ import annotations

import io
import logging
import re
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from pandas.testing import assert_frame_equal
from pydantic import SecretStr

from config.errors import InputError, UserError
from data_access_layer.filters import AsOf
from data_access_layer.settings import StoreSettings
from data_access_layer.stores import open_location, open_table
from data_access_layer.table import StoredTable
from integration.servers import S3, USER, PostgreSQL, free_port

PASSWORD = "planted-Passw0rd"
S3_SECRET = "planted-Secr3t-key"
STORES = ["parquet", "duckdb", "s3", "postgresql"]


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgreSQL]:
    with PostgreSQL(PASSWORD) as server:
        yield server


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with S3("features") as server:
        yield server


@pytest.fixture
def locate(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Callable[[str], tuple[str, dict[str, Any]]]:
    """Where a store keeps the table, and the settings that open it: all that differs."""

    def locate(store: str) -> tuple[str, dict[str, Any]]:
        if store == "parquet":
            return f"{tmp_path}/company.parquet", {}
        if store == "duckdb":
            return f"duckdb:///{tmp_path}/all.duckdb#features.company", {}
        if store == "s3":
            server = request.getfixturevalue("s3")
            options = {"s3_key": SecretStr("key"), "s3_secret": SecretStr(S3_SECRET)}
            return "s3://features/company.parquet", {**options, "s3_endpoint_url": server.endpoint}
        url = request.getfixturevalue("postgresql").url
        options = {"database_user": USER, "database_password": SecretStr(PASSWORD)}
        return f"{url}#features.company", options

    return locate


@pytest.fixture(params=STORES)
def table(
    request: pytest.FixtureRequest, locate: Callable[[str], tuple[str, dict[str, Any]]]
) -> StoredTable:
    location, options = locate(request.param)
    settings = StoreSettings(tables={"company": location}, retry_seconds=0.01, **options)
    return open_table("company", settings)


def utc(*texts: str | None) -> pd.Series[Any]:
    return pd.Series(pd.to_datetime(list(texts), utc=True, format="ISO8601")).astype("datetime64[us, UTC]")


def companies() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "company_id": pd.Series([1, 1, 2, 2, 3, None], dtype="Int64"),
            "event_timestamp": utc(
                "2024-01-01", "2024-03-01", "2024-01-01", "2024-01-01", None, "2024-02-01T12:00:00.000001"
            ),
            "arrived_at": utc(
                "2024-01-02", "2024-06-01", "2024-01-02", "2024-01-03", "2024-01-01", "2024-02-02"
            ),
            "country": pd.Series(["NL", "nl", "", None, "de, \"Ö\"\n", "BE"], dtype="str"),
            "revenue": [1.5, 2e6, None, 0.1, float("inf"), -3.0],
            "employees": pd.Series([10, None, 20, 30, 2**62, 1], dtype="Int64"),
            "year": pd.Series([2020, 2021, 2022, 2023, 2024, 2025], dtype="int64"),
            "listed": pd.Series([True, None, False, True, None, False], dtype="boolean"),
            "founded": pd.to_datetime(["1999-12-31", None, "2001-01-01"] * 2).astype("datetime64[us]"),
        }
    )


COLUMNS = ["year", "country", "company_id"]
QUERIES: dict[str, tuple[dict[str, Any], list[int]]] = {
    "all": ({}, [0, 1, 2, 3, 4, 5]),
    "columns": ({"columns": COLUMNS}, [0, 1, 2, 3, 4, 5]),
    "equal": ({"filters": [("country", "==", "NL")]}, [0]),
    "unequal": ({"filters": [("country", "!=", "NL")]}, [1, 2, 4, 5]),
    "text order": ({"filters": [("country", ">", "a")]}, [1, 4]),
    "empty text": ({"filters": [("country", "==", "")]}, [2]),
    "null": ({"filters": [("country", "is", None)]}, [3]),
    "not null": ({"filters": [("revenue", "is not", None)]}, [0, 1, 3, 4, 5]),
    "fraction": ({"filters": [("year", "<", 2021.5)]}, [0, 1]),
    "whole numbers": ({"filters": [("revenue", ">", 1)]}, [0, 1, 4]),
    "large": ({"filters": [("employees", ">=", 2**62)]}, [4]),
    "in": ({"filters": [("year", "in", [2020, 2024])]}, [0, 4]),
    "not in": ({"filters": [("company_id", "not in", {1})]}, [2, 3, 4]),
    "in nothing": ({"filters": [("year", "in", [])]}, []),
    "bool": ({"filters": [("listed", "==", True)]}, [0, 3]),
    "time": ({"filters": [("event_timestamp", ">=", datetime(2024, 2, 1, 12, 0, 0, 1, UTC))]}, [1, 5]),
    "naive time": ({"filters": [("founded", "<=", datetime(1999, 12, 31))]}, [0, 3]),
    "and": ({"filters": [("company_id", "==", 2), ("revenue", "<", 1)]}, [3]),
    "or": ({"filters": [[("company_id", "==", 2)], [("year", ">", 2024), ("listed", "==", False)]]}, [2, 3, 5]),
    "columns and filters": ({"columns": ["listed"], "filters": [("year", "<", 2022)]}, [0, 1]),
    "no row": ({"filters": [("year", "<", 0)]}, []),
}


def expected(rows: list[int], columns: list[str] | None = None) -> pd.DataFrame:
    frame = companies()[columns or companies().columns].iloc[rows].reset_index(drop=True)
    for name in frame:
        if frame[name].dtype in ("Int64", "boolean") and not frame[name].isna().any():
            frame[name] = frame[name].astype(frame[name].dtype.numpy_dtype)
    return frame


def test_a_read_gives_the_same_frame_from_every_store(table: StoredTable) -> None:
    table.write(companies())
    for name, (query, rows) in QUERIES.items():
        # A database keeps no order.
        columns = [*(query.get("columns") or companies())]
        frame = table.read(**{**query, "columns": sorted({*columns, "year"})})
        frame = frame.sort_values("year", ignore_index=True)[columns]
        assert_frame_equal(frame, expected(rows, columns), obj=name)
        assert list(table.read(**query)) == columns
