"""The files in the base image, and its reproducibility."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from base.rootfs import Entry, PackageFiles, compose, is_kept, write

LIBRARIES = "usr/lib/x86_64-linux-gnu"
CERTIFICATES = "usr/share/ca-certificates/mozilla"
UNPACKED: dict[str, bytes | str] = {
    "./bin": "usr/bin",
    "./usr/bin/python3.13": b"python",
    "./usr/bin/dash": b"a shell",
    f"./{LIBRARIES}/libgcc_s.so.1": b"gcc",
    f"./{LIBRARIES}/libreadline.so.8": b"readline",
    f"./{CERTIFICATES}/b.crt": b"second\n\n",
    f"./{CERTIFICATES}/a.crt": b"first\n",
    "./usr/share/doc/libgcc-s1": "gcc-14-base",
    "./usr/share/doc/gcc-14-base/copyright": b"GPL",
    "./usr/share/doc/dash/copyright": b"BSD",
}
PACKAGES = (
    PackageFiles("libgcc-s1", b"Package: libgcc-s1\n", frozenset({f"{LIBRARIES}/libgcc_s.so.1"})),
    PackageFiles("dash", b"Package: dash\n", frozenset({"usr/bin/dash"})),
    PackageFiles("libreadline8", b"", frozenset({f"{LIBRARIES}/libreadline.so.8"})),
)


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    """Unpacked packages as mmdebstrap writes them; links are given by their targets."""
    path = tmp_path / "unpacked.tar"
    with tarfile.open(path, "w") as tar:
        for name, held in UNPACKED.items():
            member = tarfile.TarInfo(name)
            member.mode = 0o700
            if isinstance(held, str):
                member.type, member.linkname = tarfile.SYMTYPE, held
                tar.addfile(member)
            else:
                member.size = len(held)
                tar.addfile(member, io.BytesIO(held))
    return path


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("usr/bin/python3.13", True),
        ("usr/bin/sh", False),
        (f"{LIBRARIES}/libstdc++.so.6", True),
        (f"{LIBRARIES}/gconv/IBM037.so", False),
        (f"{LIBRARIES}/libncursesw.so.6", False),
        ("usr/lib/python3.13/json/__init__.py", True),
        ("usr/lib/python3.13/test/support/__init__.py", False),
        ("usr/lib/python3.13/unittest/mock.py", True),
        ("usr/lib/python3.13/lib-dynload/_ctypes_test.cpython-313-x86_64-linux-gnu.so", False),
        ("usr/lib/python3.13/lib-dynload/_ctypes.cpython-313-x86_64-linux-gnu.so", True),
        ("var/lib/dpkg/status", False),
    ],
)
def test_only_what_a_program_needs_is_kept(path: str, kept: bool) -> None:
    assert is_kept(path) == kept


def test_packages_of_unlisted_programs_are_left_out(unpacked: Path) -> None:
    entries = compose(unpacked, PACKAGES)

    assert entries["usr/bin/python3.13"] == Entry(0o755, b"python")
    assert entries["bin"] == Entry(0o777, target="usr/bin")
    assert "usr/bin/dash" not in entries
    stanzas = [path for path in entries if path.startswith("var/lib/dpkg/status.d/")]
    assert stanzas == ["var/lib/dpkg/status.d/libgcc-s1"]
    assert "usr/share/doc/dash/copyright" not in entries


def test_a_package_keeps_its_licence_if_its_documentation_is_a_link(unpacked: Path) -> None:
    entries = compose(unpacked, PACKAGES)

    assert entries["usr/share/doc/libgcc-s1/copyright"].content == b"GPL"


def test_certificates_are_one_file_in_the_order_of_their_names(unpacked: Path) -> None:
    entries = compose(unpacked, PACKAGES)

    assert entries["etc/ssl/certs/ca-certificates.crt"].content == b"first\nsecond\n"
    assert not any(path.endswith("a.crt") for path in entries)


def test_the_same_entries_are_the_same_bytes_in_whatever_order_they_come(unpacked: Path) -> None:
    entries = compose(unpacked, PACKAGES)
    forwards, backwards = io.BytesIO(), io.BytesIO()

    write(entries, forwards, seconds=1)
    write(dict(reversed(entries.items())), backwards, seconds=1)

    assert forwards.getvalue() == backwards.getvalue()
    forwards.seek(0)
    with tarfile.open(fileobj=forwards) as tar:
        members = tar.getmembers()
    assert {(member.mtime, member.uid, member.gid, member.uname) for member in members} == {
        (1, 0, 0, "")
    }
    names = [member.name for member in members]
    assert names == sorted(names)
    assert {member.name: oct(member.mode) for member in members}["work"] == "0o1777"
