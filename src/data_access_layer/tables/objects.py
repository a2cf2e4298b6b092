"""Files in S3, through Arrow's own filesystem, which is part of pyarrow."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property, lru_cache, partial
from pathlib import Path, PurePosixPath
from typing import Any, Self
from urllib.parse import urlsplit

from pydantic import SecretStr

from config.errors import InputError, UserError
from data_access_layer.files import FoundFile, Listed, found_files, is_table
from data_access_layer.retries import TransientError, with_retries
from data_access_layer.settings import StoreSettings

CHUNK_BYTES = 8 << 20
_TRANSIENT = re.compile(
    "NETWORK_CONNECTION|SLOW_DOWN|SERVICE_UNAVAILABLE|INTERNAL_FAILURE|THROTTLING|REQUEST_TIMEOUT|"
    "REQUEST_EXPIRED|HTTP status 5|curlCode|timed? ?out",
    re.IGNORECASE,
)
_REFUSED = re.compile(
    "ACCESS_DENIED|INVALID_ACCESS_KEY|INVALID_CLIENT_TOKEN|SIGNATURE|UNRECOGNIZED_CLIENT|"
    "credentials|HTTP status 40[13]",
    re.IGNORECASE,
)
_NO_BUCKET = re.compile("NO_SUCH_BUCKET|bucket does not exist", re.IGNORECASE)


@dataclass(frozen=True)
class ObjectFile:
    """One object, read like a file. Another process opens it with its own settings."""

    location: str
    settings: StoreSettings = field(repr=False)

    def __getstate__(self) -> dict[str, Any]:
        # What travels to another process holds no credentials.
        return {"location": self.location}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, settings=StoreSettings.load())

    def __str__(self) -> str:
        return self.location

    @property
    def name(self) -> str:
        """The last part of its key."""
        return PurePosixPath(self.location).name

    @property
    def suffix(self) -> str:
        """The ending of its name."""
        return PurePosixPath(self.location).suffix

    def with_suffix(self, suffix: str) -> PurePosixPath:
        """Its location with another ending."""
        return PurePosixPath(self.location).with_suffix(suffix)

    def with_name(self, name: str) -> Self:
        """The object of that name under the same prefix."""
        return replace(self, location=f"{self.location.rpartition('/')[0]}/{name}")

    @cached_property
    def _store(self) -> ObjectStore:
        return ObjectStore(self.location, self.settings)

    @property
    def key(self) -> str:
        """The bucket and the object's key, as `filesystem` has them."""
        return self._store._key

    @property
    def filesystem(self) -> Any:
        """Arrow's filesystem of its store."""
        return self._store._filesystem

    def problem(self, error: OSError) -> Exception:
        """What went wrong, in our words."""
        return self._store._problem(error)

    def files(self) -> list[FoundFile]:
        """The object itself, or all table files below it as a prefix.

        Raises:
            InputError: there is none.
        """
        return self._store.files()

    def child(self, name: str) -> Self:
        """The object of that name below it as a prefix."""
        return replace(self, location=f"{self.location.rstrip('/')}/{name}")

    def is_folder(self, name: str) -> bool:
        """Whether there are objects below that name below it as a prefix."""
        return self.child(name)._store.is_folder()

    def objects(self) -> dict[str, datetime]:
        """When each object below it as a prefix was written, by names that `child` takes."""
        return self._store.objects()

    def delete(self) -> None:
        """Delete it; it need not be there."""
        self._store.delete()

    def size(self) -> int:
        """How many bytes it has.

        Raises:
            InputError: it is not there.
            UserError: the store denies access, or does not answer.
        """
        size = self._store.size()
        if size is None:
            raise InputError(f"{self.location}: cannot be read: there is no such object.")
        return size

    def open(self) -> Any:
        """A file for reading.

        Raises:
            InputError: it is not there.
            UserError: the store denies access, or does not answer.
        """
        return self._store.open()

    def is_file(self) -> bool:
        """Whether it is there.

        Raises:
            UserError: the store denies access, or does not answer.
        """
        return self._store.size() is not None

    def read_text(self) -> str:
        """What it holds, in UTF-8.

        Raises:
            FileNotFoundError: it is not there.
        """
        if not self.is_file():
            raise FileNotFoundError(self.location)
        with self.open() as file:
            return str(file.read(), "utf-8")

    def replace_by(self, file: Path) -> None:
        """Make a file of this machine take its place: whole, or it stays as it was.

        Raises:
            UserError: the store denies access, or does not answer.
        """
        self._store.upload(file)


@dataclass(frozen=True)
class ObjectStore:
    """The bucket and key that a location names, and what opens them."""

    location: str
    settings: StoreSettings = field(repr=False)

    @cached_property
    def _key(self) -> str:
        return self.location.partition("://")[2].rstrip("/")

    @property
    def _filesystem(self) -> Any:
        settings = self.settings
        return _s3(
            settings.s3_endpoint_url or "",
            settings.s3_key,
            settings.s3_secret,
            settings.timeout_seconds,
        )

    def _tried[T](self, attempt: Callable[[], T]) -> T:
        def explained() -> T:
            with self._explained():
                return attempt()

        return with_retries(explained, self.settings, name=self.location)

    def size(self) -> int | None:
        """The bytes of the object; None where there is none."""
        info: Any = self._tried(lambda: self._filesystem.get_file_info(self._key))
        return int(info.size) if info.is_file else None

    def open(self) -> Any:
        """The object, for reading.

        Raises:
            InputError: it is not there.
        """
        return self._tried(lambda: self._filesystem.open_input_file(self._key))

    def files(self) -> list[FoundFile]:
        """The object itself, or all table files below a prefix, as `table_files` lists a folder's.

        Raises:
            InputError: there is none.
        """
        file = ObjectFile(self.location, self.settings)
        if self.size() is not None:
            return [FoundFile(file)]
        if is_table(file.name):
            file.size()
        return found_files(self.location, self._listed, partial(ObjectFile, settings=self.settings))

    def _listed(self, folder: str) -> Listed:
        from pyarrow import fs

        scheme, _, key = folder.rstrip("/").partition("://")
        selector = fs.FileSelector(key, allow_not_found=True)
        infos: Any = self._tried(lambda: self._filesystem.get_file_info(selector))
        is_folder = fs.FileType.Directory
        return sorted((f"{scheme}://{info.path}", info.type == is_folder) for info in infos)

    def is_folder(self) -> bool:
        """Whether it is a prefix of objects."""
        from pyarrow import fs

        info: Any = self._tried(lambda: self._filesystem.get_file_info(self._key))
        return bool(info.type == fs.FileType.Directory)

    def objects(self) -> dict[str, datetime]:
        """When each object below the prefix was written, by names that begin there."""
        from pyarrow import fs

        selector = fs.FileSelector(self._key, allow_not_found=True, recursive=True)
        infos: Any = self._tried(lambda: self._filesystem.get_file_info(selector))
        start = f"{self._key}/"
        return {info.path.removeprefix(start): info.mtime for info in infos if info.is_file}

    def delete(self) -> None:
        """Delete the object; it need not be there."""
        if self.size() is not None:
            self._tried(lambda: self._filesystem.delete_file(self._key))

    def upload(self, file: Path) -> None:
        """Make a file of this machine the object: whole, or it stays as it was.

        Arrow would publish half an object where an exception passes through an open upload. So the
        bytes are sent by one call, which no exception of Python's can interrupt.

        Raises:
            UserError: the store denies access, or does not answer.
        """
        from pyarrow import fs

        self._tried(
            lambda: fs.copy_files(
                str(file),
                self._key,
                source_filesystem=fs.LocalFileSystem(),
                destination_filesystem=self._filesystem,
                chunk_size=CHUNK_BYTES,
                use_threads=False,
            )
        )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Say in our words what went wrong, and what of it may pass.

        Never chained: what a client raises may hold what it connected with.
        """
        problem: Exception
        try:
            yield
            return
        except OSError as error:
            problem = self._problem(error)
        raise problem from None

    def _problem(self, error: OSError) -> Exception:
        said = str(error).splitlines()[0].rstrip(".")
        said = self.settings.masked(said)
        if _NO_BUCKET.search(said):
            return InputError(f"{self.location}: there is no such bucket ({said}).")
        if _REFUSED.search(said):
            return UserError(
                f"{self.location}: access denied ({said}). Set DATASCIENCE_STORES_S3_KEY and "
                "DATASCIENCE_STORES_S3_SECRET, or what AWS' own tools read."
            )
        if isinstance(error, FileNotFoundError):
            return InputError(f"{self.location}: cannot be read: there is no such object.")
        if _TRANSIENT.search(said):
            return TransientError(said)
        return UserError(f"{self.location}: the store failed ({said}).")


@lru_cache
def _s3(endpoint: str, key: SecretStr | None, secret: SecretStr | None, timeout: int) -> Any:
    """The client of a server: one for all of its objects."""
    from pyarrow import fs

    server = urlsplit(endpoint)
    options: dict[str, Any] = {}
    if server.netloc:
        options = {"endpoint_override": server.netloc, "scheme": server.scheme}
    if key and secret:
        options["access_key"] = key.get_secret_value()
        options["secret_key"] = secret.get_secret_value()
    return fs.S3FileSystem(
        **options,
        connect_timeout=timeout,
        request_timeout=timeout,
        # The tries are counted and shown by `with_retries`.
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=1),
    )
