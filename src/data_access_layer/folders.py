"""A folder of small files, here or in an object store; each appears whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from config.errors import InputError
from data_access_layer.atomic import staged
from data_access_layer.locations import FileLocation, ObjectLocation, parse_location
from data_access_layer.object_stores import ObjectStore
from data_access_layer.retries import with_retries
from data_access_layer.settings import StoreSettings


class Folder(Protocol):
    """Files by their names, which have slashes where there are folders in it."""

    @property
    def location(self) -> str:
        """Where it is, for a person."""

    def names(self, folder: str) -> list[str]:
        """The names, seen from there, of the files in a folder in it; sorted."""

    def read(self, name: str) -> bytes | None:
        """What a file holds, None where it is not there."""

    def write(self, name: str, content: bytes) -> None:
        """Put a file there, or in the place of one."""

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""


def open_folder(location: str, settings: StoreSettings) -> Folder:
    """The folder at a location, which need not be there yet.

    Raises:
        InputError: the location is that of no folder, or has credentials in it.
    """
    match parse_location(location):
        case FileLocation(path=path):
            return _LocalFolder(path)
        case ObjectLocation(url=url, scheme=scheme):
            return _ObjectFolder(url.rstrip("/"), ObjectStore(location, scheme, settings))
    raise InputError(f"{location}: expected a folder here or in an object store: s3://bucket/dags.")


class _LocalFolder:
    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def location(self) -> str:
        return str(self._path)

    def names(self, folder: str) -> list[str]:
        try:
            files = [path.name for path in (self._path / folder).iterdir() if path.is_file()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self._unusable(folder, "read", error) from error
        # What is being written just now has a dot before its name.
        return sorted(name for name in files if not name.startswith("."))

    def read(self, name: str) -> bytes | None:
        try:
            return (self._path / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._unusable(name, "read", error) from error

    def write(self, name: str, content: bytes) -> None:
        try:
            with staged(self._path / name, option="folder") as staging:
                staging.write_bytes(content)
        except OSError as error:
            raise self._unusable(name, "written", error) from error

    def remove(self, name: str) -> None:
        try:
            (self._path / name).unlink(missing_ok=True)
        except OSError as error:
            raise self._unusable(name, "removed", error) from error

    def _unusable(self, name: str, done: str, error: OSError) -> InputError:
        return InputError(f"{self._path / name}: cannot be {done}: {error.strerror}.")


class _ObjectFolder:
    def __init__(self, url: str, store: ObjectStore) -> None:
        self._url = url
        self._store = store

    @property
    def location(self) -> str:
        return self._url

    def names(self, folder: str) -> list[str]:
        def names() -> list[str]:
            try:
                with self._store.faults():
                    found = self._store.filesystem.ls(self._at(folder), detail=False)
            except FileNotFoundError:
                return []
            return sorted(path.rpartition("/")[2] for path in found)

        return self._tried(names)

    def read(self, name: str) -> bytes | None:
        def read() -> bytes | None:
            try:
                with self._store.faults():
                    return bytes(self._store.filesystem.cat_file(self._at(name)))
            except FileNotFoundError:
                return None

        return self._tried(read)

    def write(self, name: str, content: bytes) -> None:
        def write() -> None:
            try:
                with self._store.faults():
                    self._store.filesystem.pipe_file(self._at(name), content)
            except FileNotFoundError as error:
                # No bucket.
                said = self._store.said(error)
                raise InputError(f"{self._at(name)}: cannot be written ({said}).") from None

        self._tried(write)

    def remove(self, name: str) -> None:
        def remove() -> None:
            try:
                with self._store.faults():
                    self._store.filesystem.rm_file(self._at(name))
            except FileNotFoundError:
                return

        self._tried(remove)

    def _at(self, name: str) -> str:
        return f"{self._url}/{name}"

    def _tried[T](self, attempt: Callable[[], T]) -> T:
        return with_retries(attempt, self._store.settings, name=self._url)
