"""Find table files, detect their formats, and open them."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any, Literal, Protocol, Self, overload
from urllib.parse import unquote

from cli.errors import InputError, UserError
from cli.terminal import say

Format = Literal["parquet", "csv", "jsonl"]
FORMATS: dict[str, Format] = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
# Excel is only written, not read.
WrittenFormat = Literal["parquet", "csv", "jsonl", "xlsx"]
WRITTEN_FORMATS: dict[str, WrittenFormat] = {**FORMATS, ".xlsx": "xlsx"}
STANDARD_STREAM = "-"
MANIFEST_SUFFIX = ".manifest.json"
PARQUET_MAGIC = b"PAR1"


# Compressions of text files.
COMPRESSIONS = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".lz4": "lz4"}
DELTA_LOG = "_delta_log"
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


class RemoteFile(Protocol):
    """A file that is not on this machine, such as an object in a store."""

    @property
    def name(self) -> str:
        """The file name, without folders."""

    @property
    def suffix(self) -> str:
        """The ending of its name."""

    def with_suffix(self, suffix: str, /) -> PurePosixPath:
        """Its location with another ending."""

    def with_name(self, name: str, /) -> Self:
        """The file of that name in the same folder."""

    def files(self) -> list[FoundFile]:
        """The file itself, or all table files in it if it is a folder."""

    def child(self, name: str, /) -> Self:
        """The file of that name in it, if it is a folder."""

    def list_entries(self) -> Mapping[str, datetime]:
        """When each file in it was written, if it is a folder, by names that `child` takes."""

    def list_siblings(self) -> Mapping[str, datetime]:
        """When each file in the same folder was written, by names that `with_name` takes."""

    def delete(self) -> None:
        """Delete it; it need not be there."""

    def is_file(self) -> bool:
        """Whether it is there."""

    def read_text(self) -> str:
        """Its content, decoded as UTF-8."""

    def replace_with(self, file: Path) -> None:
        """Replace it with a local file, completely or not at all."""

    def size(self) -> int:
        """How many bytes it has."""

    def open(self) -> Any:
        """The file, for reading."""


type FilePath = Path | RemoteFile
# The entries of a folder: each path, and whether it is a folder.
type FolderListing = list[tuple[str, bool]]


@dataclass(frozen=True)
class FoundFile:
    """A file of a table, and the partition columns of its folders `name=value`."""

    path: FilePath
    partition: dict[str, str | None] = field(default_factory=dict)


def stem_of(path: FilePath) -> str:
    """A file's name without the endings of its format and its compression."""
    plain = PurePosixPath(path.name)
    return plain.with_suffix("").stem if plain.suffix.lower() in COMPRESSIONS else plain.stem


def format_of(path: FilePath | PurePosixPath) -> Format:
    """The format that a file's ending names, before the ending of its compression.

    Raises:
        InputError: the ending is unknown, or the format does not support that compression.
    """
    plain = path.with_suffix("") if path.suffix.lower() in COMPRESSIONS else path
    format = FORMATS.get(plain.suffix.lower())
    if format is None:
        raise InputError(
            f"{path}: cannot tell the format from the ending {plain.suffix!r}; "
            f"expected one of {', '.join(FORMATS)}."
        )
    if format == "parquet" and plain is not path:
        raise InputError(
            f"{path}: Parquet is compressed inside the file. Decompress it, and remove "
            f"{path.suffix} from its name."
        )
    return format


def written_format(path: FilePath | PurePosixPath) -> WrittenFormat:
    """The format that a file's ending names, to write it.

    Raises:
        InputError: the ending is unknown.
    """
    format = WRITTEN_FORMATS.get(path.suffix.lower())
    if format is None:
        raise InputError(
            f"{path}: cannot tell the format from the ending {path.suffix!r}; "
            f"expected one of {', '.join(WRITTEN_FORMATS)}."
        )
    return format


def open_file(path: FilePath, name: str) -> Any:
    """Open a file for reading, and decompress it if its ending names a compression.

    Raises:
        InputError: it cannot be opened.
    """
    import pyarrow as pa

    file = _open_local(path, name) if isinstance(path, Path) else path.open()
    codec = COMPRESSIONS.get(path.suffix.lower())
    return pa.CompressedInputStream(file, codec) if codec else file


def _open_local(path: Path, name: str) -> Any:
    import pyarrow as pa

    try:
        # Arrow cannot open a name that is not UTF-8; Python can.
        return pa.OSFile(str(path)) if is_utf8(path) else pa.PythonFile(path.open("rb"), "r")
    except OSError as error:
        raise InputError(f"{name}: cannot be read: {_reason(path, error)}.") from error


def size_of(path: FilePath, name: str) -> int:
    """How many bytes a file has.

    Raises:
        InputError: it is not there.
    """
    if not isinstance(path, Path):
        return path.size()
    try:
        return path.stat().st_size
    except OSError as error:
        raise InputError(f"{name}: cannot be read: {error.strerror or error}.") from error


def _reason(path: Path, error: OSError) -> str:
    return "Is a directory" if path.is_dir() else error.strerror or str(error)


def is_utf8(path: Path) -> bool:
    """Whether the path is valid UTF-8: Arrow cannot open other paths."""
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def list_table_files(location: Path) -> list[FoundFile]:
    """The file itself, or all table files of a folder, sorted by name.

    Subfolders named `column=value` are partitions. Manifests and names that begin with a dot or an
    underscore are skipped. Other files are reported on standard error.

    Raises:
        InputError: the location does not exist or cannot be read, or the folder contains no table
            or another folder.
    """
    try:
        if not location.is_dir():
            with location.open("rb"):
                return [FoundFile(location)]
        return walk_table_files(str(location), _list_folder, Path)
    except OSError as error:
        raise InputError(f"{location}: cannot be read: {error.strerror}.") from error


def _list_folder(folder: str) -> FolderListing:
    return sorted((str(entry), entry.is_dir()) for entry in Path(folder).iterdir())


def walk_table_files(
    location: str, listed: Callable[[str], FolderListing], file: Callable[[str], FilePath]
) -> list[FoundFile]:
    """All table files of a local or remote folder, as `list_table_files` finds them.

    Raises:
        InputError: the folder contains no table, or another folder.
    """
    files = [FoundFile(file(path), partition) for path, partition in _walk(location, listed, {})]
    if not files:
        raise InputError(
            f"{location}: the folder contains no file that ends in {', '.join(FORMATS)}."
        )
    first = files[0]
    for each in files:
        if each.partition.keys() != first.partition.keys():
            raise InputError(
                f"{location}: the folders do not have the same partitions: {first.path} and "
                f"{each.path}."
            )
    return files


def _walk(
    folder: str, listed: Callable[[str], FolderListing], partition: dict[str, str | None]
) -> Iterator[tuple[str, dict[str, str | None]]]:
    entries = [(path, PurePosixPath(path).name, is_folder) for path, is_folder in listed(folder)]
    if any(name == DELTA_LOG and is_folder for _, name, is_folder in entries):
        raise InputError(
            f"{folder}: is a Delta table ({DELTA_LOG}), whose folder also contains rows of earlier "
            f"versions. Export it first: ./pants run src/data_exports:export -- --src {folder} "
            "--dst rows.parquet"
        )
    for path, name, is_folder in entries:
        if name.startswith((".", "_")) or name.endswith(MANIFEST_SUFFIX):
            continue
        column, equals, value = name.partition("=")
        if is_folder:
            if not equals or not column:
                raise InputError(
                    f"{path}: is a folder inside a folder. Expected files, or folders named "
                    "column=value. Move it, or name it with a leading underscore."
                )
            if unquote(column) in partition:
                raise InputError(
                    f"{path}: the column {unquote(column)!r} is in the names of two folders, one "
                    "inside the other. Rename one of them."
                )
            known = None if value == _NO_VALUE else unquote(value)
            yield from _walk(path, listed, {**partition, unquote(column): known})
        elif is_table(name):
            yield path, partition
        else:
            say(f"{path}: skipped; its ending is not one of {', '.join(FORMATS)}.")


def is_table(name: str) -> bool:
    """Whether a file name has the ending of a table."""
    try:
        format_of(PurePosixPath(name))
    except InputError:
        return False
    return True


@overload
def manifest_path(table: Path) -> Path: ...
@overload
def manifest_path(table: RemoteFile) -> RemoteFile: ...
def manifest_path(table: FilePath) -> FilePath:
    """Where a table's manifest is: next to it, under the table's name."""
    return table.with_name(table.name + MANIFEST_SUFFIX)


def file_sha256(path: FilePath) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") if isinstance(path, Path) else path.open() as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def copy_standard_input() -> Iterator[Path]:
    """Copy standard input to a temporary file with the ending of its format.

    Parquet is read from its end, so the stream must be stored; a file keeps memory constant.
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
                f"standard input: cannot be saved in {folder}: {error.strerror}. "
                "Free some space or set TMPDIR to another folder."
            ) from error
        yield path
