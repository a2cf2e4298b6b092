from __future__ import annotations

import pytest
from pants.backend.python import target_types_rules
from pants.backend.python.dependency_inference import rules as dependency_inference
from pants.backend.python.target_types import (
    PythonSourcesGeneratorTarget,
    PythonTestsGeneratorTarget,
)
from pants.engine.addresses import Address
from pants.engine.rules import QueryRule
from pants.testutil.rule_runner import RuleRunner
from pants.vcs import changed
from pants.vcs.changed import ChangedAddresses, ChangedRequest, DependentsOption

from changed_targets import rules

FILES = {
    "src/app/BUILD": "python_sources()",
    "src/app/used.py": "",
    "src/app/user.py": "from app import used",
    "src/app/other.py": "",
    "tests/app/BUILD": "python_tests(name='tests')",
    "tests/app/used_test.py": "from app import used",
    "tests/app/other_test.py": "from app import other",
}


@pytest.fixture
def rule_runner() -> RuleRunner:
    rules.replace_rule()
    runner = RuleRunner(
        rules=[
            *changed.rules(),
            *dependency_inference.rules(),
            *target_types_rules.rules(),
            QueryRule(ChangedAddresses, [ChangedRequest]),
        ],
        target_types=[PythonSourcesGeneratorTarget, PythonTestsGeneratorTarget],
    )
    runner.set_options(
        ["--source-root-patterns=['/src', '/tests']", "--python-infer-use-rust-parser"],
        env_inherit={"PATH", "PYENV_ROOT", "HOME"},
    )
    runner.write_files(FILES)
    return runner


def touched(
    rule_runner: RuleRunner, *files: str, dependents: DependentsOption = DependentsOption.TRANSITIVE
) -> set[str]:
    request = ChangedRequest(files, dependents)
    return {str(address) for address in rule_runner.request(ChangedAddresses, [request])}


def test_siblings_of_a_dependent_are_not_touched(rule_runner: RuleRunner) -> None:
    assert touched(rule_runner, "src/app/used.py") == {
        "src/app/used.py",
        "src/app/user.py",
        "tests/app/used_test.py:tests",
    }


def test_direct_dependents_are_those_of_the_file(rule_runner: RuleRunner) -> None:
    assert touched(rule_runner, "src/app/other.py", dependents=DependentsOption.DIRECT) == {
        "src/app/other.py",
        "tests/app/other_test.py:tests",
    }


def test_without_dependents_only_the_owner_is_changed(rule_runner: RuleRunner) -> None:
    only = touched(rule_runner, "src/app/used.py", dependents=DependentsOption.NONE)
    assert only == {"src/app/used.py"}


def test_a_deleted_file_touches_its_generator(rule_runner: RuleRunner) -> None:
    assert Address("src/app").spec in touched(rule_runner, "src/app/gone.py")
