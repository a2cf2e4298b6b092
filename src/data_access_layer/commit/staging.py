"""Stage files and objects: a table with its manifest, or a folder."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from cli.errors import InputError, UserError
from data_access_layer.atomic import NO_ROOM, lock_folder, stage_path
from data_access_layer.commit.manifest import Manifest, announce_manifest, read_manifest
from data_access_layer.files import FilePath, RemoteFile, manifest_path


@dataclass
class StagedTable:
    """Where to write the table, and its manifest; without a manifest, nothing is replaced."""

    path: Path
    manifest: Manifest | None = None


@contextmanager
def stage_table(destination: FilePath, *, option: str = "--output") -> Iterator[StagedTable]:
    """Yield where to write a table; at the end, it and its manifest replace the destination.

    A local file is written next to its destination. An object is written to a temporary folder
    (TMPDIR), and uploaded at the end.

    If the process is killed, either the earlier table or the new one is complete, and
    `read_manifest` finds its manifest.

    Raises:
        InputError: as `stage_path`.
        UserError: the disk is full, or the store failed.
    """
    if not isinstance(destination, Path):
        with _stage_object(destination) as table:
            yield table
        return
    place = manifest_path(destination)
    with ExitStack() as commit:
        with stage_path(destination, option=option) as path:
            table = StagedTable(path)
            yield table
            if table.manifest is None:
                path.unlink(missing_ok=True)
                return
            _flush(path)
            commit.enter_context(lock_folder(path.parent))
            earlier = read_manifest(destination) if destination.exists() else None
            with stage_path(place, option=option) as both:
                table.manifest.announce(both, earlier)
                _flush(both)
        with stage_path(place, option=option) as final:
            table.manifest.write(final)
            _flush(final)
        _flush(path.parent)


@contextmanager
def _stage_object(destination: RemoteFile) -> Iterator[StagedTable]:
    """The same for an object. Of two concurrent writers, the last upload wins."""
    with stage_upload(destination) as path:
        table = StagedTable(path)
        yield table
        if table.manifest is not None:
            # Ask first, so that an error names the table and not the file next to it.
            destination.is_file()
            with announce_manifest(table.manifest, destination, path.with_name("manifest.json")):
                destination.replace_with(table.path)


@contextmanager
def stage_output(destination: FilePath, *, option: str = "--output") -> Iterator[Path]:
    """Yield where to write a file or a folder of files; at the end, it replaces the destination.

    In an object store, the files of a folder are replaced one by one, each atomically. Objects of
    the earlier folder that the new one does not have are deleted last.

    Raises:
        InputError: as `stage_path`.
        UserError: the disk is full, or the store failed.
    """
    if isinstance(destination, Path):
        with stage_path(destination, option=option) as path:
            yield path
        return
    with stage_upload(destination) as path:
        yield path
        if path.is_file():
            destination.replace_with(path)
        elif path.is_dir():
            earlier = destination.list_entries()
            found = (file for file in path.rglob("*") if file.is_file())
            files = {file.relative_to(path).as_posix(): file for file in found}
            for name, file in sorted(files.items()):
                destination.child(name).replace_with(file)
            for name in earlier.keys() - files.keys():
                destination.child(name).delete()


def refuse_foreign_folder(folder: FilePath, marker: str, *, option: str = "--output") -> None:
    """Refuse to replace a folder that this task did not write: it has no file `marker`.

    Raises:
        InputError: the folder exists, and has no such file.
    """
    if isinstance(folder, Path):
        is_foreign = folder.exists() and not (folder / marker).is_file()
    else:
        is_foreign = bool(names := folder.list_entries()) and marker not in names
    if is_foreign:
        raise InputError(
            f"{folder}: would be replaced, but is not an earlier result of this task. "
            f"Choose another {option}."
        )


@contextmanager
def stage_upload(destination: RemoteFile) -> Iterator[Path]:
    """Yield a local temporary path for a file or folder to upload.

    Raises:
        UserError: the disk is full.
    """
    with tempfile.TemporaryDirectory(prefix="table-") as folder:
        try:
            yield Path(folder, destination.name)
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            raise UserError(
                f"{folder}: not enough space to write {destination} before it is sent "
                f"({os.strerror(error.errno or 0)}). Free some space, or set TMPDIR to another "
                "folder; the earlier output is untouched."
            ) from error


def _flush(path: Path) -> None:
    """Flush to disk, so that a rename is never stored before the content."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
