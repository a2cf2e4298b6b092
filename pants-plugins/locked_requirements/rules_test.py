from __future__ import annotations

import json
import re
from pathlib import Path
from textwrap import dedent

import pytest
from pants.backend.python import target_types_rules
from pants.backend.python.dependency_inference import module_mapper
from pants.backend.python.target_types import PythonRequirementTarget
from pants.core.goals import fix, fmt, lint
from pants.core.goals.fmt import Fmt
from pants.core.goals.lint import Lint
from pants.engine.addresses import Address, Addresses
from pants.engine.internals.graph import Owners, OwnersRequest
from pants.engine.internals.parametrize import Parametrize
from pants.engine.rules import QueryRule
from pants.engine.target import (
    AllTargets,
    Dependencies,
    DependenciesRequest,
    InvalidFieldException,
)
from pants.testutil.rule_runner import GoalRuleResult, RuleRunner, engine_error

from locked_requirements import generate, upkeep
from locked_requirements.target_types import LockedRequirementsTargetGenerator
from locked_requirements.upkeep import LockfileMissingError, RequirementsNotLockedError

OPTIONS = (
    "--python-enable-resolves",
    "--python-default-resolve=default",
    "--python-resolves={'default': '3p/locks/default.lock', 'airflow': '3p/locks/airflow.lock'}",
    "--no-python-enable-lockfile-targets",
)
DATA = "# Tables.\npandas[excel]==3.1\npython-dateutil>=2\n"
PINS = {
    "pandas==3.1": ['openpyxl; extra == "excel"', "python-dateutil"],
    "openpyxl==3": [],
    "python-dateutil==2": ["six"],
    "six==1": [],
}


@pytest.fixture
def rule_runner() -> RuleRunner:
    runner = RuleRunner(
        rules=[
            *generate.rules(),
            *upkeep.rules(),
            *fix.rules(),
            *fmt.rules(),
            *lint.rules(),
            *module_mapper.rules(),
            *target_types_rules.rules(),
            QueryRule(AllTargets, []),
            QueryRule(Addresses, [DependenciesRequest]),
            QueryRule(Owners, [OwnersRequest]),
        ],
        target_types=[LockedRequirementsTargetGenerator, PythonRequirementTarget],
        objects={"parametrize": Parametrize},
    )
    runner.set_options(OPTIONS)
    return runner


def lock(**changed: str) -> str:
    pins = {f"{pin.split('==')[0]}": (pin.split("==")[1], needs) for pin, needs in PINS.items()}
    requirements = [
        {
            "project_name": name,
            "version": changed.get(name, version),
            "requires_dists": needs,
            "artifacts": [{"algorithm": "sha256", "hash": name, "url": "https://example.invalid"}],
        }
        for name, (version, needs) in pins.items()
    ]
    return json.dumps({"locked_resolves": [{"locked_requirements": requirements}]})


def write(rule_runner: RuleRunner, *, data: str = DATA, lockfile: str | None = None) -> None:
    rule_runner.write_files(
        {
            "3p/BUILD": "locked_requirements(name='data', source='data.txt')",
            "3p/data.txt": data,
            "3p/locks/default.lock": lock() if lockfile is None else lockfile,
        }
    )


def run_fmt(rule_runner: RuleRunner) -> GoalRuleResult:
    return rule_runner.run_goal_rule(Fmt, global_args=OPTIONS, args=["::"])


def run_lint(rule_runner: RuleRunner) -> GoalRuleResult:
    return rule_runner.run_goal_rule(Lint, global_args=OPTIONS, args=["::"])


def closures(rule_runner: RuleRunner, *, resolve: str = "default") -> dict[str, list[str]]:
    """Each closure's pins by the name of its file."""
    folder = Path(rule_runner.build_root, "3p/closures", resolve)
    return {
        path.name: re.findall(r"^\w\S*==\S+", path.read_text(), re.MULTILINE)
        for path in sorted(folder.glob("*"))
    }


def dependencies(rule_runner: RuleRunner, name: str) -> Addresses:
    target = rule_runner.get_target(Address("3p", target_name="data", generated_name=name))
    return rule_runner.request(Addresses, [DependenciesRequest(target[Dependencies])])


def owners(rule_runner: RuleRunner, path: str) -> list[str]:
    request = OwnersRequest((path,), match_if_owning_build_file_included_in_sources=True)
    return sorted(address.spec for address in rule_runner.request(Owners, [request]))


def test_a_requirement_depends_on_its_closure_and_on_nothing_else(rule_runner: RuleRunner) -> None:
    write(rule_runner)
    closure = Address("3p", target_name="data", generated_name="closure/pandas")
    assert dependencies(rule_runner, "pandas") == Addresses([closure])


def test_each_file_has_its_owner(rule_runner: RuleRunner) -> None:
    write(rule_runner)
    run_fmt(rule_runner)
    assert {
        path: owners(rule_runner, path)
        for path in ("3p/data.txt", "3p/locks/default.lock", "3p/closures/default/pandas.txt")
    } == {
        "3p/data.txt": ["3p:data#closure-inputs/data.txt"],
        "3p/locks/default.lock": ["3p:data#closure-inputs/data.txt"],
        "3p/closures/default/pandas.txt": ["3p:data#closure/pandas"],
    }


def test_modules_and_overrides_are_as_in_python_requirements(rule_runner: RuleRunner) -> None:
    rule_runner.write_files(
        {
            "3p/BUILD": dedent(
                """\
                locked_requirements(
                    name="data",
                    source="data.txt",
                    module_mapping={"Some_Thing": ["thing"]},
                    type_stubs_module_mapping={"thing-stubs": ["thing"]},
                    overrides={"pandas": {"dependencies": ["#pyyaml"], "tags": ["big"]}},
                )
                """
            ),
            "3p/data.txt": "some-thing\nthing-stubs\npandas; python_version > '3'\npyyaml\n",
        }
    )
    closure = "3p:data#closure/pandas"
    expected = [
        {"requirements": ["some-thing"], "modules": ["thing"]},
        {"requirements": ["thing-stubs"], "type_stub_modules": ["thing"]},
        {
            "requirements": ["pandas; python_version > '3'"],
            "dependencies": ["#pyyaml", closure],
            "tags": ["big"],
        },
        {"requirements": ["pyyaml"]},
    ]
    projects = ("some-thing", "thing-stubs", "pandas", "pyyaml")
    for project, fields in zip(projects, expected):
        address = Address("3p", target_name="data", generated_name=project)
        dependency = Address("3p", target_name="data", generated_name=f"closure/{project}").spec
        assert rule_runner.get_target(address) == PythonRequirementTarget(
            {"dependencies": [dependency], **fields}, address
        )


def test_an_unused_override_is_refused(rule_runner: RuleRunner) -> None:
    rule_runner.write_files(
        {
            "3p/BUILD": "locked_requirements(source='data.txt', overrides={'rich': {'tags': []}})",
            "3p/data.txt": "pandas\n",
        }
    )
    with engine_error(InvalidFieldException, contains="`overrides` field for 3p:3p: ['rich']"):
        rule_runner.request(AllTargets, [])


def test_an_invalid_requirement_is_reported(rule_runner: RuleRunner) -> None:
    write(rule_runner, data="# Tables.\n\nnot a requirement\n")
    with engine_error(ValueError, contains="'not a requirement' in 3p/data.txt at line 3"):
        rule_runner.request(AllTargets, [])


def test_fmt_makes_the_closures_and_lint_then_passes(rule_runner: RuleRunner) -> None:
    write(rule_runner)
    assert run_lint(rule_runner).exit_code == 1
    run_fmt(rule_runner)
    assert closures(rule_runner) == {
        "pandas.txt": ["openpyxl==3", "pandas==3.1", "python-dateutil==2", "six==1"],
        "python-dateutil.txt": ["python-dateutil==2", "six==1"],
    }
    assert run_lint(rule_runner).exit_code == 0


def test_a_new_lockfile_changes_only_the_closures_that_moved(rule_runner: RuleRunner) -> None:
    write(rule_runner)
    run_fmt(rule_runner)
    write(rule_runner, lockfile=lock(openpyxl="4"))
    result = run_lint(rule_runner)
    assert result.exit_code == 1
    assert "✕ requirement-closures failed." in result.stderr
    run_fmt(rule_runner)
    assert closures(rule_runner) == {
        "pandas.txt": ["openpyxl==4", "pandas==3.1", "python-dateutil==2", "six==1"],
        "python-dateutil.txt": ["python-dateutil==2", "six==1"],
    }


def test_a_requirement_named_in_two_files_has_one_closure(rule_runner: RuleRunner) -> None:
    rule_runner.write_files(
        {
            "3p/BUILD": dedent(
                """\
                locked_requirements(name="a", source="a.txt")
                locked_requirements(name="b", source="b.txt")
                """
            ),
            "3p/a.txt": "pandas\n",
            "3p/b.txt": "pandas[excel]\n",
            "3p/locks/default.lock": lock(),
        }
    )
    run_fmt(rule_runner)
    assert closures(rule_runner) == {
        "pandas.txt": ["openpyxl==3", "pandas==3.1", "python-dateutil==2", "six==1"]
    }
    assert run_lint(rule_runner).exit_code == 0


def test_each_resolve_has_its_own_closures(rule_runner: RuleRunner) -> None:
    rule_runner.write_files(
        {
            "3p/BUILD": dedent(
                """\
                locked_requirements(
                    name="data", source="data.txt", resolve=parametrize("default", "airflow")
                )
                """
            ),
            "3p/data.txt": "six\n",
            "3p/locks/default.lock": lock(),
            "3p/locks/airflow.lock": lock(six="2"),
        }
    )
    run_fmt(rule_runner)
    assert {
        resolve: closures(rule_runner, resolve=resolve) for resolve in ("default", "airflow")
    } == {"default": {"six.txt": ["six==1"]}, "airflow": {"six.txt": ["six==2"]}}
    assert owners(rule_runner, "3p/locks/airflow.lock") == [
        "3p:data#closure-inputs/data.txt@resolve=airflow"
    ]


def test_a_closure_without_its_requirement_fails_lint(rule_runner: RuleRunner) -> None:
    write(rule_runner)
    run_fmt(rule_runner)
    write(rule_runner, data="pandas[excel]==3.1\n")
    result = run_lint(rule_runner)
    assert result.exit_code == 1
    assert "✕ requirement-closures leftovers failed." in result.stderr


def test_a_missing_lockfile_is_named(rule_runner: RuleRunner) -> None:
    rule_runner.write_files(
        {"3p/BUILD": "locked_requirements(source='data.txt')", "3p/data.txt": DATA}
    )
    expected = (
        "3p/locks/default.lock is missing. 3p/closures/default is generated from it. "
        "Run `pants generate-lockfiles --resolve=default`, then `pants fmt`."
    )
    with engine_error(LockfileMissingError, contains=expected):
        run_fmt(rule_runner)


def test_all_unlocked_requirements_are_reported_with_file_and_line(rule_runner: RuleRunner) -> None:
    write(rule_runner, data="pandas==3.2\n\n# Faster.\npolars\nsix\n")
    expected = (
        "3p/locks/default.lock does not satisfy these requirements:\n\n"
        "  * 3p/data.txt:1: pandas==3.2 (the lockfile has 3.1)\n"
        "  * 3p/data.txt:4: polars (it is not in the lockfile)\n\n"
        "Run `pants generate-lockfiles --resolve=default`, then `pants fmt`."
    )
    with engine_error(RequirementsNotLockedError, contains=expected):
        run_fmt(rule_runner)
