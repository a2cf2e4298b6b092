"""The same table in a Parquet file, a DuckDB file, an S3 server and a PostgreSQL server."""

from __future__ import annotations

import logging
import re
import signal
import threading
import traceback
from collections.abc import Callable, Generator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pandas as pd
import pytest
from fsspec.implementations.arrow import ArrowFile
from pandas.testing import assert_frame_equal
from pydantic import SecretStr

from cli.errors import InputError, UserError
from data_access_layer.query.filters import AsOf
from data_access_layer.settings import StoreSettings
from data_access_layer.stores import open_location, open_table
from data_access_layer.tables.stored_table import StoredTable
from feature_store.samples.companies import sample_companies
from feature_store.views.company import FeatureViewCompany
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

    # All tests share the servers.
    name = re.sub(r"\W", "_", tmp_path.name)

    def locate(store: str) -> tuple[str, dict[str, Any]]:
        if store == "parquet":
            return f"{tmp_path}/company.parquet", {}
        if store == "duckdb":
            return f"duckdb:///{tmp_path}/all.duckdb#features.company", {}
        if store == "s3":
            server = request.getfixturevalue("s3")
            options: dict[str, Any] = {
                "s3_key": SecretStr("key"),
                "s3_secret": SecretStr(S3_SECRET),
            }
            return f"s3://features/{name}.parquet", {**options, "s3_endpoint_url": server.endpoint}
        url = request.getfixturevalue("postgresql").url
        options = {"database_user": USER, "database_password": SecretStr(PASSWORD)}
        return f"{url}#features.{name}", options

    return locate


@pytest.fixture(params=STORES)
def table(
    request: pytest.FixtureRequest, locate: Callable[[str], tuple[str, dict[str, Any]]]
) -> StoredTable:
    location, options = locate(request.param)
    settings = StoreSettings(tables={"company": location}, retry_seconds=0.01, **options)
    return open_table("company", settings)


def utc(*texts: str | None) -> pd.Series[Any]:
    return pd.Series(pd.to_datetime(pd.Series(texts), utc=True, format="ISO8601")).astype(
        "datetime64[us, UTC]"
    )


def companies() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "company_id": pd.Series([1, 1, 2, 2, 3, None], dtype="Int64"),
            "event_timestamp": utc(
                "2024-01-01",
                "2024-03-01",
                "2024-01-01",
                "2024-01-01",
                None,
                "2024-02-01T12:00:00.000001",
            ),
            "arrived_at": utc(
                "2024-01-02", "2024-06-01", "2024-01-02", "2024-01-03", "2024-01-01", "2024-02-02"
            ),
            "country": pd.Series(["NL", "nl", "", None, 'de, "Ö"\n', "BE"], dtype="str"),
            "revenue": [1.5, 2e6, None, 0.1, float("inf"), -3.0],
            "employees": pd.Series([10, None, 20, 30, 2**62, 1], dtype="Int64"),
            "year": pd.Series([2020, 2021, 2022, 2023, 2024, 2025], dtype="int64"),
            "listed": pd.Series([True, None, False, True, None, False], dtype="boolean"),
            "founded": pd.to_datetime(["1999-12-31", "NaT", "2001-01-01"] * 2).astype(
                "datetime64[us]"
            ),
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
    "time": (
        {"filters": [("event_timestamp", ">=", datetime(2024, 2, 1, 12, 0, 0, 1, UTC))]},
        [1, 5],
    ),
    "naive time": ({"filters": [("founded", "<=", datetime(1999, 12, 31))]}, [0, 3]),
    "and": ({"filters": [("company_id", "==", 2), ("revenue", "<", 1)]}, [3]),
    "or": (
        {"filters": [[("company_id", "==", 2)], [("year", ">", 2024), ("listed", "==", False)]]},
        [2, 3, 5],
    ),
    "columns and filters": ({"columns": ["listed"], "filters": [("year", "<", 2022)]}, [0, 1]),
    "no row": ({"filters": [("year", "<", 0)]}, []),
}


def expected(rows: list[int], columns: list[str] | None = None) -> pd.DataFrame:
    frame = companies()[columns or companies().columns].iloc[rows].reset_index(drop=True)
    for name in frame:
        if frame[name].dtype in ("Int64", "boolean") and not frame[name].isna().any():
            dtype: Any = frame[name].dtype
            frame[name] = frame[name].astype(dtype.numpy_dtype)
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


def as_of(time: datetime, **options: Any) -> AsOf:
    return AsOf(("company_id",), "event_timestamp", time, **options)


MARCH, JULY = datetime(2024, 3, 15, tzinfo=UTC), datetime(2024, 7, 1)
AS_OF: dict[str, tuple[dict[str, Any], list[int]]] = {
    # Of the two rows of company 2 the one that is greater in the first column that is read, ...
    "latest": ({"as_of": as_of(MARCH)}, [1, 3, 5]),
    # ... where an empty string is greater than a missing value.
    "latest of fewer columns": ({"as_of": as_of(MARCH), "columns": ["year", "country"]}, [1, 2, 5]),
    "earlier": ({"as_of": as_of(datetime(2024, 1, 1, tzinfo=UTC))}, [0, 3]),
    "not arrived": ({"as_of": as_of(MARCH, available="arrived_at")}, [0, 3, 5]),
    "arrived": ({"as_of": as_of(JULY, available="arrived_at")}, [1, 3, 5]),
    "tie": ({"as_of": as_of(MARCH, tie_breakers=("year",))}, [1, 3, 5]),
    "filter after": ({"as_of": as_of(MARCH), "filters": [("country", "==", "NL")]}, []),
    "text key": (
        {"as_of": AsOf(("country", "company_id"), "event_timestamp", MARCH), "columns": ["year"]},
        [2, 5, 0, 1, 3],
    ),
}


def test_what_was_known_at_a_moment_is_the_same_from_every_store(table: StoredTable) -> None:
    table.write(companies())
    for name, (query, rows) in AS_OF.items():
        frame = table.read(**query)
        assert_frame_equal(frame, expected(rows, query.get("columns")), obj=name)


@pytest.mark.parametrize("store", STORES)
def test_a_feature_view_moves_between_stores_by_its_settings(
    store: str, locate: Callable[[str], tuple[str, dict[str, Any]]], tmp_path: Path
) -> None:
    """Settings come from a file and the environment, as a person's would; the code is the same."""
    location, options = locate(store)
    file = tmp_path / "stores.toml"
    file.write_text(f'[stores.tables]\ncompanies = "{location}"\n')
    filings = sample_companies(60)
    with pytest.MonkeyPatch.context() as patch:
        for key, value in options.items():
            secret = value.get_secret_value() if isinstance(value, SecretStr) else value
            patch.setenv(f"DATASCIENCE_STORES_{key.upper()}", str(secret))
        settings = StoreSettings.load(file=file)
    open_table("companies", settings).write(filings)
    found = FeatureViewCompany.read(
        columns=["company_id", "revenue", "employees"],
        filter='country in ("DE", "FR") and revenue > 1e6',
        as_of="2021-01-01",
        settings=settings,
    )
    known = filings[filings[["event_timestamp", "arrived_at"]].max(axis=1) <= "2021-01-01"]
    latest = known.sort_values(["event_timestamp", "arrived_at"]).groupby("company_id").tail(1)
    wanted = latest[latest["country"].isin(["DE", "FR"]) & (latest["revenue"] > 1e6)]
    assert len(wanted) > 5
    assert_frame_equal(
        pd.DataFrame(found).sort_values("company_id", ignore_index=True),
        wanted[list(found)].sort_values("company_id", ignore_index=True),
        check_dtype=False,
    )


def test_batches_are_small_and_of_one_schema(table: StoredTable) -> None:
    assert not table.exists()
    rows = companies()
    table.write(batch for batch in [rows[:4], rows[4:]])
    assert table.exists()
    assert table.row_count() == 6
    batches = list(table.batches(["company_id", "listed"], [("year", "!=", 2020)], batch_rows=2))
    assert max(batch.num_rows for batch in batches) == 2
    assert sum(batch.num_rows for batch in batches) == 5
    assert {str(batch.schema) for batch in batches} == {"company_id: int64\nlisted: bool"}
    (empty,) = table.batches(["revenue"], [("year", "<", 0)])
    assert (empty.num_rows, str(empty.schema)) == (0, "revenue: double")
    # Who leaves early leaves nothing open that would stop the next writer.
    early = table.batches(batch_rows=1)
    next(early)
    cast("Generator[Any]", early).close()
    table.write(rows[:1])
    assert table.row_count() == 1
    table.write(rows[:0])
    assert_frame_equal(table.read(), expected([]))


def test_a_write_that_fails_leaves_what_was_there(table: StoredTable) -> None:
    table.write(companies())

    def rows() -> Iterator[pd.DataFrame]:
        yield companies()
        raise ValueError("ours")

    with pytest.raises(ValueError, match="ours"):
        table.write(rows())
    with pytest.raises(InputError, match="column 'country' is not in all batches"):
        table.write([companies(), companies().drop(columns="country")])
    assert table.row_count() == 6
    assert table.read(["year"])["year"].sum() == companies()["year"].sum()


def test_a_table_that_is_not_there_and_a_column_that_is_not_are_one_message(
    table: StoredTable,
) -> None:
    for read in (table.read, table.row_count, table.schema):
        with pytest.raises(InputError, match=re.escape(table.location)) as raised:
            read()
        assert "\n" not in str(raised.value)
    table.write(companies()[["country", "year"]])
    message = (
        f"{table.location}: there is no column 'contry'. Did you mean 'country'? "
        "Its columns: country, year."
    )
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        table.read(["contry"])
    assert type(table).__name__ in repr(table)


def test_postgresql_gets_the_question_and_sends_what_was_asked_for(
    postgresql: PostgreSQL, locate: Callable[[str], tuple[str, dict[str, Any]]]
) -> None:
    location, options = locate("postgresql")
    table = open_location(location, StoreSettings(**options))
    table.write(companies())
    before = len(postgresql.log())
    table.read(["year"], [("country", "==", "NL")], as_of(MARCH))
    (statement,) = re.findall(
        r"DECLARE .*?CURSOR.*?(?=\n\d{4}-|\Z)", postgresql.log()[before:], flags=re.DOTALL
    )
    # Neither a column nor a row more than that has to come here.
    assert "revenue" not in statement
    assert "country = " in statement
    assert "row_number() OVER (PARTITION BY features." in statement


def test_s3_sends_the_columns_and_row_groups_that_are_asked_for(
    locate: Callable[[str], tuple[str, dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    location, options = locate("s3")
    table = open_location(location, StoreSettings(**options))
    rows = 300_000
    table.write(pd.DataFrame({name: range(rows) for name in ("a", "b", "c", "d")}))
    fetched: list[int] = []
    read = vars(ArrowFile)["read"]

    def counting(file: Any, size: int = -1) -> Any:
        fetched.append(size)
        return read.__get__(file)(size)

    monkeypatch.setattr(ArrowFile, "read", counting)

    def sent(**query: Any) -> int:
        fetched.clear()
        table.read(**query)
        return sum(fetched)

    whole, column = sent(), sent(columns=["a"])
    piece = sent(columns=["a"], filters=[("a", "<", 10)])
    # A quarter of the columns, and of that the first of three row groups; and the footer.
    assert column < whole / 3
    assert piece < column / 2


@pytest.mark.parametrize("store", ["s3", "postgresql"])
def test_a_server_that_comes_back_is_asked_again_and_one_that_does_not_is_told(
    store: str,
    locate: Callable[[str], tuple[str, dict[str, Any]]],
    request: pytest.FixtureRequest,
    capfd: pytest.CaptureFixture[str],
) -> None:
    location, options = locate(store)
    server = request.getfixturevalue(store)
    patient = open_location(location, StoreSettings(retries=8, retry_seconds=0.2, **options))
    hasty = open_location(location, StoreSettings(retries=1, retry_seconds=0.01, **options))
    patient.write(companies())
    server.stop()
    try:
        for ask in (hasty.read, hasty.exists, lambda: hasty.write(companies())):
            capfd.readouterr()
            with pytest.raises(
                UserError, match=rf"{re.escape(location)}: .*, 2 times\. "
            ) as raised:
                ask()
            assert raised.value.exit_code == 1
            assert "trying again in 0.0 s (1 of 1)." in capfd.readouterr().err
        again = threading.Timer(0.5, server.start)
        again.start()
        assert len(patient.read()) == 6
        again.join()
        assert "trying again in" in capfd.readouterr().err
    finally:
        server.stop()
        server.start()


def test_a_server_that_dies_amid_the_rows_is_told_and_its_rows_are_not_doubled(
    postgresql: PostgreSQL, locate: Callable[[str], tuple[str, dict[str, Any]]]
) -> None:
    location, options = locate("postgresql")
    table = open_location(location, StoreSettings(**options))
    table.write(pd.DataFrame({"x": range(100_000)}))
    batches = table.batches(batch_rows=10)
    next(batches)
    postgresql.stop(signal.SIGQUIT)
    try:
        with pytest.raises(UserError, match=r"after some rows were read\. Run it again"):
            list(batches)
    finally:
        postgresql.start()


def test_two_writers_take_turns(locate: Callable[[str], tuple[str, dict[str, Any]]]) -> None:
    location, options = locate("postgresql")
    table = open_location(location, StoreSettings(**options))
    threads = [
        threading.Thread(target=table.write, args=(pd.DataFrame({"x": [number] * 100}),))
        for number in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    frame = table.read()
    assert len(frame) == 100
    assert frame["x"].nunique() == 1
    # No partial output is left next to it.
    missing = open_location(f"{location}_", StoreSettings(**options))
    with pytest.raises(InputError, match="Existing tables: ") as raised:
        missing.read()
    assert "_writing_" not in str(raised.value)


def everything_about(error: BaseException) -> str:
    """What any log of it could show: the chain too that `raise … from None` hides."""
    texts = []
    chained: BaseException | None = error
    while chained is not None:
        texts += traceback.format_exception(chained, chain=False)
        texts += [repr(chained), str(vars(chained))]
        chained = chained.__cause__ or chained.__context__
    return "\n".join(texts)


def test_no_secret_shows_in_a_log_an_error_or_a_repr(
    postgresql: PostgreSQL,
    s3: S3,
    locate: Callable[[str], tuple[str, dict[str, Any]]],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    wrong = "planted-wr0ng"
    shown = []

    def fail(location: str, **options: Any) -> None:
        settings = StoreSettings(retries=1, retry_seconds=0.0, timeout_seconds=2, **options)
        table = open_location(location, settings)
        for ask in (table.read, table.exists, lambda: table.write(companies())):
            with pytest.raises(UserError) as raised:
                ask()
            assert raised.value.__cause__ is None
            shown.append(everything_about(raised.value))
        shown.extend([repr(table), repr(settings), str(settings.describe()), repr(vars(table))])

    url, options = locate("postgresql")
    fail(url, **{**options, "database_password": SecretStr(wrong)})
    database = {"database_user": USER, "database_password": SecretStr(PASSWORD)}
    fail(f"postgresql+psycopg://127.0.0.1:{free_port()}/postgres#company", **database)
    fail(f"{postgresql.url}-nowhere#company", **database)
    location, options = locate("s3")
    fail(location, **{**options, "s3_endpoint_url": f"http://127.0.0.1:{free_port()}"})
    s3.ask("POST", "/moto-api/reset-auth", b"0")
    try:
        fail(location, **{**options, "s3_secret": SecretStr(wrong)})
    finally:
        s3.ask("POST", "/moto-api/reset-auth", b"inf")
    captured = capfd.readouterr()
    everything = "\n".join([*shown, caplog.text, captured.out, captured.err, postgresql.log()])
    for secret in (PASSWORD, S3_SECRET, wrong):
        assert secret not in everything
