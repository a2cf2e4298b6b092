"""A table file, or object, and its manifest, written as one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from config.errors import UserError
from data_access_layer.atomic import NO_ROOM, locked, staged
from data_access_layer.commit.manifest import Manifest, manifest_of
from data_access_layer.files import FilePath, Openable, manifest_path


@dataclass
class StagedTable:
    """Where the table is written, and what it then is; without a manifest nothing is replaced."""

    path: Path
    manifest: Manifest | None = None


@contextmanager
def staged_table(destination: FilePath, *, option: str = "--output") -> Iterator[StagedTable]:
    """Yield where to write a table; it and its manifest take their places at the end.

    A file of this machine is written next to its destination; an object is written in a temporary
    folder (TMPDIR), and sent at the end.

    Killed at any moment, the earlier table or the new one is whole, and `manifest_of` finds its
    manifest: that is announced before the table is renamed, beside the earlier one's.

    Raises:
        InputError: as `staged`.
        UserError: the disk is full, or the store failed.
    """
    if not isinstance(destination, Path):
        with _staged_object(destination) as table:
            yield table
        return
    place = manifest_path(destination)
    with ExitStack() as commit:
        with staged(destination, option=option) as path:
            table = StagedTable(path)
            yield table
            if table.manifest is None:
                path.unlink(missing_ok=True)
                return
            _flush(path)
            commit.enter_context(locked(path.parent))
            earlier = manifest_of(destination) if destination.exists() else None
            with staged(place, option=option) as announced:
                table.manifest.announce(announced, earlier)
                _flush(announced)
        with staged(place, option=option) as final:
            table.manifest.write(final)
            _flush(final)
        _flush(path.parent)


@contextmanager
def _staged_object(destination: Openable) -> Iterator[StagedTable]:
    """The same for an object. Of two writers at the same time, the last one to send wins."""
    with tempfile.TemporaryDirectory(prefix="table-") as folder:
        table = StagedTable(Path(folder, destination.name))
        try:
            yield table
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            raise UserError(
                f"{folder}: no room to write {destination} before it is sent "
                f"({os.strerror(error.errno or 0)}). Free some space, or set TMPDIR to another "
                "folder; the earlier output is untouched."
            ) from error
        if table.manifest is None:
            return
        earlier = manifest_of(destination) if destination.is_file() else None
        place, text = manifest_path(destination), Path(folder, "manifest.json")
        table.manifest.announce(text, earlier)
        place.replace_by(text)
        destination.replace_by(table.path)
        table.manifest.write(text)
        place.replace_by(text)


def _flush(path: Path) -> None:
    """To the disk, so that a rename never gets there before what was renamed."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
