from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pandas.testing import assert_frame_equal

from cli.errors import InputError
from data_access_layer.formats import csv as csv_format
from data_access_layer.reader import FrameTable, Table, even_batches
from data_access_layer.tables.files import TableFile, TableFiles, open_files

DTYPES = {"size": "float64", "count": "int64", "label": "str"}


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    return tmp_path / "rows.csv"


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    return tmp_path / "rows.parquet"


def rows(path: Path, dtypes: Mapping[str, str] = DTYPES, *, batch_rows: int = 1000) -> pd.DataFrame:
    batches = TableFile(path, dtypes, "t").batches(batch_rows)
    return pd.concat([batch.frame for batch in batches], ignore_index=True)


def parquet_rows(path: Path, table: pa.Table, dtypes: Mapping[str, str] = DTYPES) -> pd.DataFrame:
    pq.write_table(table, path)
    return rows(path, dtypes)


def error(path: Path, dtypes: Mapping[str, str] = DTYPES) -> str:
    with pytest.raises(InputError) as raised:
        list(TableFile(path, dtypes, "t").batches())
    return str(raised.value)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_batches_hold_the_rows_in_order_and_count_them_from_1(
    tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Several blocks of CSV and several row groups of Parquet, none a multiple of the batch.
    monkeypatch.setattr(csv_format, "BLOCK_BYTES", 1000)
    expected = pd.DataFrame({"count": np.arange(1, 1001)})
    path = tmp_path / f"t.{ending}"
    if ending == "csv":
        expected.to_csv(path, index=False)
    else:
        expected.to_parquet(path, row_group_size=300)
    batches = list(TableFile(path, DTYPES, "t").batches(70))
    assert all(0 < len(batch.frame) <= 70 for batch in batches)
    assert [batch.first_row for batch in batches] == [b.frame["count"].iloc[0] for b in batches]
    assert {batch.source for batch in batches} == {"t"}
    assert all(batch.frame.index.equals(pd.RangeIndex(len(batch.frame))) for batch in batches)
    assert_frame_equal(pd.concat([b.frame for b in batches], ignore_index=True), expected)


def as_arrow(values: list[Any], kind: pa.DataType | None = None) -> pd.Series[Any]:
    array = pa.array(values, kind)
    return pd.Series(array, dtype=pd.ArrowDtype(array.type))


def test_a_frame_is_a_table_too() -> None:
    frame = pd.DataFrame({"a": [1, 2, 3]}, index=[5, 6, 9])
    table: Table = FrameTable(frame, "f")
    assert table.row_count() == 3
    first, second = table.batches(2)
    assert (first.source, first.first_row, second.first_row) == ("f", 1, 3)
    assert_frame_equal(first.frame, pd.DataFrame({"a": [1, 2]}))
    assert_frame_equal(second.frame, pd.DataFrame({"a": [3]}))


def test_the_number_of_rows_is_known_before_only_where_the_format_says_it(
    csv: Path, parquet: Path, tmp_path: Path
) -> None:
    csv.write_text("a\n1\n")
    pq.write_table(pa.table({"a": [1, 2]}), parquet)
    (tmp_path / "empty.parquet").touch()
    known = [
        TableFile(path, {}, "t").row_count() for path in (csv, parquet, tmp_path / "empty.parquet")
    ]
    assert known == [None, 2, None]


def test_csv_columns_of_the_contract_are_parsed_as_it_says_and_others_as_they_look(
    csv: Path,
) -> None:
    csv.write_bytes(b"\xef\xbb\xbfsize,count,label,other\r\n1,2,007,3\r\n,4,NA,\r\n")
    expected = pd.DataFrame(
        {
            "size": [1.0, None],
            "count": [2, 4],
            "label": ["007", "NA"],
            # As Arrow has it: a missing value leaves whole numbers whole.
            "other": as_arrow([3, None]),
        }
    )
    assert_frame_equal(rows(csv), expected)


@pytest.mark.parametrize(
    ("dtype", "text", "expected"),
    [
        ("bool", "true\nFALSE\n", pd.Series([True, False])),
        ("int8", "1\n2\n", pd.Series([1, 2], dtype="int8")),
        ("Int64", "1152921504606846977\nNA\n", pd.Series([2**60 + 1, None], dtype="Int64")),
        ("datetime64[ns]", "2020-01-01\n", pd.Series(np.array(["2020-01-01"], "datetime64[ns]"))),
        (
            "datetime64[ns, UTC]",
            "2020-01-01T02:00+02:00\n",
            pd.Series(np.array(["2020-01-01"], "datetime64[ns]")).dt.tz_localize("UTC"),
        ),
        ("category", "01\n", pd.Series(["01"], dtype="str")),
        ("object", "01\n", pd.Series(["01"], dtype="str")),
    ],
)
def test_each_dtype_of_a_contract_is_parsed_from_csv(
    csv: Path, dtype: str, text: str, expected: pd.Series[Any]
) -> None:
    csv.write_text("value\n" + text)
    assert_frame_equal(rows(csv, {"value": dtype}), expected.to_frame("value"))


def test_an_empty_cell_is_a_missing_value_also_of_text(csv: Path) -> None:
    csv.write_text('label,other\nx,y\n,\n"",z\n')
    expected = pd.DataFrame({"label": ["x", None, None], "other": as_arrow(["y", None, "z"])})
    assert_frame_equal(rows(csv), expected)


def test_a_long_text_in_the_first_row_is_read(csv: Path) -> None:
    text = "x" * 200_000
    csv.write_text(f"a;b\n{text}\n")
    assert rows(csv)["a;b"].tolist() == [text]


def test_a_quoted_empty_cell_of_a_column_without_contract_is_an_empty_text(csv: Path) -> None:
    csv.write_text('label,other\n"",""\nx,\n')
    expected = pd.DataFrame({"label": [None, "x"], "other": as_arrow(["", None])})
    assert_frame_equal(rows(csv), expected)


@pytest.mark.parametrize(
    ("given", "dtype"),
    [
        (pa.array([1.5, 2], pa.float32()), "float64"),
        (pa.array([1, None], pa.int32()), "float64"),
        (pa.array([2**53]), "float64"),
        (pa.nulls(2), "float64"),
        (pa.array([1, -2], pa.int8()), "int64"),
        (pa.array([1, 255], pa.uint8()), "int64"),
        (pa.array([1, 255], pa.uint8()), "uint16"),
        (pa.array([1, None], pa.int16()), "Int64"),
        # Floating-point where pandas read whole numbers of which some were missing.
        (pa.array([1.0, None, float("nan")]), "Int64"),
        (pa.array([1.0, 2.0]), "int64"),
        (pa.array([0.5, 2.0]), "float32"),
        (pa.array([1, 2]), "int32"),
        (pa.array([1, 2], pa.uint64()), "int64"),
        (pa.array([1, 2]), "uint64"),
        (pa.array([Decimal("1.10"), None], pa.decimal128(10, 2)), "float64"),
        # Arrow itself makes 0.47000000000000003 of it.
        (pa.array([Decimal("0.47")], pa.decimal128(12, 2)), "float64"),
        (pa.array([Decimal("3")], pa.decimal128(38, 0)), "int64"),
        (pa.nulls(2), "Int64"),
    ],
)
def test_numbers_of_parquet_get_the_type_of_the_contract_where_no_value_changes(
    parquet: Path, given: pa.Array, dtype: str
) -> None:
    values = [None if value is None or value != value else value for value in given.to_pylist()]
    expected = pd.DataFrame({"n": pd.Series(values, dtype=dtype)})
    found = parquet_rows(parquet, pa.table({"n": given}), {"n": dtype})
    assert_frame_equal(found, expected, check_exact=True)


@pytest.mark.parametrize(
    ("given", "dtype"),
    [
        (pa.array([0.1, 2.0]), "float32"),
        (pa.array([1, 2]), "bool"),
        (pa.array([True, False]), "int64"),
        (pa.array(["1", "2"]), "float64"),
        (pa.array([1, 2]), "str"),
        # The time zone of these timestamps is unknown.
        (pa.array([0], pa.timestamp("us")), "datetime64[us, UTC]"),
    ],
)
def test_nothing_of_parquet_is_rounded_or_turned_into_another_kind(
    parquet: Path, given: pa.Array, dtype: str
) -> None:
    table = pa.table({"n": given})
    assert_frame_equal(parquet_rows(parquet, table, {"n": dtype}), table.to_pandas())


@pytest.mark.parametrize(
    ("given", "dtype", "message"),
    [
        (pa.array([1, 2**53 + 1]), "float64", "got e.g. '9007199254740993' in 1 row: 2."),
        (pa.array([1.0, 2.5, -0.5]), "Int64", "got e.g. '2.5' in 2 rows: 2, 3."),
        (pa.array([1e300]), "Int64", "got e.g. '1e+300' in 1 row: 1."),
        (pa.array([2.0**63, -(2.0**63)]), "Int64", f"got e.g. '{2.0**63}' in 1 row: 1."),
        (pa.array([-1, 300]), "uint8", "got e.g. '-1' in 2 rows: 1, 2."),
        (pa.array([Decimal("1.5")], pa.decimal128(9, 1)), "Int64", "got e.g. '1.5' in 1 row: 1."),
        (
            pa.array([1], pa.timestamp("ns", "UTC")),
            "datetime64[us, UTC]",
            "got e.g. '1970-01-01 00:00:00.000000001+00:00' in 1 row: 1.",
        ),
    ],
)
def test_a_value_that_would_change_is_reported(
    parquet: Path, given: pa.Array, dtype: str, message: str
) -> None:
    pq.write_table(pa.table({"n": given}), parquet)
    expected = dtype.replace("Int", "int")
    assert error(parquet, {"n": dtype}) == f"t: column 'n': expected {expected}, {message}"


@pytest.mark.parametrize(
    ("given", "dtype"),
    [
        (pa.array([1, None], pa.timestamp("ns", "Europe/Berlin")), "datetime64[s, UTC]"),
        (pa.array([0, None], pa.timestamp("ms")), "datetime64[us]"),
        (pa.array([0], pa.date32()), "datetime64[s]"),
    ],
)
def test_timestamps_of_parquet_get_the_unit_and_zone_of_the_contract(
    parquet: Path, given: pa.Array, dtype: str
) -> None:
    if pa.types.is_timestamp(given.type) and given.type.unit == "ns":
        given = pa.array([10**9, None], given.type)
    frame = parquet_rows(parquet, pa.table({"n": given}), {"n": dtype})
    assert str(frame["n"].dtype) == dtype
    epoch = pd.Timestamp(0, tz=frame["n"].dt.tz)
    seconds = (frame["n"].dropna() - epoch) / pd.Timedelta(seconds=1)
    assert list(seconds) == [1.0 if given.null_count and given.type.tz else 0.0]


@pytest.mark.parametrize("kind", [pa.dictionary(pa.int8(), pa.string()), pa.large_string()])
def test_texts_of_parquet_are_texts_however_they_are_stored(
    parquet: Path, kind: pa.DataType
) -> None:
    given = pa.array(["x", None, "x"]).cast(kind)
    expected = pd.DataFrame({"label": pd.Series(["x", None, "x"], dtype="str")})
    assert_frame_equal(parquet_rows(parquet, pa.table({"label": given})), expected)


def test_the_far_dates_of_spark_come_out_as_they_are(parquet: Path) -> None:
    far = pa.array([datetime(9999, 12, 31, 2), datetime(1, 1, 1), None], pa.timestamp("us"))
    pq.write_table(pa.table({"until": far}), parquet, use_deprecated_int96_timestamps=True)
    (batch,) = TableFile(parquet, {}, "t").record_batches()
    assert batch.column("until").equals(far)


def test_nanoseconds_of_int96_are_not_cut(parquet: Path) -> None:
    exact = pa.array([1_000, 1_001], pa.timestamp("ns"))
    pq.write_table(pa.table({"at": exact}), parquet, use_deprecated_int96_timestamps=True)
    assert error(parquet) == (
        "t: column 'at': the timestamp in row 2 has nanoseconds, but its type INT96 is read in "
        "microseconds. Write the file with TIMESTAMP(NANOS)."
    )


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_a_text_of_parquet_that_is_not_in_utf8_names_the_row(
    parquet: Path, kind: pa.DataType
) -> None:
    offsets = pa.array([0, 1, 2], pa.int64() if kind == pa.large_string() else pa.int32())
    texts = pa.Array.from_buffers(kind, 2, [None, offsets.buffers()[1], pa.py_buffer(b"a\xff")])
    pq.write_table(pa.table({"name": texts}), parquet)
    assert error(parquet) == (
        "t: column 'name': the text in row 2 is not in UTF-8. Write the column as binary, or in "
        "UTF-8."
    )


@pytest.mark.parametrize(
    ("kind", "value"),
    [(pa.decimal128(5, 2), (10**6).to_bytes(16, "little")), (pa.time32("ms"), b"\xff" * 4)],
)
def test_a_value_of_parquet_that_its_type_cannot_have_is_refused(
    parquet: Path, kind: pa.DataType, value: bytes
) -> None:
    odd = pa.Array.from_buffers(kind, 1, [None, pa.py_buffer(value)])
    pq.write_table(pa.table({"odd": odd}), parquet)
    assert error(parquet).startswith(f"t: column 'odd': a value is not valid for its type {kind} (")


def test_a_uuid_inside_a_struct_is_read(parquet: Path) -> None:
    uuids = pa.ExtensionArray.from_storage(
        pa.uuid(), pa.array([b"0123456789abcdef"], pa.binary(16))
    )
    table = pa.table({"of": pa.StructArray.from_arrays([uuids], ["id"])})
    pq.write_table(table, parquet)
    (batch,) = TableFile(parquet, {}, "t").record_batches()
    assert batch.schema.types == table.schema.types
    assert batch.to_pydict() == table.to_pydict()


def with_group(parquet: Path) -> None:
    """Add a group without columns to the schema of a file with one column, as bytes of its footer.

    The length of the footer is before the last four bytes.
    """
    content = parquet.read_bytes()
    start = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    # Two elements, the root and its one child, become three: `g` is optional and has no children.
    root = b"\x35\x00\x18\x06schema\x15"
    old, new = b"\x19\x2c" + root + b"\x02\x00", b"\x19\x3c" + root + b"\x04\x00"
    assert content.count(old, start) == 1
    footer = content[start:-8].replace(old, new + b"\x35\x02\x18\x01g\x15\x00\x00")
    parquet.write_bytes(content[:start] + footer + len(footer).to_bytes(4, "little") + b"PAR1")


def test_a_group_without_columns_is_refused_where_it_is_asked_for(parquet: Path) -> None:
    pq.write_table(pa.table({"x": pa.array([1, 2])}), parquet, store_schema=False)
    with_group(parquet)
    assert error(parquet).startswith("t: column 'g' is a group without columns, which Arrow cannot")
    (batch,) = TableFile(parquet, {}, "t").record_batches(columns=["x"])
    assert batch.to_pydict() == {"x": [1, 2]}


def test_the_name_of_a_column_that_is_not_in_utf8_is_refused(parquet: Path) -> None:
    pq.write_table(pa.table({"a": [1], "naïf": [1]}), parquet, store_schema=False)
    parquet.write_bytes(parquet.read_bytes().replace("ï".encode(), b"\xff\xff"))
    assert error(parquet) == (
        r"t: the name of a column is not in UTF-8 (b'na\xff\xfff'). Rename the column."
    )


def test_an_encrypted_parquet_file_is_refused_as_such(parquet: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), parquet)
    parquet.write_bytes(parquet.read_bytes()[:-4] + b"PARE")
    assert error(parquet).startswith("t: this Parquet file is encrypted (")


def test_a_page_whose_checksum_is_wrong_is_refused(parquet: Path) -> None:
    table = pa.table({"size": pa.array([1.5] * 100)})
    pq.write_table(table, parquet, write_page_checksum=True, compression="none",
                   use_dictionary=False, write_statistics=False)  # fmt: skip
    content = bytearray(parquet.read_bytes())
    place = content.index(np.float64(1.5).tobytes())
    content[place + 6] ^= 1
    parquet.write_bytes(content)
    assert error(parquet).startswith("t: not a complete Parquet file (")


def test_what_was_read_of_parquet_is_let_go(tmp_path: Path) -> None:
    """Memory that grew with the file would only show where a file is large."""
    file, groups, rows = tmp_path / "large.parquet", 30, 50_000
    draw = np.random.default_rng(0)
    with pq.ParquetWriter(file, pa.schema([("x", pa.float64())])) as writer:
        for _ in range(groups):
            writer.write_batch(pa.record_batch({"x": draw.random(rows)}))
    before, most = pa.total_allocated_bytes(), 0
    for _ in TableFile(file, {"x": "float64"}, "large").batches(rows):
        most = max(most, pa.total_allocated_bytes() - before)
    # A third of the file, which has a dozen batches; one is read at a time.
    assert most < file.stat().st_size / 3


def test_an_index_of_pandas_is_a_column_and_rows_are_numbered_anew(parquet: Path) -> None:
    pd.DataFrame({"size": [1.0, 2.0]}, index=pd.Index(["x", "y"], name="id")).to_parquet(parquet)
    ids = as_arrow(["x", "y"], pa.large_string())
    assert_frame_equal(rows(parquet), pd.DataFrame({"size": [1.0, 2.0], "id": ids}))
    # The rows that were left over when others were dropped.
    pd.DataFrame({"size": [1.0, 2.0]}, index=[7, 9]).to_parquet(parquet)
    numbers = as_arrow([7, 9])
    expected = pd.DataFrame({"size": [1.0, 2.0], "__index_level_0__": numbers})
    assert_frame_equal(rows(parquet), expected)
    pd.DataFrame({"size": [1.0, 2.0]}, index=pd.RangeIndex(7, 9)).to_parquet(parquet)
    assert_frame_equal(rows(parquet), pd.DataFrame({"size": [1.0, 2.0]}))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "t: the file is empty."),
        ("\n\n", "t: the file is empty."),
        ("size,count\n", "t: the file has no rows."),
        ("size,count", "t: the file has no rows."),
        (
            "size;count\n1,5;2\n",
            "t: the columns are separated by ';', expected ','. The header is 'size;count'.",
        ),
        (
            "size\tcount\n",
            "t: the columns are separated by '\\t', expected ','. The header is 'size\\tcount'.",
        ),
        ("size,size\n1,2\n", "t: expected each column once, got 'size' twice."),
        (
            "size,count\n1,2\n3\n4,5,6\n7,8\n",
            "t: expected 2 columns, got e.g. 1 in 2 rows: 2, 3.",
        ),
        (
            "size,count\n1,2\n3,4\n5",
            "t: expected 2 columns, got e.g. 1 in 1 row: 3. Was it cut off while it was copied?",
        ),
        (
            "size,count\n1,2\nzwei,\n,4.5\n,3\n",
            "t: column 'size': expected float64, got e.g. 'zwei' in 1 row: 2.\n"
            "t: column 'count': expected int64, got e.g. '4.5' in 1 row: 3.",
        ),
        (
            "count\n99999999999999999999\n",
            "t: column 'count': expected int64, got e.g. '99999999999999999999' in 1 row: 1.",
        ),
        (
            "size\n" + "1\nx\n" * 1001,
            "t: column 'size': expected float64, got e.g. 'x' in 1,001 rows: 2, 4, 6, 8, 10, ….",
        ),
    ],
)
def test_a_wrong_csv_file_says_what_and_where(csv: Path, content: str, message: str) -> None:
    csv.write_text(content)
    assert error(csv) == message


def test_a_wrong_truth_value_is_told_without_the_right_ones(csv: Path) -> None:
    csv.write_text("flag\ntrue\nja\n0\n")
    message = "t: column 'flag': expected bool, got e.g. 'ja' in 1 row: 2."
    assert error(csv, {"flag": "bool"}) == message


@pytest.mark.parametrize("good", [0, 5000])
def test_a_file_that_is_not_in_utf8_names_the_line(
    csv: Path, monkeypatch: pytest.MonkeyPatch, good: int
) -> None:
    monkeypatch.setattr(csv_format, "BLOCK_BYTES", 1000)
    reason = "invalid start byte"
    for column in ("label", "size"):
        csv.write_bytes(f"{column}\n".encode() + b"1\n" * good + "Köln\n".encode("latin-1"))
        assert error(csv) == (
            f"t: not a CSV file in UTF-8 (line {good + 2:,}: {reason}). Convert it, e.g. with "
            "`iconv --from-code latin1 --to-code utf-8`."
        )


@pytest.mark.parametrize("first", ["1", "2020-01-01", "1.5", "true"])
def test_all_rows_decide_the_type_of_a_column_without_contract(
    csv: Path, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    monkeypatch.setattr(csv_format, "BLOCK_BYTES", 1000)
    csv.write_text("size,other\n" + f"1,{first}\n" * 1000 + "1,x\n")
    assert list(rows(csv)["other"]) == [first] * 1000 + ["x"]


@pytest.mark.parametrize(
    ("texts", "kind"),
    [
        (["1", "-20", "", "9223372036854775807"], pa.int64()),
        (["01234", "5"], None),
        (["+31612345678"], None),
        (["31612345678901234567", "1"], None),
        (["0x1F"], None),
        (["-0"], pa.float64()),
        (["-0", "1.0"], None),
        ([" 1"], None),
        (["1.5", "5.0", "-0.25"], pa.float64()),
        (["1.5", "5", "-0.25"], pa.float64()),
        # Of two ways to write whole numbers, one would be lost.
        (["1.0", "5"], None),
        (["1.10"], None),
        (["12E4"], None),
        (["1e400"], None),
        (["inf"], None),
        (["NaN"], None),
        (["NA"], None),
        (["true", "false", ""], pa.bool_()),
        (["True", "False"], pa.bool_()),
        (["true", "False"], None),
        (["2020-02-29"], pa.date32()),
        (["2021-02-29"], None),
        (["2020-02-29 10:00:00"], pa.timestamp("s")),
        (["2020-02-29T10:00:00.123456Z"], pa.timestamp("us", "UTC")),
        (["2020-02-29 10:00:00", "2020-02-29T10:00:00"], None),
        (["29.02.2020"], None),
    ],
)
def test_a_text_gets_a_type_only_if_each_value_gives_the_same_text_again(
    csv: Path, texts: list[str], kind: pa.DataType | None
) -> None:
    csv.write_text("size,other\n" + "".join(f"1,{text}\n" for text in texts))
    (batch,) = TableFile(csv, {}, "t").record_batches(columns=["other"])
    assert batch.column("other").type == (kind or pa.string())
    assert batch.column("other").null_count == texts.count("")
    (as_text,) = TableFile(csv, {}, "t", texts_as="text").record_batches(columns=["other"])
    assert as_text.column("other").to_pylist() == [text or None for text in texts]


def test_rows_before_an_error_further_down_are_still_yielded(
    csv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_format, "BLOCK_BYTES", 1000)
    csv.write_text("size\n" + "1\n" * 1000 + "x\n" + "1\n" * 1000 + "1,2\n")
    batches = TableFile(csv, DTYPES, "t").batches()
    assert next(batches).first_row == 1
    # The second problem does not get into the way of the first.
    with pytest.raises(InputError, match=re.escape("got e.g. 'x' in 1 row: 1001.")):
        list(batches)


def test_a_parquet_file_that_is_incomplete_is_reported(parquet: Path) -> None:
    pq.write_table(pa.table({"size": np.random.default_rng(0).random(10_000)}), parquet)
    whole = parquet.read_bytes()
    cut = whole[: len(whole) // 2]
    holed = whole[:4] + bytes(5000) + whole[5004:]
    for content in (cut, holed, b"size\n1\n"):
        parquet.write_bytes(content)
        message = error(parquet)
        assert message.startswith("t: not a complete Parquet file (")
        assert message.endswith("). Was it cut off while it was copied?")
    parquet.write_bytes(b"")
    assert error(parquet) == "t: the file is empty."
    pq.write_table(pa.table({"size": pa.array([], pa.float64())}), parquet)
    assert error(parquet) == "t: the file has no rows."


def test_a_parquet_file_may_not_hold_a_column_twice(parquet: Path) -> None:
    pq.write_table(pa.table([[1.0], [2.0]], names=["size", "size"]), parquet)
    assert error(parquet) == "t: expected each column once, got 'size' twice."


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"t.{ending}"
    assert error(path) == "t: cannot be read: No such file or directory."
    path.symlink_to(path)
    assert error(path) == "t: cannot be read: Too many levels of symbolic links."


def test_a_folder_is_no_csv_file(csv: Path) -> None:
    csv.mkdir()
    assert error(csv) == "t: cannot be read: Is a directory."


def test_an_unknown_ending_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "rows.txt"
    path.write_text("size\n1\n")
    assert error(path).startswith(f"{path}: cannot tell the format from the ending '.txt'; ")


def test_files_of_one_folder_keep_their_own_columns(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("size,other\n1,2\n")
    pq.write_table(pa.table({"other": ["x"], "size": [3]}), tmp_path / "b.parquet")
    first = pd.DataFrame({"size": [1.0], "other": as_arrow([2])})
    second = pd.DataFrame({"other": as_arrow(["x"]), "size": [3.0]})
    assert_frame_equal(rows(tmp_path / "a.csv"), first)
    assert_frame_equal(rows(tmp_path / "b.parquet"), second)


def test_json_lines_are_read_as_their_contract_says(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"a": 1, "b": "x", "t": "2020-01-01T00:00:00.5Z"}\n{"b": "", "a": null}\n')
    dtypes = {"a": "float64", "t": "datetime64[us, UTC]", "not there": "int64"}
    table = TableFile(path, dtypes, "t")
    assert table.row_count() is None
    (batch,) = table.batches()
    assert_frame_equal(
        batch.frame[["a", "t"]],
        pd.DataFrame(
            {
                "a": [1.0, None],
                "t": pd.to_datetime(["2020-01-01 00:00:00.500000", "NaT"]).tz_localize("UTC"),
            }
        ).astype({"t": "datetime64[us, UTC]"}),
    )
    assert list(batch.frame) == ["a", "b", "t"]
    assert [len(batch.frame) for batch in table.batches(1)] == [1, 1]
    assert [batch.first_row for batch in table.batches(1)] == [1, 2]


@pytest.mark.parametrize("content", ["{", '{"a": 1}\n{"a": "x"}\n', "a,b\n1,2\n", '{"a":1}\n[1]\n'])
def test_invalid_json_lines_is_reported(tmp_path: Path, content: str) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(content)
    with pytest.raises(InputError, match=r"^t: not a JSON Lines file"):
        list(TableFile(path, {}, "t").batches())


@pytest.mark.parametrize(
    "content", ['{"a": 1}{"a": 2}\n', '{\n"a": 1}\n{"a": 2}\n', '{"a": 0}\n[{"a": 1}]\n']
)
def test_each_line_of_json_lines_is_one_object(tmp_path: Path, content: str) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(content)
    with pytest.raises(InputError, match=r"^t: not a JSON Lines file") as raised:
        list(TableFile(path, {}, "t").batches())
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "rows", [[[{"x": None}, {"x": None}], [{"x": None}]], [[None, None], None], [[], None]]
)
def test_nulls_inside_lists_and_structs_keep_their_rows(tmp_path: Path, rows: list[Any]) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text("".join(f"{json.dumps({'a': row})}\n" for row in rows))
    (batch,) = TableFile(path, {}, "t").record_batches()
    batch.validate(full=True)
    assert batch.to_pydict() == {"a": rows}


def test_objects_without_fields_are_read_from_a_folder(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.jsonl").write_text('{"x": {}}\n')
    files = TableFiles(open_files(tmp_path), "t")
    rows = [row for batch in files.record_batches() for row in batch.to_pylist()]
    assert rows == [{"x": {}}, {"x": {}}]


def test_record_batches_are_of_the_columns_that_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": [1, 2, 3], "b": ["x", "y", None]}), path)
    batches = list(TableFile(path, {}, "t").record_batches(2, columns=["b"]))
    assert [batch.to_pydict() for batch in batches] == [{"b": ["x", "y"]}, {"b": [None]}]
    with pytest.raises(InputError, match="t: there is no column 'B'; it has 'a', 'b'"):
        next(TableFile(path, {}, "t").record_batches(columns=["B"]))
    pq.write_table(pa.table({"a": [], "b": []}), path)
    (empty,) = TableFile(path, {}, "t").record_batches(columns=["b"])
    assert (empty.num_rows, empty.schema.names) == (0, ["b"])


def test_even_batches_keep_the_rows_and_their_order() -> None:
    parts = [pa.record_batch({"a": range(start, stop)}) for start, stop in
             [(0, 0), (0, 5), (5, 6), (6, 6), (6, 13)]]  # fmt: skip
    even = [batch["a"].to_pylist() for batch in even_batches(parts, 4)]
    assert even == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11], [12]]
    assert [batch.num_rows for batch in even_batches(parts[:1], 4)] == [0]
    assert list(even_batches([], 4)) == []
