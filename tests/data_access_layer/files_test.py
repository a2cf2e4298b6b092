from __future__ import annotations

import io
import re
import resource
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cli.errors import InputError
from data_access_layer.files import FoundFile, copy_standard_input, format_of, list_table_files


@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("a.parquet", "parquet"),
        ("a.b.PQ", "parquet"),
        ("a.csv", "csv"),
        ("a.CSV", "csv"),
        ("a.jsonl", "jsonl"),
        ("a.csv.gz", "csv"),
        ("a.JSONL.zst", "jsonl"),
    ],
)
def test_the_ending_names_the_format(name: str, format: str) -> None:
    assert format_of(Path(name)) == format


@pytest.mark.parametrize("name", ["rows.zip", "rows", ".csv", "-"])
def test_an_unknown_ending_lists_the_known_ones(name: str) -> None:
    message = f"{name}: cannot tell the format from the ending {Path(name).suffix!r}; "
    with pytest.raises(
        InputError,
        match=re.escape(message + "expected one of .parquet, .pq, .csv, .jsonl, .ndjson."),
    ):
        format_of(Path(name))


def test_a_compressed_parquet_file_is_refused() -> None:
    with pytest.raises(InputError, match=r"^a\.parquet\.gz: Parquet is compressed inside the file"):
        format_of(Path("a.parquet.gz"))


def test_a_file_stands_for_itself(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.touch()
    assert list_table_files(file) == [FoundFile(file)]


def test_a_folder_stands_for_its_tables_by_name_and_other_files_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("b.csv", "a.parquet", "c.PQ", ".hidden.csv", "_SUCCESS", "_meta.csv", "notes.md",
                 "d.csv.gz", "a.parquet.manifest.json"):  # fmt: skip
        (tmp_path / name).touch()
    found = [file.path.name for file in list_table_files(tmp_path)]
    assert found == ["a.parquet", "b.csv", "c.PQ", "d.csv.gz"]
    assert capsys.readouterr().err.startswith(
        f"{tmp_path}/notes.md: skipped; its ending is not one"
    )


def test_folders_that_name_a_column_and_its_value_are_read_too(tmp_path: Path) -> None:
    for name in ("year=2025/month=1/b.csv", "year=2024/month=a%2Fb/a.csv"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    found = [file.partition for file in list_table_files(tmp_path)]
    assert found == [{"year": "2024", "month": "a/b"}, {"year": "2025", "month": "1"}]
    (tmp_path / "c.csv").touch()
    with pytest.raises(InputError, match="the folders do not have the same partitions: "):
        list_table_files(tmp_path)


def test_two_folders_that_name_the_same_column_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x=1/x=2").mkdir(parents=True)
    (tmp_path / "x=1/x=2/a.csv").touch()
    with pytest.raises(InputError, match="x=1/x=2: the column 'x' is in the names of two folders"):
        list_table_files(tmp_path)


def test_a_delta_table_is_no_folder_of_files(tmp_path: Path) -> None:
    (tmp_path / "_delta_log").mkdir()
    (tmp_path / "part-0.parquet").touch()
    with pytest.raises(InputError, match=r"is a Delta table \(_delta_log\)"):
        list_table_files(tmp_path)


def test_a_folder_without_tables_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.md").touch()
    with pytest.raises(
        InputError, match=re.escape(f"{tmp_path}: the folder contains no file that")
    ):
        list_table_files(tmp_path)


def test_a_folder_that_is_named_as_a_table_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.csv").touch()
    (tmp_path / "b.parquet").mkdir()
    message = f"{tmp_path}/b.parquet: is a folder inside a folder. Expected files, "
    with pytest.raises(InputError, match=re.escape(message)):
        list_table_files(tmp_path)


def test_what_cannot_be_read_is_named_with_the_reason(tmp_path: Path) -> None:
    loop = tmp_path / "loop.csv"
    loop.symlink_to(loop)
    for path, reason in {
        tmp_path / "no.csv": "No such file or directory",
        loop: "Too many levels of symbolic links",
    }.items():
        with pytest.raises(InputError, match=re.escape(f"{path}: cannot be read: {reason}.")):
            list_table_files(path)


@pytest.mark.parametrize("content", [b"a,b\n1,2\n", b"", b"a"])
def test_standard_input_is_csv_where_it_does_not_start_as_parquet(
    monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    with copy_standard_input() as path:
        assert (format_of(path), path.read_bytes()) == ("csv", content)
    assert not path.parent.exists()


def test_standard_input_may_be_parquet(monkeypatch: pytest.MonkeyPatch) -> None:
    table = pa.table({"a": [1, 2]})
    stream = io.BytesIO()
    pq.write_table(table, stream)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stream.getvalue())))
    with copy_standard_input() as path:
        assert format_of(path) == "parquet"
        assert pq.read_table(path).equals(table)


def test_standard_input_without_room_to_keep_it_is_one_message(tmp_path: Path) -> None:
    program = """
from cli.errors import UserError
from data_access_layer.files import copy_standard_input
try:
    with copy_standard_input():
        print("kept")
except UserError as error:
    print(error)
"""
    result = subprocess.run(
        [sys.executable, "-c", program],
        input="a\n" * 100_000,
        env={"PYTHONPATH": ":".join(filter(None, sys.path)), "TMPDIR": str(tmp_path)},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000)),
        capture_output=True,
        text=True,
    )
    assert result.stdout.startswith(f"standard input: cannot be saved in {tmp_path}/table-"), result
    assert result.stdout.endswith("Free some space or set TMPDIR to another folder.\n")
    assert list(tmp_path.iterdir()) == []
