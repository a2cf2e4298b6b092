"""Files and folders that appear whole or not at all.

What is written goes to a hidden place beside its destination, and is renamed when it is whole. A
run that is killed leaves the earlier output as it was; the next run clears what it left behind.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from config.errors import InputError, UserError

STAGING = ".{name}.writing-{process}"
REPLACED = ".{name}.replaced"
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def staged(destination: Path, *, option: str = "--output") -> Iterator[Path]:
    """Yield a path beside `destination`; what stands there at the end takes its place.

    `option` is what a person chose the destination by. Where the body raises, nothing has changed.
    A folder that stood at the destination is replaced as a whole; where a link stands there, what
    it leads to is replaced and the link stays.

    Raises:
        InputError: the destination's folder cannot be made or written, or a folder would replace a
            file, or a file a folder.
        UserError: the disk is full.
    """
    destination = destination.resolve()
    staging = _staging(destination)
    try:
        yield staging
        if staging.exists():
            _replace(staging, destination)
    except OSError as error:
        if error.errno in NO_ROOM:
            raise UserError(
                f"{destination}: no room to write it ({os.strerror(error.errno)}). "
                f"Free some space or choose another {option}; the earlier output is untouched."
            ) from error
        raise
    finally:
        _remove(staging)


def refuse_overwriting(
    inputs: Iterable[object], destination: object, *, option: str = "--output"
) -> None:
    """Refuse a destination that an input is, or is in: it would be lost.

    Raises:
        InputError: it is.
    """
    whole = _whole(destination)
    for given in inputs:
        if f"{_whole(given)}/".startswith(f"{whole}/"):
            raise InputError(
                f"{destination}: would replace the input {given}. Choose another {option}."
            )


def _whole(place: object) -> str:
    """A path without links, or the location of an object."""
    return str(place.resolve() if isinstance(place, Path) else place).rstrip("/")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Alone among our processes in a folder; for moments. A killed process holds no lock."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        # Some network file systems have no locks; there two exports at once are on their own.
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def left_behind(destination: Path) -> list[Path]:
    """What killed runs were writing for `destination`, a resolved path."""
    pattern = re.escape(STAGING.format(name=destination.name, process=""))
    found = []
    for entry in list(destination.parent.iterdir()):
        written_by = re.fullmatch(rf"{pattern}(\d+)", entry.name)
        if written_by and not _at_work(int(written_by[1])):
            found.append(entry)
    return found


def _staging(destination: Path) -> Path:
    folder = destination.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _recover(destination)
        for path in left_behind(destination):
            _remove(path)
        if not os.access(folder, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise InputError(f"{destination}: cannot be written: {error.strerror}.") from error
    return folder / STAGING.format(name=destination.name, process=os.getpid())


def _replace(staging: Path, destination: Path) -> None:
    if destination.exists() and destination.is_dir() != staging.is_dir():
        kind = "a folder" if destination.is_dir() else "a file"
        raise InputError(f"{destination}: is {kind}, and would be replaced by something else.")
    if not destination.is_dir():
        os.replace(staging, destination)
        return
    replaced = destination.parent / REPLACED.format(name=destination.name)
    try:
        os.replace(destination, replaced)
        os.replace(staging, destination)
    finally:
        _recover(destination)


def _recover(destination: Path) -> None:
    """Undo, or finish, the replacement of a folder that was killed between its two renames."""
    replaced = destination.parent / REPLACED.format(name=destination.name)
    if replaced.exists() and not destination.exists():
        os.replace(replaced, destination)
    _remove(replaced)


def _at_work(process: int) -> bool:
    """Whether another process of that number lives; in containers, ours often had it before us."""
    if process == os.getpid():
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
