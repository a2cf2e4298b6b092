"""A folder of small files, local or in an object store; each file is written atomically."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from cli.errors import InputError
from data_access_layer.atomic import stage_path
from data_access_layer.commit.staging import stage_upload
from data_access_layer.locations import FileLocation, ObjectLocation, parse_location
from data_access_layer.settings import StoreSettings
from data_access_layer.tables.objects import ObjectFile


class Folder(Protocol):
    """A folder of files; names may contain slashes, for subfolders."""

    @property
    def location(self) -> str:
        """Where it is, for messages."""

    def names(self, folder: str) -> list[str]:
        """The sorted names of the files in a subfolder, relative to the subfolder."""

    def read(self, name: str) -> bytes | None:
        """The content of a file; None if it does not exist."""

    def write(self, name: str, content: bytes) -> None:
        """Write a file, or replace it."""

    def remove(self, name: str) -> None:
        """Remove a file, if it exists."""


def open_folder(location: str, settings: StoreSettings) -> Folder:
    """Open the folder at a location; it need not exist yet.

    Raises:
        InputError: the location is not a folder, or has credentials in it.
    """
    match parse_location(location):
        case FileLocation(path=path):
            return _LocalFolder(path)
        case ObjectLocation():
            return _ObjectFolder(ObjectFile(location.rstrip("/"), settings))
    raise InputError(f"{location}: expected a folder on this machine or in an object store.")


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
            raise self._access_error(folder, "read", error) from error
        # Files that are being written begin with a dot.
        return sorted(name for name in files if not name.startswith("."))

    def read(self, name: str) -> bytes | None:
        try:
            return (self._path / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._access_error(name, "read", error) from error

    def write(self, name: str, content: bytes) -> None:
        try:
            with stage_path(self._path / name, option="folder") as staging:
                staging.write_bytes(content)
        except OSError as error:
            raise self._access_error(name, "written", error) from error

    def remove(self, name: str) -> None:
        try:
            (self._path / name).unlink(missing_ok=True)
        except OSError as error:
            raise self._access_error(name, "removed", error) from error

    def _access_error(self, name: str, done: str, error: OSError) -> InputError:
        return InputError(f"{self._path / name}: cannot be {done}: {error.strerror}.")


class _ObjectFolder:
    def __init__(self, folder: ObjectFile) -> None:
        self._folder = folder

    @property
    def location(self) -> str:
        return str(self._folder)

    def names(self, folder: str) -> list[str]:
        found = (self._folder.child(folder) if folder else self._folder).list_entries()
        return sorted(name for name in found if "/" not in name)

    def read(self, name: str) -> bytes | None:
        file = self._folder.child(name)
        if not file.is_file():
            return None
        with file.open() as opened:
            return bytes(opened.read())

    def write(self, name: str, content: bytes) -> None:
        with stage_upload(self._folder) as path:
            path.write_bytes(content)
            self._folder.child(name).replace_with(path)

    def remove(self, name: str) -> None:
        self._folder.child(name).delete()
