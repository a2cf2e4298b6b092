"""Parquet and CSV files in object stores: S3, and whatever else fsspec knows.

An object appears when all of it was sent, so a reader never sees a part of one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import PurePosixPath

import pyarrow as pa

from config.errors import InputError, UserError
from data_access_layer.duckdb_tables import (
    NO_PATTERN,
    DuckDBReadable,
    Selectable,
    connection,
    file_source,
    remembering,
    write_file,
)
from data_access_layer.files import FORMATS, Format
from data_access_layer.locations import ObjectLocation
from data_access_layer.object_stores import ObjectStore
from data_access_layer.settings import StoreSettings


class ObjectTable(DuckDBReadable):
    """An object, or all the objects of a folder, in one of those formats."""

    def __init__(
        self, name: str, location: str, settings: StoreSettings, *, at: ObjectLocation
    ) -> None:
        super().__init__(name, location, settings)
        self._at = at

    @cached_property
    def _store(self) -> ObjectStore:
        return ObjectStore(self.location, self._at.scheme, self._settings)

    def _exists(self) -> bool:
        try:
            with self._store.faults():
                return bool(self._files())
        except FileNotFoundError:
            return False

    def _files(self) -> list[str]:
        filesystem, url = self._store.filesystem, self._at.url
        if _format(url):
            filesystem.info(url)
            return [url]
        return sorted(
            filesystem.unstrip_protocol(name)
            for name in filesystem.ls(url, detail=False)
            if _format(name) and not PurePosixPath(name).name.startswith((".", "_"))
        )

    @contextmanager
    def _source(self) -> Iterator[Selectable]:
        with self._store.faults(), connection() as opened:
            try:
                files = self._files()
            except FileNotFoundError as error:
                raise InputError(
                    f"{self.location}: is not there ({self._store.said(error)})."
                ) from None
            formats = {_format(file) for file in files}
            if len(formats) != 1:
                raise InputError(
                    f"{self.location}: expected files that end in {', '.join(FORMATS)}, all of one "
                    f"format; found {len(files)} of {len(formats)} formats."
                )
            opened.register_filesystem(self._store.filesystem)
            # A pattern's characters in an object's name are those characters.
            names = [file.translate(NO_PATTERN) for file in files]
            yield Selectable.of(opened, *file_source(names, formats.pop() or "parquet"))

    def _write(self, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
        format = _format(self._at.url)
        if format is None:
            raise InputError(
                f"{self.location}: cannot tell the format to write; end it in {', '.join(FORMATS)}."
            )
        failed: list[Exception] = []
        try:
            with self._store.faults():
                self._put(format, schema, remembering(batches, failed))
        except FileNotFoundError as error:
            raise InputError(
                f"{self.location}: cannot be written ({self._store.said(error)})."
            ) from None
        except UserError:
            if failed:
                raise failed[0] from None
            raise

    def _put(self, format: Format, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
        sink = self._store.filesystem.open(self._at.url, "wb", autocommit=False)
        try:
            write_file(sink, format, schema, batches)
            sink.close()
            sink.commit()
        except BaseException:
            sink.discard()
            raise


def _format(url: str) -> Format | None:
    return FORMATS.get(PurePosixPath(url).suffix.lower())
