from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from model_image.scripts.base_packages import distribution, is_status, packages

STATUS = b"""\
Package: zlib1g
Status: install ok installed
Architecture: amd64
Version: 1:1.3.1-1

Package: perl
Status: deinstall ok config-files
Architecture: amd64
Version: 5.40.1-6

Package: ca-certificates
Status: install ok installed
Architecture: all
Version: 20250419
Description: Common CA certificates
 Contains the certificate authorities shipped with Mozilla's browser.
"""
# In an image built without dpkg, the file of a package has no status.
BASE_FILES = b"Package: base-files\nVersion: 13.8\nArchitecture: amd64\n"


def described(name: str, version: str, architecture: str) -> dict[str, str]:
    return {
        "name": name,
        "version": version,
        "architecture": architecture,
        "distribution": "debian-13",
    }


def test_installed_packages_are_sorted_by_name() -> None:
    assert packages([STATUS, BASE_FILES], "debian-13") == [
        described("base-files", "13.8", "amd64"),
        described("ca-certificates", "20250419", "all"),
        described("zlib1g", "1:1.3.1-1", "amd64"),
    ]


def test_a_base_without_packages_has_none() -> None:
    assert packages([], "") == []


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("dpkg/status", True),
        ("dpkg/status.d/libc6", True),
        ("dpkg/status.d/libc6.md5sums", False),
        ("dpkg/status-old", False),
        ("dpkg/info/status", False),
    ],
)
def test_dpkgs_status_files_are_recognized(path: str, expected: bool) -> None:
    assert is_status(PurePosixPath(path)) is expected


@pytest.mark.parametrize(
    ("os_release", "expected"),
    [
        ([b'NAME="Debian GNU/Linux"\nVERSION_ID="13"\nID=debian\n'], "debian-13"),
        ([b"# Rolling.\nID=debian\n"], "debian"),
        ([], ""),
    ],
)
def test_a_distribution_has_a_name_and_a_version(os_release: list[bytes], expected: str) -> None:
    assert distribution(os_release) == expected
