"""A database server returns the same values as were exported, or the export was refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from hypothesis import given

from data_exports import export
from integration.servers import USER, PostgreSQL
from support.accepted_types import documented, outcome
from support.random_tables import check_refused, compare, export_back, faithful_settings, tables
from support.tasks import CallTask

PASSWORD = "correct horse"  # pragma: allowlist secret


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    with PostgreSQL(PASSWORD) as server:
        yield server


@pytest.fixture
def place(server: PostgreSQL, repository: object, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("DATASCIENCE_STORES_DATABASE_USER", USER)
    monkeypatch.setenv("DATASCIENCE_STORES_DATABASE_PASSWORD", PASSWORD)
    return f"{server.url}#rows"


def read_rows(server: PostgreSQL) -> dict[str, list[Any]]:
    """As the database's own driver has them."""
    url = sa.make_url(server.url).set(username=USER, password=PASSWORD)
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        found = connection.execute(sa.text("SELECT * FROM rows"))
        names = list(found.keys())
        return dict(zip(names, map(list, zip(*found.all(), strict=True)), strict=True))


@faithful_settings
@given(table=tables())
def test_what_comes_back_is_equal_or_was_refused(
    table: pa.Table, server: PostgreSQL, place: str, call: CallTask
) -> None:
    pq.write_table(table, "rows.parquet")
    result = call(export.main, "--src", "rows.parquet", "--dst", place)
    if result.code:
        check_refused(result, place)
        return
    compare(table, read_rows(server))
    compare(table, export_back(place, call))


@pytest.mark.parametrize(
    ("row", "cell"),
    [(row, cell) for (row, ending), cell in documented().items() if ending == "postgresql"],
)
def test_what_the_documentation_says_of_each_type_holds(
    row: str, cell: str, place: str, call: CallTask
) -> None:
    assert outcome(row, "postgresql", place, call) == cell


def test_a_column_that_each_table_of_postgresql_has_is_refused(place: str, call: CallTask) -> None:
    pq.write_table(pa.table({"xmin": [1]}), "rows.parquet")
    result = call(export.main, "--src", "rows.parquet", "--dst", place)
    assert (result.code, result.err.count("\n")) == (2, 1), result.err
    assert "reserves the column name 'xmin'" in result.err
