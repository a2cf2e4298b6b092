"""Parquet and CSV files in object stores: S3, and whatever else fsspec knows.

An object appears when all of it was sent, so a reader never sees a part of one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

import duckdb
import fsspec
import pyarrow as pa

from config.errors import InputError, UserError
from data_access_layer.duckdb_tables import (
    DuckDBReadable,
    connection,
    file_source,
    remembering,
    write_file,
)
from data_access_layer.files import FORMATS, Format
from data_access_layer.locations import ObjectLocation
from data_access_layer.retries import TransientError
from data_access_layer.settings import StoreSettings

MASK = "**********"
S3 = {"s3", "s3a"}
_TRANSIENT_CODES = {
    "SlowDown",
    "InternalError",
    "ServiceUnavailable",
    "RequestTimeout",
    "RequestTimeTooSkewed",
    "ThrottlingException",
    "Throttling",
    "500",
    "502",
    "503",
    "504",
}


class ObjectTable(DuckDBReadable):
    """An object, or all the objects of a folder, in one of those formats."""

    def __init__(
        self, name: str, location: str, settings: StoreSettings, *, at: ObjectLocation
    ) -> None:
        super().__init__(name, location, settings)
        self._at = at

    @cached_property
    def _filesystem(self) -> Any:
        if self._at.scheme in S3:
            return self._s3()
        try:
            return fsspec.filesystem(self._at.scheme)
        except (ValueError, ImportError) as error:
            raise InputError(
                f"{self.location}: nothing here opens {self._at.scheme}:// ({error})."
            ) from None

    def _s3(self) -> Any:
        import s3fs

        settings = self._settings
        filesystem = s3fs.S3FileSystem(
            key=settings.s3_key.get_secret_value() if settings.s3_key else None,
            secret=settings.s3_secret.get_secret_value() if settings.s3_secret else None,
            endpoint_url=settings.s3_endpoint_url,
            config_kwargs={
                "connect_timeout": settings.timeout_seconds,
                "read_timeout": settings.timeout_seconds,
                # We count the tries ourselves, and say so.
                "retries": {"total_max_attempts": 1},
            },
            # DuckDB asks for just the bytes that it needs.
            default_cache_type="none",
            default_fill_cache=False,
            use_listings_cache=False,
        )
        filesystem.retries = 1
        return filesystem

    def _exists(self) -> bool:
        try:
            with self._faults():
                return bool(self._files())
        except FileNotFoundError:
            return False

    def _files(self) -> list[str]:
        filesystem, url = self._filesystem, self._at.url
        if _format(url):
            filesystem.info(url)
            return [url]
        return sorted(
            filesystem.unstrip_protocol(name)
            for name in filesystem.ls(url, detail=False)
            if _format(name) and not PurePosixPath(name).name.startswith((".", "_"))
        )

    @contextmanager
    def _source(self) -> Iterator[tuple[duckdb.DuckDBPyConnection, str, list[Any]]]:
        with self._faults(), connection() as opened:
            try:
                files = self._files()
            except FileNotFoundError as error:
                raise InputError(f"{self.location}: is not there ({self._said(error)}).") from None
            formats = {_format(file) for file in files}
            if len(formats) != 1:
                raise InputError(
                    f"{self.location}: expected files that end in {', '.join(FORMATS)}, all of one "
                    f"format; found {len(files)} of {len(formats)} formats."
                )
            opened.register_filesystem(self._filesystem)
            yield opened, *file_source(files, formats.pop() or "parquet")

    def _write(self, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
        format = _format(self._at.url)
        if format is None:
            raise InputError(
                f"{self.location}: cannot tell the format to write; end it in {', '.join(FORMATS)}."
            )
        failed: list[Exception] = []
        try:
            with self._faults():
                self._put(format, schema, remembering(batches, failed))
        except FileNotFoundError as error:
            raise InputError(f"{self.location}: cannot be written ({self._said(error)}).") from None
        except UserError:
            if failed:
                raise failed[0] from None
            raise

    def _put(self, format: Format, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
        sink = self._filesystem.open(self._at.url, "wb", autocommit=False)
        try:
            write_file(sink, format, schema, batches)
            sink.close()
            sink.commit()
        except BaseException:
            sink.discard()
            raise

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """Say in our words what went wrong, and what of it may pass; a missing file is passed on.

        Never chained: what a client raises may hold what it connected with.
        """
        problem: Exception
        try:
            yield
            return
        except (FileNotFoundError, InputError, UserError, TransientError):
            raise
        except Exception as error:
            problem = self._problem(error)
        raise problem from None

    def _problem(self, error: Exception) -> Exception:
        said = self._said(error)
        causes = list(_causes(error))
        if any(_is_transient(cause) for cause in causes):
            return TransientError(said)
        if any(isinstance(cause, PermissionError) for cause in causes):
            return UserError(
                f"{self.location}: the store does not let us in ({said}). Set "
                "DATASCIENCE_STORES_S3_KEY and DATASCIENCE_STORES_S3_SECRET, or what AWS' own "
                "tools read."
            )
        if any(type(cause).__name__ == "NoCredentialsError" for cause in causes):
            return UserError(
                f"{self.location}: no credentials ({said}). Set DATASCIENCE_STORES_S3_KEY and "
                "DATASCIENCE_STORES_S3_SECRET, or what AWS' own tools read."
            )
        return InputError(f"{self.location}: cannot be read or written ({said}).")

    def _said(self, error: Exception) -> str:
        lines = str(error).splitlines()
        text = lines[0].rstrip(".") if lines else type(error).__name__
        for secret in (self._settings.s3_key, self._settings.s3_secret):
            if secret and secret.get_secret_value():
                text = text.replace(secret.get_secret_value(), MASK)
        return text


def _format(url: str) -> Format | None:
    return FORMATS.get(PurePosixPath(url).suffix.lower())


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and all that it came from."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _is_transient(error: BaseException) -> bool:
    if isinstance(error, ConnectionError | TimeoutError):
        return True
    answer = getattr(error, "response", None)
    if isinstance(answer, dict):
        return str(answer.get("Error", {}).get("Code")) in _TRANSIENT_CODES
    # botocore's own, by name: its package is none of our requirements, but s3fs's.
    return any(
        kind.__module__ == "botocore.exceptions"
        and kind.__name__ in ("HTTPClientError", "ConnectionError")
        for kind in type(error).__mro__
    )
