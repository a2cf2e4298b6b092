from __future__ import annotations

from textwrap import dedent

import pytest
from pants.backend.python import target_types_rules
from pants.backend.python.dependency_inference import rules as dependency_inference
from pants.backend.python.target_types import PythonSourcesGeneratorTarget
from pants.engine.addresses import Address, Addresses
from pants.engine.internals.dep_rules import DependencyRuleActionDeniedError
from pants.engine.internals.scheduler import ExecutionError
from pants.engine.rules import QueryRule
from pants.engine.target import Dependencies, DependenciesRequest
from pants.testutil.rule_runner import RuleRunner

from import_rules import import_lines, rules

TRAIN = dedent(
    """\
    import models.shared
    from models.churn import features
    from models.churn import predict
    """
)


@pytest.fixture
def rule_runner() -> RuleRunner:
    runner = RuleRunner(
        rules=[
            *import_lines.rules(),
            *rules.rules(),
            *dependency_inference.rules(),
            *target_types_rules.rules(),
            QueryRule(Addresses, [DependenciesRequest]),
        ],
        target_types=[PythonSourcesGeneratorTarget],
    )
    runner.set_options(
        ["--source-root-patterns=['/src']", "--python-infer-use-rust-parser"],
        env_inherit={"PATH", "PYENV_ROOT", "HOME"},
    )
    runner.write_files(
        {
            "src/models/BUILD": "python_sources()",
            "src/models/shared.py": "",
            "src/models/churn/BUILD": "python_sources()",
            "src/models/churn/features.py": "",
            "src/models/churn/predict.py": "",
            "src/models/iris/BUILD": "python_sources()",
            "src/models/iris/train.py": TRAIN,
        }
    )
    return runner


def dependencies(rule_runner: RuleRunner) -> list[str]:
    address = Address("src/models/iris", relative_file_path="train.py")
    target = rule_runner.get_target(address)
    addresses = rule_runner.request(Addresses, [DependenciesRequest(target[Dependencies])])
    return [dependency.spec for dependency in addresses]


def violation(rule_runner: RuleRunner) -> str:
    with pytest.raises(ExecutionError) as raised:
        dependencies(rule_runner)
    error = raised.value.wrapped_exceptions[0]
    assert isinstance(error, DependencyRuleActionDeniedError)
    return str(error)


def test_a_denial_says_where_and_why(rule_runner: RuleRunner) -> None:
    rule_runner.write_files(
        {
            "src/models/BUILD": dedent(
                """\
                python_sources()
                __dependencies_rules__(
                    (
                        "*",
                        "./**",
                        "/*.py",
                        "# models never import one another: move what they share to src/models",
                        "!/**",
                    ),
                )
                """
            )
        }
    )
    assert violation(rule_runner) == dedent(
        """\
        src/models/iris/train.py has 2 dependency violations:

          * src/models/BUILD[!src/models/**] -> src/models/churn : DENY
            python_sources src/models/iris/train.py -> python_sources src/models/churn/features.py
            src/models/iris/train.py:2: imports models.churn.features
            models never import one another: move what they share to src/models
          * src/models/BUILD[!src/models/**] -> src/models/churn : DENY
            python_sources src/models/iris/train.py -> python_sources src/models/churn/predict.py
            src/models/iris/train.py:3: imports models.churn.predict
            models never import one another: move what they share to src/models
        """
    ).rstrip("\n")


def test_the_dependency_can_give_the_reason(rule_runner: RuleRunner) -> None:
    rule_runner.write_files(
        {
            "src/models/churn/BUILD": dedent(
                """\
                python_sources()
                __dependents_rules__(
                    ("[/features.py]", "# features are churn's own", "!//src/models/iris/*"),
                    ("*", "*"),
                )
                """
            )
        }
    )
    assert violation(rule_runner) == dedent(
        """\
        src/models/iris/train.py has 1 dependency violation:

          * src/models/iris -> src/models/churn/BUILD[!//src/models/iris/*] : DENY
            python_sources src/models/iris/train.py -> python_sources src/models/churn/features.py
            src/models/iris/train.py:2: imports models.churn.features
            features are churn's own
        """
    ).rstrip("\n")


def test_rules_of_the_parent_keep_their_reasons(rule_runner: RuleRunner) -> None:
    rule_runner.write_files(
        {
            "src/models/BUILD": dedent(
                """\
                python_sources()
                __dependencies_rules__(
                    ("<python_sources>", "/*.py", "# why", "!/churn/features.py", "*"),
                )
                """
            ),
            "src/models/iris/BUILD": dedent(
                """\
                python_sources()
                __dependencies_rules__(("<resources>", "# other", "!*"), extend=True)
                """
            ),
        }
    )
    assert violation(rule_runner).splitlines()[-1].strip() == "why"


def test_allowed_imports_pass(rule_runner: RuleRunner) -> None:
    rule_runner.write_files(
        {
            "src/models/iris/BUILD": dedent(
                """\
                python_sources()
                __dependencies_rules__(("*", "//src/models/**", "# the rest", "!*"))
                """
            )
        }
    )
    assert dependencies(rule_runner) == [
        "src/models/shared.py",
        "src/models/churn/features.py",
        "src/models/churn/predict.py",
    ]
