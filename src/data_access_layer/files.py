"""Which files a location stands for, and in which format they are."""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from config.errors import InputError, UserError

Format = Literal["parquet", "csv", "jsonl"]
FORMATS: dict[str, Format] = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
# Excel is for people: written, and read back by nobody here.
WrittenFormat = Literal["parquet", "csv", "jsonl", "xlsx"]
STANDARD_STREAM = "-"
MANIFEST_SUFFIX = ".manifest.json"
PARQUET_MAGIC = b"PAR1"


def format_of(path: Path) -> Format:
    """The format that a file's ending names.

    Raises:
        InputError: the ending is none of the known ones.
    """
    try:
        return FORMATS[path.suffix.lower()]
    except KeyError:
        raise InputError(
            f"{path}: cannot tell the format from the ending {path.suffix!r}; "
            f"expected one of {', '.join(FORMATS)}."
        ) from None


def table_files(location: Path) -> list[Path]:
    """The file itself, or a folder's table files in the order of their names.

    Raises:
        InputError: nothing is there, it cannot be read, or the folder holds no table.
    """
    try:
        if not location.is_dir():
            with location.open("rb"):
                return [location]
        files = sorted(
            file
            for file in location.iterdir()
            if file.suffix.lower() in FORMATS and not file.name.startswith((".", "_"))
        )
    except OSError as error:
        raise InputError(f"{location}: cannot be read: {error.strerror}.") from error
    for file in files:
        if file.is_dir():
            raise InputError(f"{file}: is a folder inside a folder; expected a file.")
    if not files:
        raise InputError(f"{location}: the folder holds no file that ends in {', '.join(FORMATS)}.")
    return files


def manifest_path(table: Path) -> Path:
    """Where a table's manifest stands: beside it, under the table's name."""
    return table.with_name(table.name + MANIFEST_SUFFIX)


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def standard_input_file() -> Iterator[Path]:
    """Standard input as a temporary file whose ending tells its format.

    Parquet is read from its end, so a stream has to be kept; a file keeps memory constant.
    """
    with tempfile.TemporaryDirectory(prefix="table-") as folder:
        start = sys.stdin.buffer.read(len(PARQUET_MAGIC))
        suffix = ".parquet" if start == PARQUET_MAGIC else ".csv"
        path = Path(folder) / f"standard-input{suffix}"
        try:
            with path.open("wb") as file:
                file.write(start)
                shutil.copyfileobj(sys.stdin.buffer, file, 1 << 20)
        except OSError as error:
            raise UserError(
                f"standard input: cannot be kept in {folder}: {error.strerror}. "
                "Free some space or set TMPDIR to another folder."
            ) from error
        yield path
