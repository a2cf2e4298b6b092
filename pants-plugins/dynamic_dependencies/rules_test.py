from __future__ import annotations

import pytest
from pants.backend.python import target_types_rules
from pants.backend.python.target_types import PexBinary, PythonSourcesGeneratorTarget
from pants.core.target_types import FilesGeneratorTarget
from pants.core.target_types import rules as core_target_types_rules
from pants.engine.addresses import Address
from pants.engine.rules import QueryRule
from pants.engine.target import InferredDependencies
from pants.testutil.rule_runner import RuleRunner, engine_error

from dynamic_dependencies import field, rules
from dynamic_dependencies.rules import (
    DynamicDependenciesFieldSet,
    InferDynamicDependencies,
    UnmatchedGlobError,
    with_exclusions,
)


@pytest.fixture
def rule_runner() -> RuleRunner:
    runner = RuleRunner(
        rules=[
            *field.rules(),
            *rules.rules(),
            *core_target_types_rules(),
            *target_types_rules.rules(),
            QueryRule(InferredDependencies, [InferDynamicDependencies]),
        ],
        target_types=[FilesGeneratorTarget, PexBinary, PythonSourcesGeneratorTarget],
    )
    runner.set_options(
        [
            "--python-enable-resolves",
            "--python-default-resolve=default",
            "--python-resolves={'default': 'default.lock', 'airflow': 'airflow.lock'}",
        ]
    )
    runner.write_files(
        {
            "src/models/iris/BUILD": "python_sources()",
            "src/models/iris/predict.py": "",
            "src/models/iris/train.py": "",
            "src/models/churn/BUILD": "python_sources()",
            "src/models/churn/predict.py": "",
            "src/dags/BUILD": "python_sources(resolve='airflow')",
            "src/dags/predict.py": "",
            "src/texts/BUILD": "files(sources=['*.md'])",
            "src/texts/predict.md": "",
        }
    )
    return runner


def infer(rule_runner: RuleRunner, *globs: str) -> InferredDependencies:
    rule_runner.write_files(
        {"src/BUILD": f"pex_binary(name='bin', entry_point='a', dynamic_dependencies={globs!r})"}
    )
    target = rule_runner.get_target(Address("src", target_name="bin"))
    request = InferDynamicDependencies(DynamicDependenciesFieldSet.create(target))
    return rule_runner.request(InferredDependencies, [request])


def sources(*paths: str) -> InferredDependencies:
    folders_and_files = (path.rsplit("/", 1) for path in paths)
    return InferredDependencies(
        Address(folder, relative_file_path=file) for folder, file in folders_and_files
    )


def test_every_source_that_matches_is_a_dependency(rule_runner: RuleRunner) -> None:
    assert infer(rule_runner, "src/models/*/predict.py", "src/models/iris/train.py") == sources(
        "src/models/churn/predict.py", "src/models/iris/predict.py", "src/models/iris/train.py"
    )


def test_a_new_module_needs_no_edit(rule_runner: RuleRunner) -> None:
    infer(rule_runner, "src/models/*/predict.py")
    rule_runner.write_files(
        {"src/models/fraud/BUILD": "python_sources()", "src/models/fraud/predict.py": ""}
    )
    assert infer(rule_runner, "src/models/*/predict.py") == sources(
        "src/models/churn/predict.py", "src/models/fraud/predict.py", "src/models/iris/predict.py"
    )


def test_a_glob_can_exclude_files(rule_runner: RuleRunner) -> None:
    assert infer(rule_runner, "src/models/*/predict.py", "!src/models/churn/*") == sources(
        "src/models/iris/predict.py"
    )


def test_only_python_sources_of_the_resolve_count(rule_runner: RuleRunner) -> None:
    assert infer(rule_runner, "src/**/predict.*") == sources(
        "src/models/churn/predict.py", "src/models/iris/predict.py"
    )


def test_without_the_field_nothing_is_inferred(rule_runner: RuleRunner) -> None:
    assert infer(rule_runner) == InferredDependencies([])


@pytest.mark.parametrize(
    ("glob", "expected"),
    [
        ("src/model/*/predict.py", "file"),
        ("src/dags/*.py", "Python source of the resolve `default`"),
        ("src/texts/*", "Python source of the resolve `default`"),
    ],
)
def test_a_glob_without_modules_is_named(rule_runner: RuleRunner, glob: str, expected: str) -> None:
    message = (
        f"The glob {glob!r} in the `dynamic_dependencies` field of src:bin matches no {expected}. "
        "Globs are relative to the build root."
    )
    with engine_error(UnmatchedGlobError, contains=message):
        infer(rule_runner, "src/models/*/predict.py", glob)


def test_exclusions_go_with_every_glob() -> None:
    assert with_exclusions(["a/*", "!a/b", "c/*"]) == {
        "a/*": ("a/*", "!a/b"),
        "c/*": ("c/*", "!a/b"),
    }
