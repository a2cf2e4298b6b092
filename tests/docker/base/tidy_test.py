"""Turn an image with pip, a shell and a package manager into a base."""

from __future__ import annotations

from pathlib import Path

import pytest

from base.tidy import missing, tidy

KEPT = (
    "etc/group",
    "etc/passwd",
    "usr/bin/env",
    "usr/local/bin/python3.13",
    "usr/local/lib/python3.13/json/__init__.py",
    "usr/local/lib/python3.13/site-packages/README.txt",
    "usr/share/doc/libc6/copyright",
    "var/lib/dpkg/status",
)
REMOVED = (
    "root/.cache/pip/wheel",
    "usr/bin/apt-get",
    "usr/bin/dash",
    "usr/bin/dpkg",
    "usr/bin/perl5.40.1",
    "usr/lib/python3/dist-packages/pip/__init__.py",
    "usr/lib/python3/dist-packages/pip-25.1.dist-info/METADATA",
    "usr/local/bin/idle3",
    "usr/local/bin/pip3.13",
    "usr/local/lib/python3.13/ensurepip/__init__.py",
    "usr/local/lib/python3.13/site-packages/pip/__init__.py",
    "usr/local/lib/python3.13/test/support/__init__.py",
    "usr/share/doc/libc6/changelog.gz",
    "var/lib/apt/lists/index",
)
ROOT_LINE = "root:x:0:0:root:/root:/bin/bash\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in (*KEPT, *REMOVED):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(ROOT_LINE)
    return tmp_path


def files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_installers_shells_and_package_managers_are_removed_and_nothing_else(root: Path) -> None:
    tidy(root)

    assert files(root) == sorted(KEPT)


def test_the_user_is_added_once_and_the_folders_are_everybodys(root: Path) -> None:
    tidy(root)
    tidy(root)

    assert (root / "etc/passwd").read_text() == (
        f"{ROOT_LINE}datascience:x:10001:10001:datascience:/tmp:/usr/sbin/nologin\n"
    )
    assert (root / "etc/group").read_text() == f"{ROOT_LINE}datascience:x:10001:\n"
    assert [oct((root / name).stat().st_mode & 0o7777) for name in ("tmp", "work")] == [
        "0o1777"
    ] * 2


def test_a_link_to_a_folder_is_removed_and_the_folder_stays(root: Path) -> None:
    (root / "elsewhere").mkdir()
    (root / "usr/local/lib/python3.13/idlelib").symlink_to(root / "elsewhere")

    tidy(root)

    assert (root / "elsewhere").is_dir()
    assert not (root / "usr/local/lib/python3.13/idlelib").is_symlink()


def test_no_program_keeps_the_set_user_id_bit(root: Path) -> None:
    (root / "usr/bin/env").chmod(0o4755)

    tidy(root)

    assert oct((root / "usr/bin/env").stat().st_mode & 0o7777) == "0o755"


def test_what_cannot_be_added_is_named(root: Path) -> None:
    problems = missing(root, (3, 11))

    assert "CPython 3.13 (its python3 is 3.11)" in problems
    assert "/etc/ssl/certs/ca-certificates.crt (Debian's package ca-certificates)" in problems
