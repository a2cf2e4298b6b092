"""Reports that pytest writes, with every way to skip a test."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from skipped_tests.skips import INSTALL, Skip, as_text, read_skips

HELPER = f"""
import pytest

def need_server():
    pytest.skip("No server is installed.{INSTALL}.ci/run install_servers")
"""
FIRST = """
import pytest
from helper import need_server

@pytest.mark.skip(reason="broken: see\\n  issue 7")
def test_by_mark() -> None: ...

class TestServer:
    def test_by_helper(self) -> None:
        need_server()

@pytest.mark.parametrize("number", [1, 2])
def test_by_fixture(number: int, server: None) -> None: ...

@pytest.fixture
def server() -> None:
    need_server()

def test_passes() -> None: ...

@pytest.mark.xfail
def test_fails_as_expected() -> None:
    assert False
"""
SECOND = """
import pytest
pytest.skip("not on this machine", allow_module_level=True)
"""
FILES = {"tests/a/first_test.py": FIRST, "tests/a/second_test.py": SECOND}
ADDRESSES = tuple(f"{file}:tests" for file in FILES)


@pytest.fixture(scope="module")
def junit(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The report of one process for two files, started like Pants does."""
    root = tmp_path_factory.mktemp("sandbox")
    for file, text in {**FILES, "helper.py": HELPER, "pytest.ini": "[pytest]\n"}.items():
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    command = ("-m", "pytest", "--import-mode=importlib", "--junit-xml=report.xml", *FILES)
    done = subprocess.run([sys.executable, *command], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    return Path(root / "report.xml").read_bytes()


def test_each_skip_has_its_file_its_reason_and_what_installs_it(junit: bytes) -> None:
    first, second = FILES
    missing = Skip(first, "No server is installed.", ".ci/run install_servers")
    assert sorted(map(repr, read_skips(junit, ADDRESSES))) == sorted(
        map(
            repr,
            [
                Skip(first, "broken: see issue 7"),
                *[missing] * 3,
                Skip(second, "not on this machine"),
            ],
        )
    )


def test_a_file_is_named_once_and_a_reason_is_counted(junit: bytes) -> None:
    assert as_text(read_skips(junit, ADDRESSES), heading="Skipped tests:") == (
        "Skipped tests:\n"
        "  tests/a/first_test.py\n"
        "    3x No server is installed.\n"
        "    1x broken: see issue 7\n"
        "  tests/a/second_test.py\n"
        "    1x not on this machine\n"
        "Install what is missing: .ci/run install_servers"
    )


def test_without_something_to_install_no_command_is_shown() -> None:
    shown = as_text([Skip("a_test.py", "not root")], heading="Skipped tests:")
    assert shown == "Skipped tests:\n  a_test.py\n    1x not root"


def test_files_with_similar_names_are_distinguished() -> None:
    report = b'<testsuite><testcase classname="a_test" name="b"><skipped/></testcase></testsuite>'
    assert read_skips(report, ["a.py:tests", "a_test.py:tests"])[0].place == "a_test.py"


def test_another_test_runner_may_write_what_it_likes() -> None:
    assert read_skips(b"", ["a:tests"]) == []
    assert read_skips(b"<html></html>", ["a:tests"]) == []
    report = b'<testsuite><testcase name="c"><skipped>later</skipped></testcase></testsuite>'
    assert read_skips(report, ["a:tests"]) == [Skip("a:tests", "later")]
    assert read_skips(report, ["a:tests", "b:tests"]) == [Skip("c", "later")]
    assert read_skips(report, []) == [Skip("c", "later")]
