"""Write files and folders atomically: completely or not at all.

Output is written to a hidden path in the destination's folder, and renamed when it is complete. A
run that is killed leaves the earlier output unchanged; the next run removes its leftovers.

Other users may write in the same folder (`/tmp`). So the hidden path cannot be guessed, only this
user's leftovers are removed, and other users' links are not followed.
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
# SQLite also writes a journal next to a database.
STAGING_TOKEN = r"(-[0-9a-f]{12})?(-journal)?"
REPLACED = ".{name}.replaced"
_OTHER_KIND = "{}: is {}, but the output is {}."
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def stage_path(destination: Path, *, option: str = "--output") -> Iterator[Path]:
    """Yield a path next to `destination`; at the end, its content replaces the destination.

    `option` is the option that names the destination. If the body raises, nothing changes. A folder
    is replaced as a whole. If the destination is a link, its target is replaced. The new file or
    folder gets the mode of the old one, and its owner if possible; a file has the mode while it is
    being written.

    Raises:
        InputError: the destination's folder cannot be created or written, a folder would replace a
            file, a file would replace a folder, or another user's link leads to the destination.
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
    """Refuse a destination that is an input or contains one: the input would be lost.

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
    """Hold an exclusive lock on a folder, for a short time; it ends with the process."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        # Some network file systems have no locks: concurrent exports are not protected there.
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def refuse_foreign_links(place: Path, *, option: str = "--output") -> None:
    """Refuse a path that goes through another user's link in a folder that everybody can write to.

    Such a link would choose which of our files is replaced. Linux does the same when a file is
    opened (`fs.protected_symlinks`).

    Raises:
        InputError: the path goes through such a link.
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
    """The paths that killed runs of this user left for `destination`, a resolved path."""
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
    """Create an empty file, with the permissions of the file that it will replace."""
    os.close(os.open(staging, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    _copy_permissions(staging, like)
    # A read-only mode is set at the end.
    staging.chmod(stat.S_IMODE(staging.stat().st_mode) | stat.S_IWUSR)
    os.utime(staging, ns=(0, 0))


def _is_untouched(staging: Path) -> bool:
    """Whether nobody has written to the file of `_create_empty`: a write sets its time."""
    if not staging.is_file():
        return False
    found = staging.stat()
    return found.st_size == 0 and found.st_mtime_ns == 0


def _copy_permissions(path: Path, like: Path) -> None:
    """Give `path` the mode of the path it replaces, and its owner and group if permitted."""
    wanted, given = like.stat(), path.stat()
    mode = stat.S_IMODE(wanted.st_mode) & 0o777
    if (wanted.st_uid, wanted.st_gid) != (given.st_uid, given.st_gid):
        try:
            os.chown(path, wanted.st_uid, wanted.st_gid)
        except OSError:
            with suppress(OSError):
                os.chown(path, -1, wanted.st_gid)
    if path.stat().st_gid != wanted.st_gid:
        # The permissions were those of another group.
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

    Only folders are replaced that way: a file, a link or another user's folder of that name is not
    from a killed run.
    """
    replaced = destination.parent / REPLACED.format(name=destination.name)
    if replaced.is_symlink() or not replaced.is_dir() or not _is_ours(replaced):
        return
    if not destination.exists():
        os.replace(replaced, destination)
    elif destination.is_dir():
        _remove(replaced)


def _is_ours(path: Path) -> bool:
    """Whether this user owns it; False if it no longer exists."""
    try:
        return path.lstat().st_uid == os.geteuid()
    except FileNotFoundError:
        return False


def _is_running(process: int) -> bool:
    """Whether another process has that ID; in containers, an earlier run often had our own ID."""
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
