"""S3, and whatever else fsspec knows: how it is connected to, and what went wrong in our words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import fsspec

from config.errors import InputError, UserError
from data_access_layer.locations import S3
from data_access_layer.retries import TransientError
from data_access_layer.settings import StoreSettings

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


@dataclass(frozen=True)
class ObjectStore:
    """The store that a location is in."""

    location: str
    scheme: str
    settings: StoreSettings

    @cached_property
    def filesystem(self) -> Any:
        """What opens it; connects to nothing yet."""
        if self.scheme in S3:
            return self._s3()
        try:
            return fsspec.filesystem(self.scheme)
        except (ValueError, ImportError) as error:
            raise InputError(
                f"{self.location}: nothing here opens {self.scheme}:// ({error})."
            ) from None

    def _s3(self) -> Any:
        import s3fs

        settings = self.settings
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

    @contextmanager
    def faults(self) -> Iterator[None]:
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
        said = self.said(error)
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

    def said(self, error: Exception) -> str:
        """The first line of an error, without a secret."""
        lines = str(error).splitlines()
        text = lines[0].rstrip(".") if lines else type(error).__name__
        return self.settings.masked(text)


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
