"""Turn an image of CPython 3.13 into a base image. python.Dockerfile runs this as root.

Removes package managers, shells and unused files, and adds the user and the folders that
docker/base/README.md requires.
"""

from __future__ import annotations

import compileall
import os
import py_compile
import shutil
import sys
import sysconfig
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

USER = "datascience"
USER_ID = 10001
BUNDLE = "etc/ssl/certs/ca-certificates.crt"
SET_ID = 0o6000

_PYTHON = ("usr/lib/python3*", "usr/local/lib/python3*")
_INSTALLERS = ("_distutils_hack", "distutils-precedence.pth", "pip", "pkg_resources", "setuptools")
# In each of Python's folders, with the metadata of installers.
_IN_PYTHON = (
    "*-packages/pip-*",
    "*-packages/setuptools-*",
    "*-packages/wheel*",
    *(f"*-packages/{name}" for name in _INSTALLERS),
    "config-*",
    "ensurepip",
    "idlelib",
    "lib-dynload/*test*.so",
    "pydoc_data",
    "test",
    "turtledemo",
)
_COMMANDS = ("idle*", "pip*", "py3*", "pydoc*", "python3*-config", "wheel*")
_PACKAGE_MANAGERS = ("apt*", "dpkg*", "perl*")
_SHELLS = ("bash", "dash", "rbash", "sh")
REMOVED = (
    *(f"{folder}/{name}" for folder in _PYTHON for name in _IN_PYTHON),
    *(
        f"{folder}/{name}"
        for folder in ("usr/bin", "usr/local/bin")
        for name in (*_COMMANDS, *_PACKAGE_MANAGERS, *_SHELLS)
    ),
    "root/.cache",
    "usr/lib/*-linux-gnu/perl*",
    "usr/lib/apt",
    "usr/lib/dpkg",
    "usr/local/include",
    "usr/local/share/man",
    "usr/share/doc-base",
    "usr/share/info",
    "usr/share/locale",
    "usr/share/man",
    "usr/share/perl*",
    "usr/share/python-wheels",
    "usr/share/python3",
    "var/cache/apt",
    "var/cache/debconf",
    "var/lib/apt",
    "var/log/*",
)


def tidy(root: Path) -> None:
    """Remove what a base must not have, and add what it must have."""
    for pattern in REMOVED:
        for path in sorted(root.glob(pattern)):
            _remove(path)
    for path in root.glob("usr/share/doc/*/*"):
        # Licences require this file.
        if path.name != "copyright":
            _remove(path)
    for folder in ("usr/bin", "usr/sbin"):
        _drop_set_id(root / folder)
    _add_user(root)
    for folder in ("tmp", "work"):
        (root / folder).mkdir(exist_ok=True)
        (root / folder).chmod(0o1777)


def missing(root: Path, version: tuple[int, int]) -> list[str]:
    """The requirements that an image does not meet, and that this script cannot add."""
    problems = []
    if version != (3, 13):
        problems.append(f"CPython 3.13 (its python3 is {version[0]}.{version[1]})")
    if not (root / BUNDLE).exists():
        problems.append(f"/{BUNDLE} (Debian's package ca-certificates)")
    try:
        ZoneInfo("Europe/Berlin")
    except ZoneInfoNotFoundError:
        problems.append("/usr/share/zoneinfo (Debian's package tzdata)")
    return problems


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _drop_set_id(folder: Path) -> None:
    """Remove set-user-id and set-group-id, so that no program grants another user's permissions."""
    for path in folder.glob("*"):
        if path.is_file() and not path.is_symlink() and path.stat().st_mode & SET_ID:
            path.chmod(path.stat().st_mode & 0o777)


def _add_user(root: Path) -> None:
    lines = {
        "etc/passwd": f"{USER}:x:{USER_ID}:{USER_ID}:{USER}:/tmp:/usr/sbin/nologin\n",
        "etc/group": f"{USER}:x:{USER_ID}:\n",
    }
    for name, line in lines.items():
        with (root / name).open("r+") as file:
            if line not in file.readlines():
                file.write(line)


def _compile_library() -> None:
    """Compile the standard library, because a read-only image cannot store byte code later."""
    compileall.compile_dir(
        sysconfig.get_path("stdlib"),
        quiet=1,
        force=True,
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )


def _link_python() -> None:
    if shutil.which("python") is None:
        os.symlink(os.path.realpath(sys.executable), "/usr/local/bin/python")


def main() -> int:
    """Tidy this image, and return the exit code."""
    root = Path("/")
    if problems := missing(root, sys.version_info[:2]):
        print(f"This image lacks {', '.join(problems)}. Use another: --build-arg FROM=IMAGE.")
        return 1
    tidy(root)
    _link_python()
    _compile_library()
    Path(__file__).unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
