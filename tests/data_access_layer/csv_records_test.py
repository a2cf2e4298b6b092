from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.errors import InputError
from data_access_layer.formats import csv as csv_format
from data_access_layer.formats.records import LongRecordError, first_record, whole_records
from data_access_layer.tables.files import TableFile

CELLS = st.text(st.sampled_from('a,"\r\n ;é'), max_size=6)
RECORDS = st.lists(st.lists(CELLS, min_size=2, max_size=2), min_size=1, max_size=30)
# Quotes in the middle of a field, which are ordinary characters there.
LOOSE = st.text(st.sampled_from("ab "), min_size=1, max_size=2).flatmap(
    lambda start: st.text(st.sampled_from('a"'), max_size=4).map(lambda rest: start + rest)
)


def as_csv(records: list[list[str]], line_end: str) -> bytes:
    sink = io.StringIO(newline="")
    csv.writer(sink, lineterminator=line_end).writerows(records)
    return sink.getvalue().encode()


@settings(deadline=None, max_examples=300)
@given(RECORDS, st.sampled_from(["\n", "\r\n"]), st.integers(1, 40))
def test_each_piece_holds_whole_records(
    records: list[list[str]], line_end: str, block: int
) -> None:
    data = as_csv(records, line_end)
    pieces = list(whole_records(io.BytesIO(data), block, 10_000))
    assert b"".join(pieces) == data
    found = [row for piece in pieces for row in csv.reader(io.StringIO(piece.decode(), newline=""))]
    assert found == records


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(LOOSE, CELLS), min_size=1, max_size=20), st.integers(1, 40))
def test_quotes_inside_a_field_do_not_open_one(records: list[tuple[str, str]], block: int) -> None:
    lines = [as_csv([["", cell]], "\n").decode()[1:] for _, cell in records]
    data = "".join(f"{loose},{line}" for (loose, _), line in zip(records, lines, strict=True))
    pieces = list(whole_records(io.BytesIO(data.encode()), block, 10_000))
    assert "".join(piece.decode() for piece in pieces) == data
    found = [row for piece in pieces for row in csv.reader(io.StringIO(piece.decode(), newline=""))]
    assert found == [list(record) for record in records]


def test_the_first_record_is_found_behind_empty_lines() -> None:
    assert first_record(b'\n\r\n"a\nb",c\r\n1,2\n') == (b'"a\nb",c', 12)
    assert first_record(b"a,b") == (b"a,b", 0)
    assert first_record(b'"a') == (b'"a', 0)


def test_a_quote_that_nothing_closes_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(LongRecordError):
        list(whole_records(io.BytesIO(b'a\n"' + b"x\n" * 100), 10, 50))
    monkeypatch.setattr(csv_format, "BLOCK_BYTES", 100)
    monkeypatch.setattr(csv_format, "RECORD_BYTES", 1 << 20)
    path = tmp_path / "t.csv"
    path.write_text('a,b\n1,2\n3,"4\n' + "5,6\n" * 300_000)
    with pytest.raises(
        InputError, match=r"^t: the record in line 3 or after it does not end within 1 MB"
    ):
        list(TableFile(path, {}, "t").record_batches())


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("block", [7, 64, 1 << 20])
def test_line_breaks_in_quotes_are_part_of_the_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line_end: str, block: int
) -> None:
    monkeypatch.setattr(csv_format, "BLOCK_BYTES", block)
    texts = [f"Street {n}{line_end}{n} City" for n in range(200)]
    path = tmp_path / "t.csv"
    path.write_bytes(
        as_csv([["id", "address"], *([str(n), text] for n, text in enumerate(texts))], line_end)
    )
    batches = list(TableFile(path, {"id": "int64"}, "t").record_batches())
    assert [n for batch in batches for n in batch["id"].to_pylist()] == list(range(200))
    assert [text for batch in batches for text in batch["address"].to_pylist()] == texts


def test_a_file_in_utf16_is_read_by_its_mark(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("name,size\nKöln,1\n", encoding="utf-16")
    (batch,) = TableFile(path, {}, "t").record_batches()
    assert batch.to_pydict() == {"name": ["Köln"], "size": [1]}


def test_an_empty_line_is_a_missing_value_where_there_is_one_column(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('a\n1\n\n""\n3\n')
    (batch,) = TableFile(path, {}, "t").record_batches()
    assert batch.to_pydict() == {"a": ["1", None, "", "3"]}
    path.write_text("a,b\n1,2\n\n3,4\n")
    (batch,) = TableFile(path, {}, "t").record_batches()
    assert batch.num_rows == 2


@pytest.mark.parametrize("text", ["a;b\n1,5;2\n", "a|b|c\n1|2|3\n", "a\tb\n"])
def test_another_delimiter_is_refused_where_no_contract_is(tmp_path: Path, text: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(InputError, match="t: the columns are separated by "):
        list(TableFile(path, {}, "t").record_batches())


def test_one_column_whose_name_has_a_semicolon_is_read(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a;b\nx\ny\n")
    (batch,) = TableFile(path, {}, "t").record_batches()
    assert batch.to_pydict() == {"a;b": ["x", "y"]}


def test_wrong_cells_of_each_type_name_their_rows(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(
        "at,day,zoned\n"
        "2020-01-01 00:00:00,2020-01-01,2020-01-01T00:00:00Z\n"
        "31.12.2020,x,2020-01-01\n"
    )
    dtypes = {"at": "datetime64[us]", "zoned": "datetime64[us, UTC]"}
    with pytest.raises(InputError) as raised:
        list(TableFile(path, dtypes, "t").batches())
    assert str(raised.value).splitlines() == [
        "t: column 'at': expected datetime64[us], got e.g. '31.12.2020' in 1 row: 2.",
        "t: column 'zoned': expected datetime64[us, UTC], got e.g. '2020-01-01' in 1 row: 2.",
    ]
    (batch,) = TableFile(path, dtypes, "t").batches(wrong_cells="keep")
    assert [(cells.column, cells.rows) for cells in batch.wrong] == [("at", (1,)), ("zoned", (1,))]
    assert batch.frame["at"].isna().tolist() == [False, True]
    assert batch.frame["day"].tolist() == ["2020-01-01", "x"]
