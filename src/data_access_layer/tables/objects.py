"""Files in object stores: S3, Google Cloud Storage or Azure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path, PurePosixPath
from threading import Thread
from typing import Any, Self

import pyarrow as pa

from cli.errors import InputError, UserError
from data_access_layer.files import FolderListing, FoundFile, is_table, walk_table_files
from data_access_layer.retries import TransientError, with_retries
from data_access_layer.settings import StoreSettings
from data_access_layer.tables.clouds import (
    TooLargeError,
    cloud_of,
    is_access_denied,
    is_missing_bucket,
    is_transient,
    key_of,
)

# Extra time beyond the limit, so that a client can report its own error.
_GRACE_SECONDS = 2
# Bytes per second; a slower upload has stopped.
_SLOWEST = 50_000


@dataclass(frozen=True)
class ListedObject:
    """An object in a listing of its store."""

    file: ObjectFile
    size: int
    modified: datetime


@dataclass(frozen=True)
class ObjectFile:
    """An object, or the objects below a prefix.

    When it is sent to another process, that process uses its own settings.
    """

    location: str
    settings: StoreSettings = field(repr=False)

    def __getstate__(self) -> dict[str, Any]:
        # No credentials are sent to another process.
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

    def child(self, name: str) -> Self:
        """The object of that name, with this location as its prefix."""
        return replace(self, location=f"{self.location.rstrip('/')}/{name}")

    @property
    def key(self) -> str:
        """Bucket and key, in the format of `filesystem`."""
        return key_of(self.location)

    @property
    def bucket(self) -> str:
        """The bucket, which Azure calls container."""
        return self.key.partition("/")[0]

    @cached_property
    def filesystem(self) -> Any:
        """Arrow's client of the store, with the credentials of the settings.

        Raises:
            InputError: the location names no object store.
            UserError: the settings are wrong.
        """
        with self._translate_errors():
            return cloud_of(self.location).filesystem(self.location, self.settings)

    def size(self) -> int:
        """How many bytes it has.

        Raises:
            InputError: it does not exist.
            UserError: the store denies access, or does not answer.
        """
        info = self._fetch_info(self.key)
        if not info.is_file:
            raise InputError(f"{self.location}: cannot be read: there is no such object.")
        return int(info.size)

    def open(self) -> Any:
        """Open it for reading.

        Raises:
            InputError: it does not exist.
            UserError: the store denies access, or does not answer.
        """
        return self._retry(lambda: self.filesystem.open_input_file(self.key), sent=0)

    def is_file(self) -> bool:
        """Whether it exists.

        Raises:
            UserError: the store denies access, or does not answer.
        """
        return bool(self._fetch_info(self.key).is_file)

    def read_text(self) -> str:
        """Read it as UTF-8.

        Raises:
            FileNotFoundError: it does not exist.
        """
        if not self.is_file():
            raise FileNotFoundError(self.location)
        with self.open() as file:
            return str(file.read(), "utf-8")

    def replace_with(self, file: Path) -> None:
        """Replace it with a local file, completely or not at all.

        Raises:
            UserError: the store denies access, or does not answer.
        """
        publish = cloud_of(self.location).publish
        try:
            self._retry(lambda: publish(self.filesystem, file, self.key), sent=file.stat().st_size)
        except TooLargeError as error:
            raise UserError(f"{self.location}: cannot be written: {error}") from error

    def delete(self) -> None:
        """Delete it, if it exists.

        Raises:
            UserError: the store denies access, or does not answer.
        """

        def attempt() -> None:
            # An earlier attempt without an answer may have deleted it.
            with suppress(FileNotFoundError):
                self.filesystem.delete_file(self.key)

        self._retry(attempt, sent=0)

    def check_bucket(self) -> None:
        """Refuse a bucket that does not exist, if the store permits the check.

        Raises:
            InputError: the bucket does not exist.
        """
        try:
            info = self._fetch_info(self.bucket)
        except UserError:
            # Permission to write objects does not always include their bucket.
            return
        if info.type.name == "NotFound":
            raise self._missing_bucket()

    def has_folder(self, name: str) -> bool:
        """Whether there are objects in the subfolder `name`."""
        return bool(self.child(name).list_objects(recursive=False))

    def list_entries(self) -> dict[str, datetime]:
        """When each object below this prefix was written, by names for `child`.

        Raises:
            InputError: the bucket does not exist.
            UserError: the store denies access, or does not answer.
        """
        start = len(self.location.rstrip("/")) + 1
        return {each.file.location[start:]: each.modified for each in self.list_objects()}

    def list_siblings(self) -> dict[str, datetime]:
        """When each object in the same folder was written, by names for `with_name`."""
        folder = replace(self, location=self.location.rpartition("/")[0])
        return {each.file.name: each.modified for each in folder.list_objects(recursive=False)}

    def list_objects(self, *, recursive: bool = True) -> list[ListedObject]:
        """All objects below this prefix, or only those directly below it, sorted by location.

        Raises:
            InputError: the bucket does not exist.
            UserError: the store denies access, or does not answer.
        """
        from pyarrow import fs

        selector = fs.FileSelector(self.key, allow_not_found=True, recursive=recursive)
        infos: Any = self._retry(lambda: self.filesystem.get_file_info(selector))
        scheme, _, rest = self.location.partition("://")
        root, bucket = f"{scheme}://{rest.partition('/')[0]}", self.bucket
        found = [
            ListedObject(
                replace(self, location=root + info.path.removeprefix(bucket)),
                int(info.size),
                info.mtime,
            )
            for info in infos
            if info.is_file
        ]
        if not found:
            self.check_bucket()
        return sorted(found, key=lambda each: each.file.location)

    def files(self) -> list[FoundFile]:
        """The object itself, or all table files below the prefix, as `list_table_files`.

        Raises:
            InputError: there is no object.
        """
        if self.is_file():
            return [FoundFile(self)]
        if is_table(self.name):
            self.check_bucket()
            self.size()
        root = self.location.rstrip("/")
        folders = _group_by_folder((each.file.location for each in self.list_objects()), root)
        return walk_table_files(
            root, lambda folder: folders[folder], partial(ObjectFile, settings=self.settings)
        )

    def _fetch_info(self, key: str) -> Any:
        return self._retry(lambda: self.filesystem.get_file_info(key), sent=0)

    def _retry[T](self, attempt: Callable[[], T], *, sent: int | None = None) -> T:
        """Retry transient errors; `sent` is the upload size of an attempt with a time limit."""

        def explained() -> T:
            with self._translate_errors():
                if sent is None:
                    return attempt()
                return _call_with_timeout(attempt, self.settings.timeout_seconds + sent // _SLOWEST)

        return with_retries(explained, self.settings, name=self.location)

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        """Translate errors of the client to user errors and transient errors.

        Never chained: a client's error may contain credentials.
        """
        problem: Exception
        try:
            yield
            return
        except (OSError, pa.ArrowException) as error:
            problem = self.translate_error(error)
        raise problem from None

    def translate_error(self, error: Exception) -> Exception:
        """A user error for an error of the client, or a `TransientError`."""
        message = self.settings.mask_secrets(str(error).splitlines()[0].rstrip("."))
        # Google's client repeats the message there.
        reason = message.partition(" error_info=")[0]
        cloud = cloud_of(self.location)
        if is_missing_bucket(reason):
            return self._missing_bucket()
        if is_access_denied(reason):
            return UserError(f"{self.location}: access denied ({reason}). {cloud.credentials}")
        if isinstance(error, FileNotFoundError):
            return InputError(f"{self.location}: cannot be read: there is no such object.")
        if is_transient(reason):
            return TransientError(reason)
        return UserError(f"{self.location}: the store failed ({reason}).")

    def _missing_bucket(self) -> InputError:
        cloud = cloud_of(self.location)
        return InputError(f"{self.location}: there is no {cloud.bucket} {self.bucket!r}.")


def _call_with_timeout[T](attempt: Callable[[], T], seconds: int) -> T:
    """Call `attempt`, with a time limit.

    Google's and Azure's clients wait for minutes, or forever.
    """
    outcome: Future[T] = Future()

    def run() -> None:
        try:
            outcome.set_result(attempt())
        except BaseException as error:
            outcome.set_exception(error)

    Thread(target=run, daemon=True).start()
    try:
        return outcome.result(seconds + _GRACE_SECONDS)
    except TimeoutError:
        raise TransientError(f"no answer in {seconds} s") from None


def _group_by_folder(locations: Iterable[str], root: str) -> dict[str, FolderListing]:
    """The entries of each folder. Arrow lists no folders in Google Cloud Storage."""
    folders: dict[str, dict[str, bool]] = defaultdict(dict)
    for location in locations:
        inner, is_folder = location, False
        while inner != root:
            outer = inner.rpartition("/")[0]
            folders[outer][inner] = is_folder
            inner, is_folder = outer, True
    return defaultdict(list, {name: sorted(inner.items()) for name, inner in folders.items()})
