from __future__ import annotations

import io
import re
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pandas.testing import assert_frame_equal

from cli.errors import InputError
from data_access_layer.files import Format
from data_access_layer.formats.writer import TableWriter
from data_access_layer.tables.files import TableFile

ROWS = pd.DataFrame(
    {
        "flag": [True, False, True],
        "number": [1, -2, 2**60 + 1],
        "share": [0.1, None, 1e-300],
        # Text that a reader could take for something else.
        "text": ["007", None, 'a "b",\nç NA'],
        "word": ["NA", "NULL", "nan"],
        "time": pd.to_datetime(["2020-01-01 00:00:00.000000", "NaT", "2020-01-01 12:30:00.000001"]),
    }
)


def write(path: Path, *frames: pd.DataFrame, format: Format) -> Path:
    with TableWriter(str(path), format=format) as writer:
        for frame in frames:
            writer.write(frame)
    return path


@pytest.mark.parametrize("format", ["parquet", "csv"])
def test_what_is_written_batch_by_batch_is_read_back_as_it_was(
    tmp_path: Path, format: Format
) -> None:
    before = ROWS.copy()
    path = write(tmp_path / f"t.{format}", ROWS.iloc[:2], ROWS.iloc[2:], format=format)
    dtypes = {str(name): str(dtype) for name, dtype in ROWS.dtypes.items()}
    read = [batch.frame for batch in TableFile(path, dtypes, "t").batches()]
    assert_frame_equal(pd.concat(read, ignore_index=True), ROWS)
    assert_frame_equal(ROWS, before)


def test_categories_are_kept_in_parquet_and_text_in_csv(tmp_path: Path) -> None:
    species = pd.DataFrame({"species": pd.Categorical(["b", "a"], categories=["b", "a", "c"])})
    parquet = write(tmp_path / "t.parquet", species, format="parquet")
    assert_frame_equal(pq.read_table(parquet).to_pandas(), species)
    csv = write(tmp_path / "t.csv", species, format="csv")
    assert csv.read_text() == '"species"\n"b"\n"a"\n'


def test_an_open_file_is_written_and_left_open() -> None:
    stream = io.BytesIO()
    with TableWriter(stream, format="csv") as writer:
        writer.write(pd.DataFrame({"a": [1]}))
    assert stream.getvalue() == b'"a"\n1\n'


def test_columns_are_written_in_the_order_of_the_first_frame(tmp_path: Path) -> None:
    first, second = pd.DataFrame({"a": [1], "b": [2]}), pd.DataFrame({"b": [4], "a": [3]})
    path = write(tmp_path / "t.csv", first, second, format="csv")
    assert path.read_text() == '"a","b"\n1,2\n3,4\n'


def test_whole_numbers_with_a_missing_one_stay_whole_numbers(tmp_path: Path) -> None:
    path = write(
        tmp_path / "t.csv", pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [2.0, None]}), format="csv"
    )
    assert path.read_text() == '"a"\n1\n2\n\n'


@pytest.mark.parametrize("format", ["parquet", "csv"])
@pytest.mark.parametrize(
    ("first", "second"), [({"a": [1]}, {"a": [1], "z": [2]}), ({"a": [1], "z": [2]}, {"a": [1]})]
)
def test_no_column_is_dropped_or_made_up_where_frames_differ(
    tmp_path: Path, format: Format, first: dict[str, list[int]], second: dict[str, list[int]]
) -> None:
    with pytest.raises(InputError, match="do not have the same columns: 'z' is not in all of them"):
        write(tmp_path / "t", pd.DataFrame(first), pd.DataFrame(second), format=format)


@pytest.mark.parametrize("format", ["parquet", "csv"])
@pytest.mark.parametrize("later", ["x", 1.5])
def test_a_column_that_changes_its_type_is_named(
    tmp_path: Path, format: Format, later: object
) -> None:
    message = rf"The rows cannot be written as {format}: .* column a with type \w+\.$"
    with pytest.raises(InputError, match=message):
        write(tmp_path / "t", pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [later]}), format=format)


def test_a_type_that_csv_does_not_support_is_reported(tmp_path: Path) -> None:
    lists = pd.DataFrame({"a": [[1], [2]]})
    message = (
        "The rows cannot be written as csv: it cannot hold the column 'a' (list<item: int64>). "
        "Leave it out, or choose a format that can: parquet, delta, jsonl, duckdb."
    )
    with pytest.raises(InputError, match=re.escape(message)):
        write(tmp_path / "t", lists, format="csv")
    assert pq.read_table(write(tmp_path / "p", lists, format="parquet")).to_pydict() == {
        "a": [[1], [2]]
    }


def test_nulls_inside_lists_are_kept_where_another_column_is_converted(tmp_path: Path) -> None:
    rows = [[{"x": None}, {"x": None}]]
    lists = pa.array(rows, pa.list_(pa.struct([("x", pa.null())])))
    with TableWriter(str(tmp_path / "t.parquet"), format="parquet") as writer:
        for kind in (pa.string(), pa.large_string()):
            texts = pa.array(["a"], kind)
            writer.write_batch(pa.RecordBatch.from_arrays([lists, texts], ["lists", "text"]))
    assert pq.read_table(tmp_path / "t.parquet")["lists"].to_pylist() == rows * 2
