"""Files in object stores: in S3, Google Cloud Storage or Azure."""

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

# What a client may take beyond the time limit, to say itself what is wrong.
_GRACE_SECONDS = 2
# Bytes in a second: an upload that is slower has stopped.
_SLOWEST = 50_000


@dataclass(frozen=True)
class ListedObject:
    """An object, as its store lists it."""

    file: ObjectFile
    size: int
    modified: datetime


@dataclass(frozen=True)
class ObjectFile:
    """One object, read like a file, or what is below a prefix.

    Another process opens it with its own settings.
    """

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

    def child(self, name: str) -> Self:
        """The object of that name below it as a prefix."""
        return replace(self, location=f"{self.location.rstrip('/')}/{name}")

    @property
    def key(self) -> str:
        """Bucket and key, as `filesystem` takes them."""
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
            UserError: the settings are not those of a store.
        """
        with self._translate_errors():
            return cloud_of(self.location).filesystem(self.location, self.settings)

    def size(self) -> int:
        """How many bytes it has.

        Raises:
            InputError: it is not there.
            UserError: the store denies access, or does not answer.
        """
        info = self._fetch_info(self.key)
        if not info.is_file:
            raise InputError(f"{self.location}: cannot be read: there is no such object.")
        return int(info.size)

    def open(self) -> Any:
        """A file for reading.

        Raises:
            InputError: it is not there.
            UserError: the store denies access, or does not answer.
        """
        return self._retry(lambda: self.filesystem.open_input_file(self.key), sent=0)

    def is_file(self) -> bool:
        """Whether it is there.

        Raises:
            UserError: the store denies access, or does not answer.
        """
        return bool(self._fetch_info(self.key).is_file)

    def read_text(self) -> str:
        """What it holds, in UTF-8.

        Raises:
            FileNotFoundError: it is not there.
        """
        if not self.is_file():
            raise FileNotFoundError(self.location)
        with self.open() as file:
            return str(file.read(), "utf-8")

    def replace_with(self, file: Path) -> None:
        """Make a file of this machine take its place: whole, or it stays as it was.

        Raises:
            UserError: the store denies access, or does not answer.
        """
        publish = cloud_of(self.location).publish
        try:
            self._retry(lambda: publish(self.filesystem, file, self.key), sent=file.stat().st_size)
        except TooLargeError as error:
            raise UserError(f"{self.location}: cannot be written: {error}") from error

    def delete(self) -> None:
        """Remove it, if it is there.

        Raises:
            UserError: the store denies access, or does not answer.
        """

        def attempt() -> None:
            # An earlier attempt that got no answer may have removed it.
            with suppress(FileNotFoundError):
                self.filesystem.delete_file(self.key)

        self._retry(attempt, sent=0)

    def check_bucket(self) -> None:
        """Refuse a bucket that is not there, as far as the store lets us ask.

        Raises:
            InputError: there is none.
        """
        try:
            info = self._fetch_info(self.bucket)
        except UserError:
            # Who may write objects may not always look at their bucket.
            return
        if info.type.name == "NotFound":
            raise self._missing_bucket()

    def has_folder(self, name: str) -> bool:
        """Whether there are objects below that name below it as a prefix."""
        return bool(self.child(name).list_objects(recursive=False))

    def list_entries(self) -> dict[str, datetime]:
        """When each object below it as a prefix was written, by names that `child` takes.

        Raises:
            InputError: there is no such bucket.
            UserError: the store denies access, or does not answer.
        """
        start = len(self.location.rstrip("/")) + 1
        return {each.file.location[start:]: each.modified for each in self.list_objects()}

    def list_siblings(self) -> dict[str, datetime]:
        """When each object in the same folder was written, by names that `with_name` takes."""
        folder = replace(self, location=self.location.rpartition("/")[0])
        return {each.file.name: each.modified for each in folder.list_objects(recursive=False)}

    def list_objects(self, *, recursive: bool = True) -> list[ListedObject]:
        """All objects below this prefix, by their locations, or those directly below it.

        Raises:
            InputError: there is no such bucket.
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
        """The object itself, or all table files below a prefix, as `list_table_files` lists a folder's.

        Raises:
            InputError: there is none.
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
        """Try again what may pass; `sent` are the bytes of an attempt whose time is limited."""

        def explained() -> T:
            with self._translate_errors():
                if sent is None:
                    return attempt()
                return _call_with_timeout(attempt, self.settings.timeout_seconds + sent // _SLOWEST)

        return with_retries(explained, self.settings, name=self.location)

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        """Say in our words what went wrong, and what of it may pass.

        Never chained: what a client raises may hold what it connected with.
        """
        problem: Exception
        try:
            yield
            return
        except (OSError, pa.ArrowException) as error:
            problem = self.translate_error(error)
        raise problem from None

    def translate_error(self, error: Exception) -> Exception:
        """What went wrong, in our words; a `TransientError` where it may pass."""
        whole = self.settings.mask_secrets(str(error).splitlines()[0].rstrip("."))
        # Google's client repeats itself there.
        said = whole.partition(" error_info=")[0]
        cloud = cloud_of(self.location)
        if is_missing_bucket(said):
            return self._missing_bucket()
        if is_access_denied(said):
            return UserError(f"{self.location}: access denied ({said}). {cloud.credentials}")
        if isinstance(error, FileNotFoundError):
            return InputError(f"{self.location}: cannot be read: there is no such object.")
        if is_transient(said):
            return TransientError(said)
        return UserError(f"{self.location}: the store failed ({said}).")

    def _missing_bucket(self) -> InputError:
        cloud = cloud_of(self.location)
        return InputError(f"{self.location}: there is no {cloud.bucket} {self.bucket!r}.")


def _call_with_timeout[T](attempt: Callable[[], T], seconds: int) -> T:
    """What `attempt` returns, or an error when a store takes longer to answer.

    Google's and Azure's clients wait for minutes or for ever.
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
    """What is directly in each folder. Arrow lists no folders in Google's store."""
    folders: dict[str, dict[str, bool]] = defaultdict(dict)
    for location in locations:
        inner, is_folder = location, False
        while inner != root:
            outer = inner.rpartition("/")[0]
            folders[outer][inner] = is_folder
            inner, is_folder = outer, True
    return defaultdict(list, {name: sorted(inner.items()) for name, inner in folders.items()})
