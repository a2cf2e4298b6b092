"""An export returns the same values when it is read again, or it is refused."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given

from data_exports import export
from support.accepted_types import SAMPLES, documented, outcome
from support.random_tables import (
    check_refused,
    compare,
    export_back,
    faithful_settings,
    read_sheet,
    tables,
)
from support.tasks import CallTask

ENDINGS = ["parquet", "csv", "jsonl", "xlsx", "delta", "duckdb", "sqlite"]


def place_of(ending: str) -> str:
    return (
        f"{ending}:///there.{ending}#rows" if ending in ("duckdb", "sqlite") else f"there.{ending}"
    )


@faithful_settings
@given(table=tables())
@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.usefixtures("repository")
def test_what_comes_back_is_equal_or_was_refused(
    table: pa.Table, ending: str, call: CallTask
) -> None:
    pq.write_table(table, "rows.parquet")
    remove("there")
    result = call(export.main, "--src", "rows.parquet", "--dst", place_of(ending))
    if result.code:
        check_refused(result, place_of(ending))
        assert not Path(f"there.{ending}.manifest.json").exists()
        return
    for reader in READERS.get(ending, [export_back]):
        compare(table, reader(place_of(ending), call), zones=ending not in ZONELESS)


def remove(name: str) -> None:
    """Remove the output of an earlier example."""
    for path in Path.cwd().glob(f"{name}.*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def read_sqlite(place: str, call: CallTask) -> dict[str, list[Any]]:
    with closing(sqlite3.connect("there.sqlite")) as database:
        found = database.execute("SELECT * FROM rows")
        names = [column[0] for column in found.description]
        return dict(zip(names, map(list, zip(*found.fetchall(), strict=True)), strict=True))


def read_duckdb(place: str, call: CallTask) -> pa.Table:
    with duckdb.connect("there.duckdb", read_only=True) as database:
        database.execute("SET TimeZone = 'UTC'")
        return database.sql("SELECT * FROM rows").to_arrow_table()


# These have no time zones.
ZONELESS = ("xlsx", "sqlite")
# Excel is not read here, and our own readers of databases have fewer types than these.
READERS: dict[str, list[Any]] = {
    "xlsx": [lambda place, call: read_sheet(place)],
    "duckdb": [read_duckdb, export_back],
    "sqlite": [read_sqlite, export_back],
}


@pytest.mark.parametrize(
    ("row", "ending", "cell"),
    [(*at, cell) for at, cell in documented().items() if at[1] in ENDINGS],
)
@pytest.mark.usefixtures("repository")
def test_what_the_documentation_says_of_each_type_and_format_holds(
    row: str, ending: str, cell: str, call: CallTask
) -> None:
    assert outcome(row, ending, place_of(ending), call) == cell


def test_the_documentation_has_each_type_and_format() -> None:
    rows, endings = zip(*documented(), strict=True)
    assert set(rows) == set(SAMPLES)
    assert set(endings) == {*ENDINGS, "postgresql"}


@pytest.mark.parametrize("ending", ["jsonl", "delta"])
@pytest.mark.usefixtures("repository")
def test_a_column_without_a_name_or_told_apart_by_case_alone_is_refused(
    call: CallTask, ending: str
) -> None:
    Path("index.csv").write_text(",a\n0,1\n")
    Path("case.csv").write_text("a,A\n0,1\n")
    for source, message in (
        ("index", "column 1 has no name"),
        ("case", "'a' and 'A' differ only in case"),
    ):
        result = call(export.main, "--src", f"{source}.csv", "--dst", f"o.{ending}")
        assert result.code == 2
        assert message in result.err
        assert not Path(f"o.{ending}").exists()


@pytest.mark.usefixtures("repository")
def test_a_type_with_a_line_break_is_refused_in_one_line(call: CallTask) -> None:
    pq.write_table(pa.table({"a": [{"x\ny": 1}]}), "rows.parquet")
    result = call(export.main, "--src", "rows.parquet", "--dst", "o.csv")
    check_refused(result, "o.csv")
    assert r"'a' (struct<x\ny: int64>)" in result.err


@pytest.mark.usefixtures("repository")
def test_an_export_to_itself_is_refused(call: CallTask) -> None:
    Path("rows.csv").write_text("a\n1\n")
    result = call(export.main, "--src", "rows.csv", "--dst", "rows.csv", "--columns", "a")
    assert result.code == 2
    assert "would replace the input rows.csv" in result.err
    assert Path("rows.csv").read_text() == "a\n1\n"


@pytest.mark.usefixtures("repository")
def test_a_delta_table_is_read_as_its_newest_version(call: CallTask) -> None:
    for text in ("a\n1\n", "a\n2\n3\n"):
        Path("rows.csv").write_text(text)
        assert call(export.main, "--src", "rows.csv", "--dst", "rows.delta").code == 0
    assert call(export.main, "--src", "rows.delta", "--dst", "back.csv").code == 0
    assert Path("back.csv").read_text() == '"a"\n2\n3\n'
    refused = call(export.main, "--src", "rows.delta", "--dst", "back.csv", "--columns", "b")
    assert refused.code == 2
    assert "there is no column 'b'" in refused.err


@pytest.mark.usefixtures("repository")
def test_files_of_a_folder_get_the_type_that_holds_all_values(call: CallTask) -> None:
    Path("in").mkdir()
    pq.write_table(pa.table({"n": [1, 2], "t": ["a", "b"]}), "in/a.parquet")
    pq.write_table(pa.table({"t": ["c"], "n": [1.75]}), "in/b.parquet")
    assert call(export.main, "--src", "in", "--dst", "o.parquet").code == 0
    assert pq.read_table("o.parquet").to_pydict() == {"n": [1.0, 2.0, 1.75], "t": ["a", "b", "c"]}
    pq.write_table(pa.table({"n": [2**53 + 1], "t": ["d"]}), "in/c.parquet")
    refused = call(export.main, "--src", "in", "--dst", "o.parquet")
    assert refused.code == 2
    assert refused.err.startswith(
        "in/c.parquet: column 'n': expected float64, got e.g. '9007199254740993'"
    )
    Path("in/c.parquet").unlink()
    Path("in/d.csv").write_text("5.1,x\n1,y\n")
    refused = call(export.main, "--src", "in", "--dst", "o.parquet")
    assert refused.code == 2
    assert "Does a CSV file have no header?" in refused.err
