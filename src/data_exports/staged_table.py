"""A table file and its manifest, written as one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from data_access_layer.atomic import locked, staged
from data_access_layer.files import manifest_path
from data_exports.manifest import Manifest, manifest_of


@dataclass
class StagedTable:
    """Where the table is written, and what it then is; without a manifest nothing is replaced."""

    path: Path
    manifest: Manifest | None = None


@contextmanager
def staged_table(destination: Path, *, option: str = "--output") -> Iterator[StagedTable]:
    """Yield where to write a table; it and its manifest take their places at the end.

    Killed at any moment, the earlier table or the new one is whole, and `manifest_of` finds its
    manifest: that is announced before the table is renamed, beside the earlier one's.

    Raises:
        InputError: as `staged`.
        UserError: the disk is full.
    """
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


def _flush(path: Path) -> None:
    """To the disk, so that a rename never gets there before what was renamed."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
