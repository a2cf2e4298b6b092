"""Files that somebody sends: CSV, JSON Lines and Parquet, broken or made to break a reader.

Any bytes give rows or an `InputError`.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cli.errors import InputError
from cli.task import TaskContext
from data_access_layer.formats.text_types import TextsAs
from data_access_layer.open import open_source
from support.attacks import attack

DECLARED = {"x": "float64", "n": "int64", "t": "str", "d": "datetime64[us, UTC]", "b": "bool"}
CELLS = ["1", "1.5", "-0", "1e400", "nan", "", "a", '"', '""', '"a,b"', '"a\nb"', "true", "é", "=1"]
CELLS += [
    "2024-01-01",
    "9999-99-99",
    "9" * 30,
    "\x00",
    "\r",
    "'",
    "\\",
    "\ufeff",
    "01",
    "+1",
    "NULL",
]
CSV = st.lists(
    st.lists(st.sampled_from([*CELLS, *DECLARED]), max_size=6).map(",".join), max_size=8
).flatmap(
    lambda lines: st.sampled_from(["\n", "\r\n", "\r", "\n\n", ";"]).map(lambda e: e.join(lines))
)
BYTES = st.binary(max_size=60)
PARTS = [
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    '"x"',
    '"n"',
    '"d"',
    "1",
    "1e999",
    "null",
    "true",
    '"a"',
    "\n",
]
PARTS += ['"\\ud800"', '"\\u0000"', "NaN", "-", "9" * 30, '""', "\ufeff", " ", '"2024-01-01"']
JSON = st.lists(st.sampled_from(PARTS), max_size=30).map("".join)


def read(content: bytes, ending: str, *, declared: bool, texts_as: TextsAs) -> None:
    """Read a file of these bytes to its end, as a task does."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, f"rows.{ending}")
        file.write_bytes(content)
        dtypes = DECLARED if declared else {}
        with contextlib.suppress(InputError):
            source = open_source(str(file), TaskContext(), dtypes=dtypes, texts_as=texts_as)
            for batch in source.batches(2):
                assert len(batch.frame) <= 2


HOW: tuple[TextsAs, ...] = ("text", "exact", "numbers")


@attack(300)
@given(CSV.map(str.encode) | BYTES, st.booleans(), st.sampled_from(HOW))
def test_any_csv_file_is_read_or_refused(content: bytes, declared: bool, texts_as: TextsAs) -> None:
    read(content, "csv", declared=declared, texts_as=texts_as)


@attack(200)
@example(content=b"null", declared=False)
@example(content=b'{"x":\n1}', declared=False)
@example(content=b"\xef\xbb\xbf", declared=True)
@given(JSON.map(str.encode) | BYTES, st.booleans())
def test_any_file_of_json_lines_is_read_or_refused(content: bytes, declared: bool) -> None:
    read(content, "jsonl", declared=declared, texts_as="exact")


@pytest.mark.parametrize("ending", ["csv.gz", "jsonl.gz", "jsonl.zst"])
@attack(40)
@given(BYTES | BYTES.map(lambda rest: b"\x1f\x8b\x08\x00" + rest))
def test_any_compressed_file_is_read_or_refused(ending: str, content: bytes) -> None:
    read(content, ending, declared=False, texts_as="exact")


def parquet() -> bytes:
    """A small, sound Parquet file of all declared types."""
    rows = pd.DataFrame(
        {
            "x": [1.0, None],
            "n": [1, 2],
            "t": pd.Series(["a", None], dtype="str"),
            "d": pd.to_datetime(["2024-02-29", "NaT"], utc=True),
            "b": [True, False],
        }
    )
    file = io.BytesIO()
    rows.to_parquet(file)
    return file.getvalue()


SOUND = parquet()
EDITS = st.lists(
    st.tuples(st.integers(0, len(SOUND) - 1), st.binary(min_size=1, max_size=4)),
    min_size=1,
    max_size=4,
)


@attack(300)
@given(EDITS, st.integers(0, len(SOUND)), st.booleans())
def test_any_parquet_file_is_read_or_refused(
    edits: list[tuple[int, bytes]], length: int, declared: bool
) -> None:
    content = bytearray(SOUND)
    for at, new in edits:
        content[at : at + len(new)] = new
    # Half of them whole, half cut somewhere.
    end = length if length % 2 else len(content)
    read(bytes(content[:end]), "parquet", declared=declared, texts_as="exact")
