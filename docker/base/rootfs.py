"""The root file system of the base image: selected files of the packages.

It is reproducible: entries are sorted, belong to root, and have the same date.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import IO

USER = "datascience"
USER_ID = 10001

# The files in the image. This is an allowlist, so a new version of a package cannot add a shell.
KEPT = (
    # /bin and the others are links into /usr.
    "bin",
    "lib",
    "lib64",
    "sbin",
    "etc/debian_version",
    "etc/host.conf",
    "etc/mime.types",
    "etc/os-release",
    "etc/protocols",
    "etc/services",
    "etc/ssl/openssl.cnf",
    "usr/bin/python3.13",
    "usr/lib/*-linux-gnu/ld-linux-*",
    "usr/lib/*-linux-gnu/lib*.so*",
    "usr/lib/ld-linux-*",
    "usr/lib64/ld-linux-*",
    "usr/lib/os-release",
    "usr/lib/python3.13/*",
    "usr/lib/ssl/cert.pem",
    "usr/lib/ssl/openssl.cnf",
    "usr/share/zoneinfo/*",
)
# Exceptions: files for terminals, desktops, the developers of Python and glibc, and Berkeley DB. An
# extension module is dropped together with the libraries that only it needs.
DROPPED = (
    "*/lib-dynload/_curses*.so",
    "*/lib-dynload/_dbm.*",
    "*/lib-dynload/readline.*",
    "*/lib-dynload/*test*.so",
    "*/lib-dynload/xx*.so",
    "*/lib*-linux-gnu/libBrokenLocale.*",
    "*/lib*-linux-gnu/libdb-*",
    "*/lib*-linux-gnu/libformw.*",
    "*/lib*-linux-gnu/libhistory.*",
    "*/lib*-linux-gnu/libmemusage.*",
    "*/lib*-linux-gnu/libmenuw.*",
    "*/lib*-linux-gnu/libncursesw.*",
    "*/lib*-linux-gnu/libpanelw.*",
    "*/lib*-linux-gnu/libpcprofile.*",
    "*/lib*-linux-gnu/libreadline.*",
    "*/lib*-linux-gnu/libtic.*",
    "*/lib*-linux-gnu/libtinfo.*",
    "*/libc_malloc_debug.*",
    "*/libexpatw.*",
    "*/libnss_hesiod.*",
    "*/libthread_db.*",
    "usr/lib/python3.13/EXTERNALLY-MANAGED",
    "usr/lib/python3.13/__phello__*",
    "usr/lib/python3.13/pydoc_data/*",
    # A link into /etc. It reports crashes to Debian's own tool.
    "usr/lib/python3.13/sitecustomize.py",
    "usr/lib/python3.13/test/*",
    "usr/lib/python3.13/*turtle.*",
    # A link to /etc/localtime, which the image lacks: its time zone is UTC.
    "usr/share/zoneinfo/localtime",
)
CERTIFICATES = "usr/share/ca-certificates/mozilla/*.crt"
BUNDLE = "etc/ssl/certs/ca-certificates.crt"
# Licences require these files, although the rest of the documentation is removed.
COPYRIGHT = "usr/share/doc/{package}/copyright"
LICENCES = "usr/share/common-licenses/*"
STATUS = "var/lib/dpkg/status.d/{package}"

# Folders that exist even if they are empty, with their modes.
FOLDERS = {
    "dev": 0o755,
    "etc": 0o755,
    "proc": 0o555,
    "root": 0o700,
    "run": 0o755,
    "sys": 0o555,
    "tmp": 0o1777,
    "usr/local/bin": 0o755,
    "usr/local/lib": 0o755,
    "usr/sbin": 0o755,
    "var/tmp": 0o1777,
    "work": 0o1777,
}
LINKS = {
    "usr/bin/python": "python3.13",
    "usr/bin/python3": "python3.13",
    "var/run": "/run",
}
FILES = {
    "etc/group": f"root:x:0:\n{USER}:x:{USER_ID}:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n"
    "services: files\nprotocols: files\n",
    "etc/passwd": "root:x:0:0:root:/root:/usr/sbin/nologin\n"
    f"{USER}:x:{USER_ID}:{USER_ID}:{USER}:/tmp:/usr/sbin/nologin\n",
}


@dataclass(frozen=True)
class PackageFiles:
    """The control stanza of a .deb, and the paths of its files."""

    name: str
    control: bytes
    paths: frozenset[str]


@dataclass(frozen=True)
class Entry:
    """A file with its bytes, a link with its target, or a folder, where both are None."""

    mode: int
    content: bytes | None = None
    target: str | None = None


def is_kept(path: str) -> bool:
    """Whether a file of a package is in the image."""
    return _fits(path, KEPT) and not _fits(path, DROPPED)


def compose(unpacked: Path, packages: Iterable[PackageFiles]) -> dict[str, Entry]:
    """All entries of the root file system, from the tar file with all unpacked packages."""
    members = _read(unpacked)
    entries = {path: entry for path, entry in members.items() if is_kept(path)}
    entries[BUNDLE] = Entry(0o644, _bundle(members))
    entries |= {path: Entry(0o644, text.encode()) for path, text in FILES.items()}
    entries |= {path: Entry(0o777, target=target) for path, target in LINKS.items()}
    entries |= _licences_and_stanzas(members, _present(entries, packages))
    return _folders(entries) | entries


def write(entries: Mapping[str, Entry], out: IO[bytes], *, seconds: int) -> None:
    """Write a tar file whose entries all have the same date, in seconds since 1970."""
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for path in sorted(entries):
            entry = entries[path]
            content = entry.content or b""
            member = tarfile.TarInfo(path)
            member.mtime, member.mode, member.size = seconds, entry.mode, len(content)
            if entry.target is not None:
                member.type, member.linkname = tarfile.SYMTYPE, entry.target
            elif entry.content is None:
                member.type = tarfile.DIRTYPE
            tar.addfile(member, io.BytesIO(content))


def _fits(path: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(path, pattern) for pattern in patterns)


def _read(unpacked: Path) -> dict[str, Entry]:
    """Files and links that may be kept, without folders: `_folders` adds those that are needed."""
    wanted = (*KEPT, CERTIFICATES, LICENCES, "usr/share/doc/*")
    members: dict[str, Entry] = {}
    with tarfile.open(unpacked) as tar:
        for member in tar:
            path = member.name.removeprefix("./")
            if not _fits(path, wanted):
                continue
            if member.issym():
                members[path] = Entry(0o777, target=member.linkname)
            elif content := tar.extractfile(member):
                # Ignore the umask with which the files were unpacked.
                mode = 0o755 if member.mode & 0o100 else 0o644
                members[path] = Entry(mode, content.read())
    return members


def _bundle(members: Mapping[str, Entry]) -> bytes:
    """All certificates in one file, as update-ca-certificates writes it."""
    certificates = sorted(path for path in members if fnmatchcase(path, CERTIFICATES))
    texts = (members[path].content or b"" for path in certificates)
    return b"".join(text.rstrip(b"\n") + b"\n" for text in texts)


def _present(
    entries: Mapping[str, Entry], packages: Iterable[PackageFiles]
) -> tuple[PackageFiles, ...]:
    """The packages with files in the image; ca-certificates has the bundle."""
    return tuple(
        package
        for package in packages
        if package.name == "ca-certificates"
        or any(path in entries and path not in FOLDERS for path in package.paths)
    )


def _licences_and_stanzas(
    members: Mapping[str, Entry], packages: Iterable[PackageFiles]
) -> dict[str, Entry]:
    """Licences, and a stanza per package where scanners of distroless images look for it."""
    entries = {path: entry for path, entry in members.items() if fnmatchcase(path, LICENCES)}
    for package in packages:
        entries[STATUS.format(package=package.name)] = Entry(0o644, package.control)
        path = COPYRIGHT.format(package=package.name)
        if content := members.get(_follow_link(members, path)):
            entries[path] = content
    return entries


def _follow_link(members: Mapping[str, Entry], path: str) -> str:
    """Follow the link if a package's documentation is that of another package."""
    folder = PurePosixPath(path).parent
    link = members.get(str(folder))
    if link is None or link.target is None:
        return path
    return str(folder.parent / link.target / PurePosixPath(path).name)


def _folders(entries: Iterable[str]) -> dict[str, Entry]:
    parents = {
        str(folder) for path in (*entries, *FOLDERS) for folder in PurePosixPath(path).parents
    }
    return {path: Entry(FOLDERS.get(path, 0o755)) for path in (parents | FOLDERS.keys()) - {"."}}
