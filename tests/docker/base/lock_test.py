"""The pin file of the base image."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from base.lock import Lock, Package, parse, render
from cli.errors import InputError

BASH = Package("bash", "5.2.37-2", "a" * 64)
ZLIB = Package("zlib1g", "1:1.3.1-1", "b" * 64)
LOCK = Lock(datetime(2026, 11, 25, 6, 51, 30, tzinfo=UTC), "amd64", (BASH, ZLIB))


def test_a_lock_is_read_as_written() -> None:
    assert parse(render(LOCK), origin="debian.lock") == LOCK
    assert LOCK.snapshot == "20261125T065130Z"


def test_a_lock_does_not_depend_on_the_order_of_packages() -> None:
    assert render(Lock(LOCK.timestamp, LOCK.architecture, (ZLIB, BASH))) == render(LOCK)


def test_changes_are_by_name() -> None:
    newer = Package("bash", "5.3-1", "c" * 64)
    mawk = Package("mawk", "1.3.4", "d" * 64)

    changes = LOCK.changes((mawk, newer))

    assert [str(change) for change in changes] == [
        "bash 5.2.37-2 → 5.3-1",
        "mawk none → 1.3.4",
        "zlib1g 1:1.3.1-1 → none",
    ]
    assert not any(change.is_same_version for change in changes)


def test_different_bytes_of_the_same_version_are_detected() -> None:
    (change,) = LOCK.changes((Package("bash", BASH.version, "c" * 64), ZLIB))

    assert change.is_same_version
    assert str(change) == "bash 5.2.37-2: sha256 aaaaaaaaaaaa… → sha256 cccccccccccc…"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "debian.lock: expected `snapshot YYYYMMDDTHHMMSSZ` and `architecture NAME`"),
        ("snapshot 2026\narchitecture amd64\n", "debian.lock: expected `snapshot"),
        (f"{render(LOCK)}mawk 1\n", "debian.lock:7: expected `name version sha256`, got 'mawk 1'"),
    ],
)
def test_a_wrong_line_is_named_with_the_remedy(text: str, problem: str) -> None:
    with pytest.raises(InputError, match=re.escape(problem)) as caught:
        parse(text, origin="debian.lock")
    assert "./pants run docker/base:debian -- --update-lock" in str(caught.value)
