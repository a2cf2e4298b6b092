from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from cli.errors import InputError
from data_access_layer.locations import FileLocation, ObjectLocation, TableLocation, parse_location
from data_access_layer.settings import StoreSettings
from data_access_layer.stores import open_location, open_table

PLANTED = "planted-secret"


@pytest.mark.parametrize(
    ("location", "meant"),
    [
        ("data/company.parquet", FileLocation(Path("data/company.parquet"))),
        ("file:///data/company.csv", FileLocation(Path("/data/company.csv"))),
        ("s3://bucket/a/b.parquet", ObjectLocation("s3://bucket/a/b.parquet", "s3")),
        ("gs://bucket/a/b.parquet", ObjectLocation("gs://bucket/a/b.parquet", "gs")),
        (
            "abfs://box@lake.dfs.core.windows.net/b.parquet",
            ObjectLocation("abfs://box@lake.dfs.core.windows.net/b.parquet", "abfs"),
        ),
        (
            "duckdb:///a/all.duckdb#company",
            TableLocation("duckdb", "duckdb:///a/all.duckdb", None, "company"),
        ),
        (
            "postgresql+psycopg://analyst@host/db#features.company",
            TableLocation(
                "postgresql+psycopg", "postgresql+psycopg://analyst@host/db", "features", "company"
            ),
        ),
    ],
)
def test_a_location_says_which_store_it_is_in(location: str, meant: object) -> None:
    assert parse_location(location) == meant


@pytest.mark.parametrize(
    "location",
    [
        f"postgresql+psycopg://analyst:{PLANTED}@host/db#company",
        f"postgresql+psycopg://analyst:{PLANTED}/with/slashes@host/db#company",
        f"postgresql+psycopg://host/db?password={PLANTED}#company",
        f"s3://key:{PLANTED}@bucket/company.parquet",
        f"abfs://box:{PLANTED}@lake.dfs.core.windows.net/company.parquet",
        f"abfs://box@lake.dfs.core.windows.net/company.parquet?sig={PLANTED}",
        f"https://host/company.parquet?X-Amz-Signature={PLANTED}",
        f"https://host/company.parquet?sas={PLANTED}",
        f"https://host/company.parquet?code={PLANTED}",
        f"https://host/company.parquet?a=b&auth={PLANTED}",
        f"postgresql+psycopg:/analyst:{PLANTED}@host/db#company",
        f"mssql+pyodbc:///?odbc_connect=DRIVER%3Dx%3BPWD%3D{PLANTED}#company",
    ],
)
def test_credentials_in_a_location_are_refused_and_not_repeated(location: str) -> None:
    for refuse in (
        lambda: parse_location(location),
        lambda: StoreSettings(tables={"company": location}),
        lambda: StoreSettings(root=location),
    ):
        with pytest.raises(InputError, match="has credentials in it") as raised:
            refuse()
        assert PLANTED not in str(raised.value)
        assert "DATASCIENCE_STORES_DATABASE_PASSWORD" in str(raised.value)


def test_a_broken_variable_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = f'{{"company": "postgresql://analyst:{PLANTED} with a space@host/db#company"'
    monkeypatch.setenv("DATASCIENCE_STORES_TABLES", broken)
    with pytest.raises(InputError, match="_TABLES: tables: expected JSON") as raised:
        StoreSettings.load()
    assert PLANTED not in str(raised.value)


@pytest.mark.parametrize(
    ("location", "problem"),
    [
        ("postgresql+psycopg://host/db", "does not name a table of the database"),
        ("", "is empty"),
    ],
)
def test_a_location_that_is_none_is_refused(location: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        parse_location(location)


@pytest.mark.parametrize("scheme", ["http", "hdfs", "memory", "nope"])
def test_a_store_that_nothing_opens_is_refused(scheme: str) -> None:
    with pytest.raises(InputError) as raised:
        open_location(f"{scheme}://bucket/company.parquet", StoreSettings())
    assert str(raised.value).startswith(
        f"{scheme}://bucket/company.parquet: unknown scheme {scheme}://. Expected a file or "
        "folder on this machine, s3://, s3a://, gs://, gcs://, abfs://, abfss://, duckdb://, or"
    )


def test_a_table_without_a_location_lies_below_the_root(tmp_path: Path) -> None:
    table = open_table("company", StoreSettings(root=str(tmp_path)))
    table.write(pd.DataFrame({"a": [1]}))
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["company.parquet", "company.parquet.manifest.json"]
    with pytest.raises(InputError, match="is not a valid table name"):
        open_table("../company", StoreSettings(root=str(tmp_path)))


def test_characters_of_a_pattern_in_a_name_are_those_characters(tmp_path: Path) -> None:
    for name, value in {"c[d]": 1, "cd": 2, "a*b?": 3, "a_b_": 4}.items():
        location = f"{tmp_path}/{name}.parquet"
        open_location(location, StoreSettings()).write(pd.DataFrame({"a": [value]}))
    for name, value in {"c[d]": 1, "a*b?": 3}.items():
        location = f"{tmp_path}/{name}.parquet"
        assert list(open_location(location, StoreSettings()).read()["a"]) == [value]
