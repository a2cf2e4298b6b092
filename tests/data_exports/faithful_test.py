"""What comes back from an export is what went in, or the export was refused."""

from __future__ import annotations

import datetime as dt
import math
import shutil
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_exports import export
from support.tasks import CallTask

NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]) | st.sampled_from('a ,"\n\r;='),
    min_size=1,
    max_size=5,
)
TEXTS = st.text(
    st.characters(codec="utf-8", exclude_characters="\0") | st.sampled_from(',"\n\r'), max_size=8
)
DAYS = st.dates(dt.date(1, 1, 1), dt.date(9999, 12, 31))
MOMENTS = st.datetimes(dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31))
VALUES: dict[str, tuple[pa.DataType, Any]] = {
    "int64": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "uint64": (pa.uint64(), st.integers(0, 2**64 - 1)),
    "int8": (pa.int8(), st.integers(-128, 127)),
    "float64": (pa.float64(), st.floats()),
    "float32": (pa.float32(), st.floats(width=32)),
    "text": (pa.string(), TEXTS),
    "digits": (pa.string(), st.from_regex(r"\A[-+]?[0-9]{1,3}(\.[0-9]{1,2})?\Z")),
    "word": (pa.dictionary(pa.int32(), pa.string()), TEXTS),
    "flag": (pa.bool_(), st.booleans()),
    "day": (pa.date32(), DAYS),
    "moment": (pa.timestamp("us"), MOMENTS),
    "zoned": (pa.timestamp("us", "UTC"), MOMENTS.map(lambda moment: moment.replace(tzinfo=dt.UTC))),
    "decimal": (pa.decimal128(12, 2), st.decimals(-(10**9), 10**9, places=2)),
}


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    rows = draw(st.integers(1, 4))
    columns = []
    for _ in names:
        kind, values = VALUES[draw(st.sampled_from(sorted(VALUES)))]
        column = draw(st.lists(st.none() | values, min_size=rows, max_size=rows))
        columns.append(pa.array(column, kind))
    return pa.table(columns, names=names)


def plain(value: Any) -> Any:
    """As all formats can have it: a number by its value, a missing value as none."""
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat() if value.tzinfo else value.isoformat()
    if isinstance(value, dt.date):
        return value.isoformat()
    return value


def same(before: Any, after: Any, kind: pa.DataType) -> bool:
    """Equal, or the text of the value in a format that has no such type."""
    if before == after or plain(before) == plain(after):
        return True
    if before is None or after is None:
        return False
    if pa.types.is_float32(kind) and not isinstance(after, str):
        # Written with as many digits as tell it from other numbers of its own precision.
        return bool(np.float32(before) == np.float32(after))
    if isinstance(before, Decimal) and not isinstance(after, str):
        return float(before) == float(after)
    if isinstance(after, str) and not isinstance(before, str):
        return any(text == after for text in texts_of(before, kind))
    if isinstance(before, str) and not isinstance(after, str):
        return before in texts_of(after, kind) or before == str(plain(after))
    if isinstance(before, (dt.datetime, dt.date)):
        return str(plain(after)).startswith(str(plain(before)).removesuffix("T00:00:00"))
    return bool(before == after)


def texts_of(value: Any, kind: pa.DataType) -> set[str]:
    found = {str(value), str(plain(value)), repr(value)}
    if not isinstance(value, str) and not pa.types.is_dictionary(kind):
        for typed in {kind, pa.scalar(0.0).type} if isinstance(value, float) else {kind}:
            with suppress(pa.ArrowException):
                found.add(str(pa.scalar(value, typed).cast(pa.string()).as_py()))
    if isinstance(value, dt.datetime):
        naive = value.replace(tzinfo=None)
        for unit in ("seconds", "milliseconds", "microseconds"):
            for between in (" ", "T"):
                text = naive.isoformat(between, unit)
                found |= {text, f"{text}Z"}
    return found


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(table=tables(), ending=st.sampled_from(["parquet", "csv", "jsonl", "delta", "duckdb"]))
@pytest.mark.usefixtures("repository")
def test_what_comes_back_is_equal_or_was_refused(
    table: pa.Table, ending: str, call: CallTask
) -> None:
    pq.write_table(table, "rows.parquet")
    # The same rows in another order are no new version of a Delta table.
    shutil.rmtree("there.delta", ignore_errors=True)
    there = f"duckdb:///there.{ending}#rows" if ending == "duckdb" else f"there.{ending}"
    result = call(export.main, "--src", "rows.parquet", "--dst", there)
    assert "defect" not in result.err
    if result.code:
        assert result.code == 2, result.err
        assert result.err.startswith("The rows cannot be written as "), result.err
        return
    back = call(export.main, "--src", there, "--dst", "back.parquet")
    assert back.code == 0, back.err
    found = pq.read_table("back.parquet")
    assert found.column_names == table.column_names
    assert found.num_rows == table.num_rows
    for name, kind in zip(table.column_names, table.schema.types, strict=True):
        pairs = zip(table[name].to_pylist(), found[name].to_pylist(), strict=True)
        for before, after in pairs:
            assert same(before, after, kind), (name, kind, before, found[name].type, after)


@pytest.mark.parametrize("ending", ["jsonl", "delta"])
@pytest.mark.usefixtures("repository")
def test_a_column_without_a_name_or_told_apart_by_case_alone_is_refused(
    call: CallTask, ending: str
) -> None:
    Path("index.csv").write_text(",a\n0,1\n")
    Path("case.csv").write_text("a,A\n0,1\n")
    for source, said in (("index", "column 1 has no name"), ("case", "'a' and 'A' differ by case")):
        result = call(export.main, "--src", f"{source}.csv", "--dst", f"o.{ending}")
        assert result.code == 2
        assert said in result.err
        assert not Path(f"o.{ending}").exists()


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
