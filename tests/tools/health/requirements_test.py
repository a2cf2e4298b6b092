"""What becomes of a test for which a server is not installed, on a person's machine and in CI."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.requirements import PACKAGES, need_program

TESTS = Path(__file__).resolve().parents[2]
TEST = """\
from support.requirements import need_program

def test_of_a_server() -> None:
    need_program("PostgreSQL", "no-such-program")
"""
MESSAGE = "PostgreSQL is not installed (package postgresql). Install it: .ci/run install_servers"


@pytest.mark.parametrize(
    ("ci", "code", "shown"),
    [
        ({}, 0, f"SKIPPED [1] tests/support/requirements.py:LINE: {MESSAGE}"),
        ({"CI": "false"}, 0, f"SKIPPED [1] tests/support/requirements.py:LINE: {MESSAGE}"),
        ({"CI": "true"}, 1, f"FAILED server_test.py::test_of_a_server - Failed: {MESSAGE}"),
    ],
)
def test_a_missing_server_skips_its_tests_and_fails_them_in_ci(
    tmp_path: Path, ci: dict[str, str], code: int, shown: str
) -> None:
    (tmp_path / "server_test.py").write_text(TEST)
    env = {name: value for name, value in os.environ.items() if name != "CI"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-ra", "--import-mode=importlib", "server_test.py"],
        cwd=tmp_path,
        env={**env, "PYTHONPATH": str(TESTS), "COLUMNS": "300", **ci},
        capture_output=True,
        text=True,
    )
    assert done.returncode == code, done.stdout
    place = r"\S*tests/support/requirements.py:\d+:"
    assert shown in re.sub(place, "tests/support/requirements.py:LINE:", done.stdout)


def test_the_first_program_that_is_there_is_taken() -> None:
    assert need_program("Chromium", "no-such-program", "sh") == shutil.which("sh")


def test_what_may_be_missing_is_what_ci_installs() -> None:
    script = (TESTS.parent / ".ci/run").read_text()
    installed = " ".join(re.findall(r"packages\+=\(([^)]*)\)", script)).split()
    # Without the font, Chromium runs and shows no letters; the client comes with Docker's engine.
    more = {"fonts-dejavu-core", "docker-cli"}
    assert sorted(PACKAGES.values()) == sorted({*installed} - more)
