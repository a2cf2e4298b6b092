"""Runs inside the official Python image: removes what no task needs, makes user and folders."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from pathlib import Path

USER = "datascience"
USER_ID = 10001
STANDARD_LIBRARY = Path(sysconfig.get_path("stdlib"))
# Installers, package managers, and whatever starts another program by its name.
UNWANTED = (
    *(STANDARD_LIBRARY / name for name in ("ensurepip", "idlelib", "test", "turtledemo")),
    *Path("/usr/lib/python3").glob("dist-packages/pip*"),
    *STANDARD_LIBRARY.glob("site-packages/pip*"),
    *STANDARD_LIBRARY.glob("site-packages/setuptools*"),
    *Path(sys.prefix).glob("share/python-wheels"),
    *(
        path
        for folder in ("/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin")
        for name in ("apt*", "dpkg*", "perl*", "pip*", "idle*", "pydoc*", "sh", "bash", "dash")
        for path in Path(folder).glob(name)
    ),
    *(Path(folder) for folder in ("/var/lib/apt", "/var/cache/apt", "/var/log", "/usr/lib/apt")),
)
FOLDERS = {"/work": 0o1777, "/tmp": 0o1777}


def remove(path: Path) -> None:
    """Remove a file, a link or a whole folder; nothing where another name led to it before."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def main() -> None:
    """Remove, then add the user of both bases."""
    for path in UNWANTED:
        remove(path)
    for folder, mode in FOLDERS.items():
        Path(folder).mkdir(exist_ok=True)
        os.chmod(folder, mode)
    for file, line in (
        ("/etc/passwd", f"{USER}:x:{USER_ID}:{USER_ID}:{USER}:/tmp:/usr/sbin/nologin\n"),
        ("/etc/group", f"{USER}:x:{USER_ID}:\n"),
    ):
        with open(file, "a") as opened:
            opened.write(line)
    Path(sys.argv[0]).unlink()


if __name__ == "__main__":
    main()
