from __future__ import annotations

import csv
import datetime as dt
import hashlib
import itertools
import json
import os
import re
import subprocess
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import duckdb
import openpyxl
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from deltalake import DeltaTable

from data_access_layer.commit.manifest import Manifest, read_manifest
from data_access_layer.files import file_sha256
from data_access_layer.formats.excel_writer import SHEET_ROWS
from data_exports import export, verify
from support.tasks import CallTask

UTC = dt.UTC
AMSTERDAM = pa.timestamp("us", "Europe/Amsterdam")
ROWS = pa.table(
    {
        "whole": pa.array([2**60 + 1, None, -3], pa.int64()),
        "real": [0.1, None, 1e300],
        "small": pa.array([0.1, None, 3], pa.float32()),
        "text": ["=1+1", "", None],
        "flag": [True, None, False],
        "exact": [Decimal("1.20"), None, Decimal("-0.05")],
        "word": pa.array(["a", None, "a"]).dictionary_encode(),
        "day": [dt.date(2020, 1, 2), None, dt.date(1800, 1, 1)],
        "moment": [dt.datetime(2020, 1, 1, 12, 30, 0, 123000), None, dt.datetime(2020, 1, 1)],
        "zoned": pa.array(
            [
                dt.datetime(2020, 1, 1, 12, 30, tzinfo=UTC),
                None,
                dt.datetime(1890, 1, 1, tzinfo=UTC),
            ],
            AMSTERDAM,
        ),
    }
)
ENDINGS = ["parquet", "csv", "jsonl", "xlsx", "delta"]


@pytest.fixture
def source(repository: Path) -> Path:
    pq.write_table(ROWS, repository / "rows.parquet")
    return repository / "rows.parquet"


def test_each_format_holds_what_it_says(source: Path, call: CallTask) -> None:
    for ending in ENDINGS:
        destination = f"out.{ending}"
        result = call(export.main, "--src", "rows.parquet", "--dst", destination)
        assert (result.code, result.err.partition("A spreadsheet")[0]) == (0, ""), result
        assert "rows" in result.out
        assert call(verify.main, "--table", destination).code == 0


def test_parquet_is_the_same_table(source: Path, call: CallTask) -> None:
    call(export.main, "--src", "rows.parquet", "--dst", "out.parquet")
    assert pq.read_table("out.parquet").equals(ROWS)


def test_csv_tells_a_missing_text_from_an_empty_one_and_moments_are_utc(
    source: Path, call: CallTask
) -> None:
    result = call(export.main, "--src", "rows.parquet", "--dst", "out.csv")
    assert Path("out.csv").read_text().splitlines() == [
        '"whole","real","small","text","flag","exact","word","day","moment","zoned"',
        '1152921504606846977,0.1,0.1,"=1+1",true,1.20,"a",2020-01-02,'
        "2020-01-01 12:30:00.123000,2020-01-01 12:30:00.000000Z",
        ',,,"",,,,,,',
        '-3,1e+300,3,,false,-0.05,"a",1800-01-01,2020-01-01 00:00:00.000000,'
        "1890-01-01 00:00:00.000000Z",
    ]
    assert "would run text in these columns as formulas: 'text' (1)." in result.err
    read = pa_csv.read_csv(
        "out.csv",
        convert_options=pa_csv.ConvertOptions(
            strings_can_be_null=True, quoted_strings_can_be_null=False, null_values=[""]
        ),
    )
    assert read["text"].to_pylist() == ["=1+1", "", None]


def test_csv_escapes_formulas_and_has_other_encodings(source: Path, call: CallTask) -> None:
    argv = ["--src", "rows.parquet", "--dst", "out.csv", "--columns", "text"]
    result = call(export.main, *argv, "--csv-formulas", "escape", "--encoding", "utf-8-sig")
    assert result.err == ""
    assert Path("out.csv").read_bytes() == b'\xef\xbb\xbf"text"\n"\'=1+1"\n""\n\n'
    pq.write_table(pa.table({"a": ["ok", "Łódź"]}), "polish.parquet")
    argv = ["--src", "polish.parquet", "--dst", "out.csv", "--encoding"]
    result = call(export.main, *argv, "latin-1")
    assert (result.code, "contains 'Ł', which latin-1 cannot encode." in result.err) == (2, True)
    assert Path("out.csv").read_bytes().endswith(b'"\'=1+1"\n""\n\n')
    assert call(export.main, *argv, "cp1250").code == 0
    assert Path("out.csv").read_text(encoding="cp1250") == '"a"\n"ok"\n"Łódź"\n'
    result = call(export.main, *argv, "klingon")
    assert (result.code, "unknown encoding 'klingon'" in result.err) == (2, True)


STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize("start", STARTS)
def test_formulas_in_headers_and_with_full_width_signs_are_formulas(
    start: str, call: CallTask
) -> None:
    name, value = f"{start}name", f"{start}1+1"
    pq.write_table(pa.table({name: [value, "ok"], "b": [1, 2]}), "a.parquet")
    argv = ("--src", "a.parquet", "--dst", "out.csv")
    kept = call(export.main, *argv)
    assert f"would run text in these columns as formulas: {name!r} (2)." in kept.err
    escaped = call(export.main, *argv, "--csv-formulas", "escape")
    assert (escaped.code, escaped.err) == (0, "")
    with Path("out.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [[f"'{name}", "b"], [f"'{value}", "1"], ["ok", "2"]]
    manifest = json.loads(Path("out.csv.manifest.json").read_text())
    assert list(manifest["columns"]) == [f"'{name}", "b"]
    assert call(verify.main, "--table", "out.csv").code == 0


def test_json_lines_are_iso_8601_in_utc_with_all_digits(source: Path, call: CallTask) -> None:
    call(export.main, "--src", "rows.parquet", "--dst", "out.jsonl")
    lines = Path("out.jsonl").read_text().splitlines()
    assert lines[0] == (
        '{"whole":1152921504606846977,"real":0.1,"small":0.1,"text":"=1+1","flag":true,'
        '"exact":1.20,"word":"a","day":"2020-01-02","moment":"2020-01-01T12:30:00.123000",'
        '"zoned":"2020-01-01T12:30:00.000000Z"}'
    )
    assert [json.loads(line)["text"] for line in lines] == ["=1+1", "", None]
    assert json.loads(lines[2])["zoned"] == "1890-01-01T00:00:00.000000Z"
    # Exports can be exported.
    assert call(export.main, "--src", "out.jsonl", "--dst", "again.jsonl").code == 0
    assert (
        call(export.main, "--src", "out.jsonl", "--dst", "b.csv", "--columns", "word,whole").code
        == 0
    )
    assert Path("b.csv").read_text() == '"word","whole"\n"a",1152921504606846977\n,\n"a",-3\n'


def test_nested_values_are_nested_json_without_nan(repository: Path, call: CallTask) -> None:
    nan = float("nan")
    nested = pa.table({"a": [[1.5, None, nan], None], "b": [{"x": nan, "y": ["z"]}, None]})
    pq.write_table(nested, "nested.parquet")
    call(export.main, "--src", "nested.parquet", "--dst", "out.jsonl")
    assert Path("out.jsonl").read_text() == (
        '{"a":[1.5,null,null],"b":{"x":null,"y":["z"]}}\n{"a":null,"b":null}\n'
    )
    infinite = float("inf")
    for value in (infinite, [infinite], {"x": [1.0, infinite]}):
        pq.write_table(pa.table({"a": [value]}), "infinite.parquet")
        result = call(export.main, "--src", "infinite.parquet", "--dst", "out.jsonl")
        assert (result.code, "column 'a' has infinite numbers" in result.err) == (2, True)


def test_excel_has_as_text_what_a_cell_cannot_hold(source: Path, call: CallTask) -> None:
    call(export.main, "--src", "rows.parquet", "--dst", "out.xlsx")
    sheet = openpyxl.load_workbook("out.xlsx").active
    assert sheet is not None
    header, first, _, third = sheet.iter_rows(values_only=True)
    assert list(header) == ROWS.column_names
    moment = dt.datetime(2020, 1, 1, 12, 30, 0, 123000)
    assert list(first) == [
        "1152921504606846977", 0.1, 0.1, "=1+1", True, 1.2, "a",
        dt.datetime(2020, 1, 2), moment, dt.datetime(2020, 1, 1, 12, 30),
    ]  # fmt: skip
    assert sheet["D2"].data_type == "s"
    assert list(third) == [
        -3, 1e300, 3, None, False, -0.05, "a",
        "1800-01-01", dt.datetime(2020, 1, 1), "1890-01-01T00:00:00.000000Z",
    ]  # fmt: skip


def test_a_sheet_that_is_too_small_is_told_before_the_work(
    repository: Path, call: CallTask
) -> None:
    pq.write_table(pa.table({"a": pa.nulls(SHEET_ROWS, pa.int8())}), "many.parquet")
    result = call(export.main, "--src", "many.parquet", "--dst", "out.xlsx")
    assert result.code == 2
    assert (
        "a sheet has at most 1,048,575 rows below its header, but there are 1,048,576" in result.err
    )
    pq.write_table(pa.table({"a": ["x" * 40_000]}), "long.parquet")
    result = call(export.main, "--src", "long.parquet", "--dst", "out.xlsx")
    assert (result.code, "column 'a' has a string of 40,000 characters" in result.err) == (2, True)
    assert list(repository.glob("*out*")) == list(repository.glob(".*out*")) == []


def test_delta_is_read_back_and_the_same_rows_are_no_new_version(
    source: Path, call: CallTask
) -> None:
    for _ in range(2):
        assert call(export.main, "--src", "rows.parquet", "--dst", "out.delta").code == 0
    table = DeltaTable("out.delta")
    assert table.version() == 0
    assert table.to_pyarrow_table()["whole"].to_pylist() == ROWS["whole"].to_pylist()
    files = [str(file) for file in Path("out.delta").glob("*.parquet")]
    rows = duckdb.execute("SELECT text, exact FROM read_parquet(?)", [files]).fetchall()
    assert rows == [("=1+1", Decimal("1.20")), ("", None), (None, Decimal("-0.05"))]
    argv = ["--src", "rows.parquet", "--dst", "out.delta", "--columns", "text"]
    assert call(export.main, *argv).code == 0
    assert DeltaTable("out.delta").version() == 1
    assert DeltaTable("out.delta").to_pyarrow_table().column_names == ["text"]
    # Who changes the table otherwise is found out.
    DeltaTable("out.delta").delete("text = ''")
    assert call(verify.main, "--table", "out.delta").code == 1


def test_sqlite_has_the_table_with_its_manifest(source: Path, call: CallTask) -> None:
    location = "sqlite:///out.db#rows"
    for _ in range(2):
        assert call(export.main, "--src", "rows.parquet", "--dst", location).code == 0
    assert call(verify.main, "--table", location).code == 0
    engine = sa.create_engine("sqlite:///out.db", poolclass=sa.NullPool)
    with engine.begin() as connection:
        rows = connection.execute(sa.text("SELECT whole, real, text, exact, zoned FROM rows"))
        assert [tuple(row) for row in rows] == [
            (2**60 + 1, 0.1, "=1+1", "1.20", "2020-01-01 12:30:00.000000"),
            (None, None, "", None, None),
            (-3, 1e300, None, "-0.05", "1890-01-01 00:00:00.000000"),
        ]
        assert sa.inspect(connection).get_table_names() == ["data_exports_manifests", "rows"]
        connection.execute(sa.text("DELETE FROM rows WHERE whole IS NULL"))
    result = call(verify.main, "--table", location)
    assert (result.code, "has 2 rows, but its manifest states 3" in result.err) == (1, True)


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl", "xlsx"])
def test_exporting_twice_gives_the_same_bytes(source: Path, call: CallTask, ending: str) -> None:
    outputs = []
    for name in ("a", "b"):
        folder = Path(name)
        folder.mkdir()
        call(export.main, "--src", "rows.parquet", "--dst", f"{name}/out.{ending}")
        outputs.append({file.name: file.read_bytes() for file in folder.iterdir()})
    assert outputs[0] == outputs[1]
    assert set(outputs[0]) == {f"out.{ending}", f"out.{ending}.manifest.json"}


def test_how_rows_are_cut_into_files_does_not_matter(repository: Path, call: CallTask) -> None:
    for name, cuts in {"one": [0, 10], "three": [0, 3, 4, 10]}.items():
        Path(name).mkdir()
        for start, stop in itertools.pairwise(cuts):
            pq.write_table(
                pa.table({"a": list(range(start, stop))}), f"{name}/part-{start:02}.parquet"
            )
        argv = ["--src", name, "--dst", f"{name}.parquet", "--batch-rows", "4"]
        assert call(export.main, *argv).code == 0
    assert Path("one.parquet").read_bytes() == Path("three.parquet").read_bytes()
    assert pq.read_metadata("one.parquet").num_row_groups == 3


def test_the_manifest_says_where_the_rows_come_from(source: Path, call: CallTask) -> None:
    made = Manifest(
        rows=3,
        columns={},
        sha256=file_sha256(source),
        source="flowers.csv",
        model="iris",
        model_version="7",
        git_commit="abc",
    )
    made.write(Path("rows.parquet.manifest.json"))
    call(export.main, "--src", "rows.parquet", "--dst", "out.csv", "--columns", "text,whole")
    assert read_manifest(Path("out.csv")) == Manifest(
        rows=3,
        columns={"text": "string", "whole": "int64"},
        sha256=file_sha256(Path("out.csv")),
        source="rows.parquet",
        model="iris",
        model_version="7",
        git_commit="abc",
        format="csv",
        created_by="data_exports.export",
    )
    source.write_bytes(source.read_bytes() + b"changed")
    result = call(verify.main, "--table", "rows.parquet")
    assert (result.code, "was changed after it was written" in result.err) == (1, True)


def test_an_empty_table_keeps_its_columns(repository: Path, call: CallTask) -> None:
    pq.write_table(ROWS.slice(0, 0), "empty.parquet")
    for ending in ENDINGS:
        assert call(export.main, "--src", "empty.parquet", "--dst", f"out.{ending}").code == 0
    assert pq.read_schema("out.parquet").names == ROWS.column_names
    assert Path("out.csv").read_text().count("\n") == 1
    assert Path("out.jsonl").read_text() == ""
    assert DeltaTable("out.delta").to_pyarrow_table().num_rows == 0


@pytest.mark.parametrize("destination", ["out.csv", "out.xlsx", "sqlite:///out.db#rows"])
def test_a_column_that_the_format_cannot_hold_is_named(
    repository: Path, call: CallTask, destination: str
) -> None:
    pq.write_table(pa.table({"ok": [1], "tags": [[1]]}), "nested.parquet")
    result = call(export.main, "--src", "nested.parquet", "--dst", destination)
    assert result.code == 2
    assert re.fullmatch(
        r"The rows cannot be written as \w+: it cannot hold the column 'tags' "
        r"\(list<element: int64>\)\. Leave it out, or choose a format that can: "
        r"parquet, delta, jsonl, duckdb\.\n",
        result.err,
    )
    assert not Path("out.csv").exists()


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "--src is missing."),
        (["--src", "rows.parquet"], "--dst is missing."),
        (["--src", "no.parquet", "--dst", "o.csv"], "no.parquet: cannot be read: No such file"),
        (["--src", "rows.parquet", "--dst", "out"], "cannot tell the format from the ending ''"),
        (["--src", "rows.parquet", "--dst", "folder.csv"], "folder.csv: is a folder."),
        (
            ["--src", "rows.parquet", "--dst", "folder.delta"],
            "the folder contains other files, not a Delta",
        ),
        (["--src", "rows.parquet", "--dst", "rows.parquet/o.csv"], "o.csv: cannot be written:"),
        (["--src", "rows.parquet", "--dst", "o.delta", "--columns", "txt"], "did you mean 'text'?"),
        (["--src", "rows.parquet", "--dst", "o.csv", "--columns", "text,text"], "is listed twice"),
        (
            ["--src", "rows.parquet", "--dst", "o.xlsx", "--encoding", "cp1252"],
            "applies only to CSV",
        ),
        (["--src", "rows.parquet", "--dst", "mysql://host/db#t"], "mysql"),
        (["--src", "rows.parquet", "--dst", "postgresql://u:secret@host/db#t"], "credentials"),
        (["--src", "rows.parquet", "--dst", "sqlite:///o.db"], "does not name a table"),
    ],
)
def test_what_is_wrong_is_one_message(
    source: Path, call: CallTask, argv: list[str], message: str
) -> None:
    for folder in ("folder.csv", "folder.delta"):
        Path(folder).mkdir()
        Path(folder, "foreign.txt").touch()
    before = sorted(source.parent.rglob("*"))
    result = call(export.main, *argv)
    assert (result.code, message in result.err, result.out) == (2, True, ""), result
    assert "Traceback" not in result.err
    assert "secret" not in result.err
    assert sorted(source.parent.rglob("*")) == before


def test_a_database_that_is_not_there_is_one_message(source: Path, call: CallTask) -> None:
    location = "postgresql+psycopg://127.0.0.1:1/db#rows"
    result = call(export.main, "--src", "rows.parquet", "--dst", location)
    assert result.code == 1
    assert result.err.startswith(f"{location}: connection failed")


def test_a_stored_table_is_exported_by_its_name_or_its_location(
    source: Path, call: CallTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    with duckdb.connect("all.duckdb") as store:
        store.execute("CREATE TABLE company AS SELECT 'NL' AS country, 1.5 AS revenue")
    location = "duckdb:///all.duckdb#company"
    monkeypatch.setenv("DATASCIENCE_STORES_TABLES", json.dumps({"company": location}))
    for name in (location, "company"):
        argv = ["--src", name, "--dst", "out.csv", "--columns", "revenue,country"]
        assert call(export.main, *argv).code == 0
        assert Path("out.csv").read_text() == '"revenue","country"\n1.5,"NL"\n'
    manifest = read_manifest(Path("out.csv"))
    assert manifest is not None
    assert manifest.source == location
    result = call(export.main, "--src", "nothing", "--dst", "out.csv")
    assert (result.code, "nothing.parquet" in result.err) == (2, True), result


@pytest.fixture
def small_disk(repository: Path) -> Iterator[Path]:
    disk = repository / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(disk)]
    if os.getuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("may not mount a file system")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("ending", [*ENDINGS, "db"])
def test_a_full_disk_is_one_message_and_leaves_the_earlier_table(
    small_disk: Path, call: CallTask, ending: str
) -> None:
    place = f"disk/out.{ending}"
    destination = f"sqlite:///{place}#rows" if ending == "db" else place
    pq.write_table(pa.table({"a": ["earlier"]}), "small.parquet")
    random_texts = [hashlib.sha256(bytes([number % 256, number // 256])).hexdigest()
                    for number in range(20_000)]  # fmt: skip
    pq.write_table(pa.table({"a": random_texts}), "large.parquet")
    assert call(export.main, "--src", "small.parquet", "--dst", destination).code == 0
    before = sorted(path.name for path in small_disk.rglob("*"))
    result = call(export.main, "--src", "large.parquet", "--dst", destination)
    assert result.code == 1, result
    assert "No space left on device" in result.err or "disk is full" in result.err
    assert result.err.count("\n") == 1
    assert sorted(path.name for path in small_disk.rglob("*")) == before
    assert call(verify.main, "--table", destination).code == 0
