"""Files and folders that appear whole or not at all.

What is written goes to a hidden place in its destination's folder, and is renamed when it is whole.
A run that is killed leaves the earlier output as it was; the next run clears what it left behind.

Others may write in the same folder (`/tmp`). So nobody can guess the hidden place's name, nothing
that belongs to somebody else is taken for a leftover, and no link of theirs is followed.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cli.errors import InputError, UserError

STAGING = ".{name}.writing-{process}"
# And what SQLite writes next to a database.
STAGING_TOKEN = r"(-[0-9a-f]{12})?(-journal)?"
REPLACED = ".{name}.replaced"
_OTHER_KIND = "{}: is {}, but the output is {}."
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def stage_path(destination: Path, *, option: str = "--output") -> Iterator[Path]:
    """Yield a path next to `destination`; what is there at the end takes its place.

    `option` is what a person chose the destination by. Where the body raises, nothing has changed.
    A folder at the destination is replaced as a whole; of a link, what it leads to is replaced and
    the link stays. What replaces a file or a folder has its mode, and where possible its owner: a
    file has the mode already while it is written.

    Raises:
        InputError: the destination's folder cannot be made or written, or a folder would replace a
            file, or a file a folder, or the destination is behind somebody else's link.
        UserError: the disk is full.
    """
    refuse_foreign_links(destination, option=option)
    destination = destination.resolve()
    staging = _make_staging(destination)
    try:
        yield staging
        if staging.exists() and not _is_untouched(staging):
            _replace(staging, destination)
    except FileExistsError as error:
        if error.filename == str(staging) and _is_untouched(staging):
            raise InputError(_OTHER_KIND.format(destination, "a file", "a folder")) from None
        raise
    except OSError as error:
        if error.errno in NO_ROOM:
            raise UserError(
                f"{destination}: not enough space to write it ({os.strerror(error.errno)}). "
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
    whole = _resolve_place(destination)
    for given in inputs:
        if f"{_resolve_place(given)}/".startswith(f"{whole}/"):
            raise InputError(
                f"{destination}: would replace the input {given}. Choose another {option}."
            )


def _resolve_place(place: object) -> str:
    """A path without links, or the location of an object."""
    return str(place.resolve() if isinstance(place, Path) else place).rstrip("/")


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Alone among our processes in a folder; for moments. A killed process holds no lock."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        # Some network file systems have no locks; there two exports at once are on their own.
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def refuse_foreign_links(place: Path, *, option: str = "--output") -> None:
    """Refuse a place behind a link that somebody else made in a folder where everybody may.

    As Linux itself does (`fs.protected_symlinks`) for whoever opens a file there: such a link would
    choose which file of ours is replaced.

    Raises:
        InputError: it is behind such a link.
    """
    whole = Path(os.path.abspath(place))
    for path in (whole, *whole.parents):
        if not path.is_symlink():
            continue
        folder, owner = path.parent.stat(), path.lstat().st_uid
        is_open_to_all = folder.st_mode & stat.S_ISVTX and folder.st_mode & stat.S_IWOTH
        if is_open_to_all and owner not in (os.geteuid(), folder.st_uid):
            raise InputError(
                f"{place}: {path} is another user's link in a folder that everybody can write to. "
                f"Choose another {option}."
            )


def find_leftovers(destination: Path) -> list[Path]:
    """What killed runs of this user were writing for `destination`, a resolved path."""
    pattern = re.escape(STAGING.format(name=destination.name, process=""))
    found = []
    for entry in list(destination.parent.iterdir()):
        written_by = re.fullmatch(rf"{pattern}(\d+){STAGING_TOKEN}", entry.name)
        if written_by and not _is_running(int(written_by[1])) and _is_ours(entry):
            found.append(entry)
    return found


def _make_staging(destination: Path) -> Path:
    folder = destination.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _recover(destination)
        for path in find_leftovers(destination):
            _remove(path)
        if not os.access(folder, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        name = STAGING.format(name=destination.name, process=os.getpid())
        staging = folder / f"{name}-{secrets.token_hex(6)}"
        if destination.is_file():
            _create_empty(staging, like=destination)
    except OSError as error:
        raise InputError(f"{destination}: cannot be written: {error.strerror}.") from error
    return staging


def _create_empty(staging: Path, *, like: Path) -> None:
    """An empty file, which those who may not read the file that it replaces cannot read either."""
    os.close(os.open(staging, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    _copy_permissions(staging, like)
    # One that is read-only is so at the end.
    staging.chmod(stat.S_IMODE(staging.stat().st_mode) | stat.S_IWUSR)
    os.utime(staging, ns=(0, 0))


def _is_untouched(staging: Path) -> bool:
    """Whether it is as `_create_empty` made it: whoever opens it for writing sets its time."""
    if not staging.is_file():
        return False
    found = staging.stat()
    return found.st_size == 0 and found.st_mtime_ns == 0


def _copy_permissions(path: Path, like: Path) -> None:
    """Give `path` the mode of what it replaces, and its owner and group where we may."""
    wanted, given = like.stat(), path.stat()
    mode = stat.S_IMODE(wanted.st_mode) & 0o777
    if (wanted.st_uid, wanted.st_gid) != (given.st_uid, given.st_gid):
        try:
            os.chown(path, wanted.st_uid, wanted.st_gid)
        except OSError:
            with suppress(OSError):
                os.chown(path, -1, wanted.st_gid)
    if path.stat().st_gid != wanted.st_gid:
        # What the other group might is not what ours may.
        mode &= 0o707 | (mode & 0o007) << 3
    if stat.S_IMODE(path.stat().st_mode) != mode:
        path.chmod(mode)


def _replace(staging: Path, destination: Path) -> None:
    if destination.exists():
        if destination.is_dir() != staging.is_dir():
            kinds = ("a folder", "a file") if destination.is_dir() else ("a file", "a folder")
            raise InputError(_OTHER_KIND.format(destination, *kinds))
        _copy_permissions(staging, destination)
    if not destination.is_dir():
        os.replace(staging, destination)
        return
    replaced = destination.parent / REPLACED.format(name=destination.name)
    if os.path.lexists(replaced):
        raise InputError(f"{destination}: cannot be replaced while {replaced} exists. Remove it.")
    try:
        os.replace(destination, replaced)
        os.replace(staging, destination)
    finally:
        _recover(destination)


def _recover(destination: Path) -> None:
    """Undo, or finish, the replacement of a folder that was killed between its two renames.

    Only folders are replaced that way: a file of that name, a link, or what belongs to somebody
    else, is not what a killed run left.
    """
    replaced = destination.parent / REPLACED.format(name=destination.name)
    if replaced.is_symlink() or not replaced.is_dir() or not _is_ours(replaced):
        return
    if not destination.exists():
        os.replace(replaced, destination)
    elif destination.is_dir():
        _remove(replaced)


def _is_ours(path: Path) -> bool:
    """Whether this user made it; an entry that is gone meanwhile is nobody's."""
    try:
        return path.lstat().st_uid == os.geteuid()
    except FileNotFoundError:
        return False


def _is_running(process: int) -> bool:
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
