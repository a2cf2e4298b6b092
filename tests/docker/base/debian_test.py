"""Which packages the builder refuses, and its messages."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from base.debian import check_packages, parse_command_line, read_lock
from base.lock import Lock, Package, render
from base.packages import SNAPSHOT, Source
from cli.errors import InputError, UserError

MOMENT = datetime(2026, 11, 25, 6, 51, 30, tzinfo=UTC)
LOCKED = Package("tzdata", "2026e-1", "a" * 64)
NEWER = Package("tzdata", "2026f-1", "b" * 64)
OTHER_BYTES = Package("tzdata", "2026e-1", "b" * 64)
LOCK = Lock(MOMENT, "amd64", (LOCKED,))


def test_locked_packages_pass_silently(capsys: pytest.CaptureFixture[str]) -> None:
    check_packages(LOCK, (LOCKED,), parse_command_line(()))

    assert capsys.readouterr().err == ""


def test_a_newer_package_is_refused_with_both_fixes() -> None:
    with pytest.raises(UserError, match=re.escape("tzdata 2026e-1 → 2026f-1")) as caught:
        check_packages(LOCK, (NEWER,), parse_command_line(()))

    assert "-- --update-lock" in str(caught.value)
    assert "--allow-newer" in str(caught.value)


def test_an_allowed_newer_package_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    check_packages(LOCK, (NEWER,), parse_command_line(("--allow-newer",)))

    assert "tzdata 2026e-1 → 2026f-1" in capsys.readouterr().err


def test_different_bytes_of_a_locked_version_are_never_allowed() -> None:
    with pytest.raises(UserError, match="a locked version, but different content"):
        check_packages(LOCK, (OTHER_BYTES,), parse_command_line(("--allow-newer",)))


def test_another_architectures_lock_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "debian.lock"
    path.write_text(render(Lock(MOMENT, "s390x", (LOCKED,))))

    with pytest.raises(InputError, match=re.escape("is for s390x, but this machine is")):
        read_lock(path)


def test_a_snapshot_is_read_whatever_its_age() -> None:
    (line, *_) = Source(SNAPSHOT, LOCK.snapshot).lines

    assert "check-valid-until=no] " in line
    assert line.endswith(" http://snapshot.debian.org/archive/debian/20261125T065130Z trixie main")
