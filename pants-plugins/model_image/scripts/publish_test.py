"""The program removes its temporary login, and refuses to move tags; see also tests/integration."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from model_image.failures import DISK
from model_image.publishing.place import ECR, Place, PublishError
from model_image.publishing.registry import Manifest
from model_image.scripts.publish import main, refuse_moves

PASSWORD = "correct-horse-planted"  # pragma: allowlist secret
PLACE = Place("registry.example.com", "models/iris")
COMMIT = "0f1533d63dfa683562ee107c0bdc563b8cd66b5b"  # pragma: allowlist secret
HERE, THERE = Manifest("", b"here"), Manifest("", b"there")
# Logged in as to Amazon's registry, and in the middle of a push.
PROGRAM = """
import os, sys, time
from model_image.publishing.logins import temporary_login
from model_image.scripts import publish

def push(*_):
    print(os.environ["DOCKER_CONFIG"], flush=True)
    time.sleep(60)

password = sys.stdin.read()
publish.credentials = lambda place: temporary_login(place, "AWS", password)
publish.publish = push
sys.exit(publish.main(["--image=a", "--content-tag=b", "registry.example.com/models/iris"]))
"""


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)]
)
def test_the_login_is_removed_when_the_program_ends(number: int, code: int, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(tmp_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdin
        assert program.stdout
        assert program.stderr
        program.stdin.write(PASSWORD)
        program.stdin.close()
        folder = Path(program.stdout.readline().strip())
        assert (folder / "config.json").exists()
        time.sleep(0.1)
        program.send_signal(number)
        assert program.wait(30) == code
        assert program.stderr.read() == ""
    assert list(tmp_path.iterdir()) == []


def test_a_commits_tag_does_not_move() -> None:
    with pytest.raises(PublishError) as raised:
        refuse_moves(PLACE, {"latest": THERE, COMMIT: THERE}, HERE.digest)
    message = str(raised.value)
    assert message.startswith(
        f"{PLACE.ref(COMMIT)} already names {THERE.digest} and would move to "
    )
    assert HERE.digest in message
    assert "No tag was set." in message


@pytest.mark.parametrize(
    "before", [{}, {COMMIT: None}, {COMMIT: HERE}, {"latest": THERE, COMMIT[:7]: THERE}]
)
def test_other_tags_may_move(before: dict[str, Manifest | None]) -> None:
    refuse_moves(PLACE, before, HERE.digest)


def test_a_full_disk_is_one_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def write(*_: object) -> None:
        # /dev/full fails every write.
        Path("/dev/full").write_text("a")

    monkeypatch.setattr("model_image.scripts.publish.publish", write)
    code = main(["--image=a", "--content-tag=b", "registry.example.com/a"])
    lines = capsys.readouterr().err.splitlines()
    assert (code, lines[0], lines[-1]) == (1, "Could not publish:", DISK)


@pytest.mark.parametrize("place", ["iris", "/iris", "registry.example.com/"])
def test_a_place_has_a_registry_and_a_repository(
    place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--image=a", "--content-tag=b", place])
    assert "REGISTRY/REPOSITORY" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("host", "is_amazons"),
    [
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", True),
        ("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", True),
        ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", True),
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com.example.com", False),
        ("registry.example.com", False),
    ],
)
def test_only_amazons_registries_want_boto3(host: str, is_amazons: bool) -> None:
    assert bool(ECR.fullmatch(host)) is is_amazons
