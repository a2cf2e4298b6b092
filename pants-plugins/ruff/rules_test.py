from __future__ import annotations

import re
from textwrap import dedent

import pytest
from pants.backend.python.target_types import PythonSourceTarget
from pants.core.util_rules import config_files
from pants.core.util_rules.config_files import ConfigFiles, ConfigFilesRequest
from pants.engine.addresses import Address
from pants.engine.rules import QueryRule
from pants.option.errors import OptionsError
from pants.testutil.option_util import create_subsystem
from pants.testutil.rule_runner import RuleRunner

from ruff import skip_field
from ruff.first_party import FirstPartyNames
from ruff.rules import ruff_argv
from ruff.subsystem import Ruff, RuffFieldSet

NAMES = FirstPartyNames(("config", "models"))


def test_the_first_party_names_are_given() -> None:
    argv = ruff_argv(("check", "--fix"), config=None, names=NAMES, files=("src/a.py", "src/b.py"))
    assert argv == (
        "check",
        "--fix",
        "--config",
        'lint.isort.known-first-party = ["config", "models"]',
        "--force-exclude",
        "--no-cache",
        "src/a.py",
        "src/b.py",
    )


def test_a_given_config_comes_before_what_overrides_it() -> None:
    argv = ruff_argv(("format",), config="build/ruff.toml", names=NAMES, files=())
    assert argv == (
        "format",
        "--config",
        "build/ruff.toml",
        "--config",
        'lint.isort.known-first-party = ["config", "models"]',
        "--force-exclude",
        "--no-cache",
    )


def test_configs_are_found_from_the_root_down_to_the_files() -> None:
    rule_runner = RuleRunner(
        rules=[*config_files.rules(), QueryRule(ConfigFiles, [ConfigFilesRequest])]
    )
    rule_runner.write_files(
        {
            "ruff.toml": "line-length = 100",
            "pyproject.toml": "[project]",
            "src/pyproject.toml": "[tool.ruff.lint]",
            "src/models/.ruff.toml": "",
            "tests/ruff.toml": "",
        }
    )
    ruff = create_subsystem(Ruff, config=None, config_discovery=True)
    request = ruff.config_request(("src", "src/models"))
    assert rule_runner.request(ConfigFiles, [request]).snapshot.files == (
        "ruff.toml",
        "src/models/.ruff.toml",
        "src/pyproject.toml",
    )


def test_skip_ruff_opts_out() -> None:
    rule_runner = RuleRunner(rules=skip_field.rules(), target_types=[PythonSourceTarget])
    rule_runner.write_files(
        {
            "BUILD": dedent(
                """\
                python_source(name="written", source="written.py")
                python_source(name="made", source="made.py", skip_ruff=True)
                """
            )
        }
    )
    targets = (
        rule_runner.get_target(Address("", target_name=name)) for name in ("written", "made")
    )
    assert [RuffFieldSet.is_applicable(target) for target in targets] == [True, False]


def test_ruff_asks_for_a_resolve() -> None:
    ruff = create_subsystem(Ruff, install_from_resolve=None)
    with pytest.raises(OptionsError, match=re.escape("[ruff].install_from_resolve is not set.")):
        ruff.to_pex_request()
