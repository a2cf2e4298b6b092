from __future__ import annotations

import subprocess
import sys

import pytest
from pants.core.util_rules.system_binaries import GitBinary, GitBinaryException

from warm_daemon.git import replace_subprocess


@pytest.fixture(autouse=True)
def _nothing_forks(monkeypatch: pytest.MonkeyPatch) -> None:
    def fork(*_: object) -> None:
        raise AssertionError("The process was forked.")

    monkeypatch.setattr(subprocess._posixsubprocess, "fork_exec", fork)
    replace_subprocess()


def test_output_is_returned_without_a_fork() -> None:
    # Any program can replace git here.
    assert GitBinary(sys.executable)._invoke_unsandboxed(["-c", "print('main')"]) == "main"


def test_an_error_contains_gits_output() -> None:
    with pytest.raises(GitBinaryException, match="not a repository"):
        GitBinary(sys.executable)._invoke_unsandboxed(["-c", "exit('not a repository')"])


def test_a_missing_program_is_reported() -> None:
    with pytest.raises(GitBinaryException, match="/nowhere/git"):
        GitBinary("/nowhere/git")._invoke_unsandboxed(["status"])
