from __future__ import annotations

import pytest
from pants.core.target_types import FileTarget
from pants.engine.addresses import Address
from pants.engine.internals import build_files
from pants.testutil.rule_runner import RuleRunner

from warm_daemon.build_files import replace_rule

ENVIRONMENT = {"PATH": "/bin", "LANG": "C.UTF-8"}


class Parsed:
    """Records which BUILD files are parsed. The repository has one, which calls `env("NAME")`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.files: list[str] = []
        parse = build_files.AddressMap.parse

        def note(path: str, *arguments: object, **named: object) -> object:
            self.files.append(path)
            return parse(path, *arguments, **named)

        monkeypatch.setattr(build_files.AddressMap, "parse", note)
        replace_rule()
        self.runner = RuleRunner(target_types=[FileTarget])
        self.runner.write_files({"app/BUILD": "file(name=env('NAME', 'none'), source='a.txt')"})

    def by_command(self, name: str, **environment: str) -> list[str]:
        """The BUILD files that a command parses to find the target with this name."""
        self.files.clear()
        self.runner.set_options([], env={**ENVIRONMENT, **environment})
        self.runner.get_target(Address("app", target_name=name))
        return self.files


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> Parsed:
    return Parsed(monkeypatch)


def test_a_second_command_parses_no_build_file(parsed: Parsed) -> None:
    assert parsed.by_command("none") == ["app/BUILD"]
    assert parsed.by_command("none") == []


def test_the_clients_details_and_the_order_do_not_change_the_environment(
    parsed: Parsed,
) -> None:
    parsed.by_command("none", FIRST="1", SECOND="2", PANTSD_RUNTRACKER_CLIENT_START_TIME="1.5")
    started = {"PANTSD_RUNTRACKER_CLIENT_START_TIME": "2.5"}
    assert parsed.by_command("none", **started, SECOND="2", FIRST="1") == []


def test_a_changed_environment_parses_build_files_again(parsed: Parsed) -> None:
    parsed.by_command("none")
    assert parsed.by_command("other", NAME="other") == ["app/BUILD"]
    assert parsed.by_command("none") == ["app/BUILD"]


def test_a_build_file_that_changed_is_parsed_again(parsed: Parsed) -> None:
    parsed.by_command("none")
    parsed.runner.write_files({"app/BUILD": "file(name='new', source='a.txt')"})
    assert parsed.by_command("new") == ["app/BUILD"]
