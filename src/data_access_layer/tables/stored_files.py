"""Stored tables in files or objects; DuckDB selects the columns and rows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from fsspec.implementations.arrow import ArrowFSWrapper

from cli.errors import InputError
from data_access_layer.column_types import cast_to_schema, plain_columns, plain_schema
from data_access_layer.commit.destination import Origin
from data_access_layer.commit.manifest import Manifest
from data_access_layer.files import written_format
from data_access_layer.locations import FileLocation, ObjectLocation
from data_access_layer.reader import RecordBatch
from data_access_layer.settings import StoreSettings
from data_access_layer.tables.duckdb import (
    DuckDBSource,
    Selectable,
    connect,
    record_errors,
    reraise_first,
    translate_errors,
)
from data_access_layer.tables.files import TableFiles, open_files
from data_access_layer.tables.objects import ObjectFile
from data_access_layer.tables.written_file import FileDestination

_ROWS = "rows_of_the_files"
_LITERAL = str.maketrans({character: f"[{character}]" for character in "*?["})
_PYTHON_ERROR = re.compile(r"^[\w.]*(?:Error|Invalid): (.+)$", re.MULTILINE)


class FilesTable(DuckDBSource):
    """A file or an object, or a folder of them; `dtypes` are the declared types."""

    def __init__(
        self,
        name: str,
        location: str,
        settings: StoreSettings,
        *,
        at: FileLocation | ObjectLocation,
        dtypes: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(name, location, settings)
        self._path: Path | ObjectFile = (
            at.path if isinstance(at, FileLocation) else ObjectFile(location, settings)
        )
        self._dtypes = dtypes or {}

    def _exists(self) -> bool:
        if isinstance(self._path, Path) and not self._path.is_dir():
            return self._path.exists()
        try:
            return bool(self._open_files().files)
        except InputError:
            return False

    def _open_files(self) -> TableFiles:
        return TableFiles(open_files(self._path, self._dtypes), self.location)

    @contextmanager
    def _open_source(self) -> Iterator[Selectable]:
        table = self._open_files()
        if table.is_uniform_parquet():
            with connect() as opened, self._translate_errors():
                yield Selectable.from_source(
                    opened, "read_parquet(?)", [self._register_files(opened, table)]
                )
            return
        # DuckDB would guess the types of text files, and use those of the first Parquet file.
        failed: list[Exception] = []
        given, rows = table.unify()
        schema = plain_schema(plain_columns(given), name=self.location)
        plain = (cast_to_schema(batch, schema, name=self.location) for batch in rows)
        batches = record_errors(plain, failed)
        with connect() as opened, reraise_first(failed), translate_errors(self.location):
            opened.register(_ROWS, pa.RecordBatchReader.from_batches(schema, batches))
            yield Selectable(opened, _ROWS, plain_columns(schema))

    def _register_files(self, opened: duckdb.DuckDBPyConnection, table: TableFiles) -> list[str]:
        """The file names for DuckDB; registers the filesystem of objects."""
        if isinstance(self._path, Path):
            # Escape pattern characters in file names.
            return [str(file.path).translate(_LITERAL) for file in table.files]
        opened.register_filesystem(_ArrowObjects(self._path.filesystem))
        objects = [file.path for file in table.files if isinstance(file.path, ObjectFile)]
        return [f"{_ArrowObjects.protocol}://{each.key}" for each in objects]

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        """Translate errors; for an object, with its store's reason."""
        try:
            with translate_errors(self.location):
                yield
        except InputError as error:
            cause = _PYTHON_ERROR.search(str(error.__cause__))
            if isinstance(self._path, Path) or cause is None:
                raise
            problem = self._path.translate_error(OSError(cause[1]))
        else:
            return
        raise problem from None

    def _replace(self, batches: Iterator[RecordBatch], origin: Origin) -> Manifest:
        destination = FileDestination(self._path, written_format(self._path), option="[stores]")
        return destination.replace(batches, origin)


class _ArrowObjects(ArrowFSWrapper):  # type: ignore[misc]  # fsspec has no types
    """Arrow's filesystem for DuckDB, with pattern characters as literals."""

    protocol = "arrow"

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return path.removeprefix(f"{cls.protocol}://")

    def glob(self, path: str, **options: Any) -> list[str]:
        """The object of that name."""
        return [path]
