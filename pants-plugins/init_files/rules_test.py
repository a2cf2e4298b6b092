from __future__ import annotations

import pytest
from pants.backend.python import target_types_rules
from pants.backend.python.dependency_inference import rules as dependency_inference
from pants.backend.python.target_types import PythonSourcesGeneratorTarget
from pants.engine.addresses import Address, Addresses
from pants.engine.rules import QueryRule
from pants.engine.target import Dependencies, DependenciesRequest
from pants.testutil.rule_runner import RuleRunner

from init_files import rules

FILES = {
    "src/app/BUILD": "python_sources()",
    "src/app/__init__.py": "version = 1",
    "src/app/module.py": "",
    "src/app/blank/BUILD": "python_sources()",
    "src/app/blank/__init__.py": "\n",
    "src/app/blank/module.py": "",
    "src/app/deep/BUILD": "python_sources()",
    "src/app/deep/__init__.py": "version = 2",
    "src/app/deep/__init__.pyi": "version: int",
    "src/app/deep/module.py": "",
    "src/app/deep/other/BUILD": "python_sources(resolve='other')",
    "src/app/deep/other/__init__.py": "version = 3",
    "src/app/deep/other/module.py": "",
    "src/app/init/BUILD": "python_sources()",
    "src/app/init/not__init__.py": "version = 4",
}
MODULES = [path for path in FILES if not path.endswith("BUILD")]


def runner(*arguments: str, own: bool) -> RuleRunner:
    runner = RuleRunner(
        rules=[
            *dependency_inference.rules(),
            *target_types_rules.rules(),
            *(rules.rules() if own else ()),
            QueryRule(Addresses, [DependenciesRequest]),
        ],
        target_types=[PythonSourcesGeneratorTarget],
    )
    runner.set_options(
        [
            "--source-root-patterns=['/src']",
            "--python-infer-use-rust-parser",
            "--python-enable-resolves",
            "--python-resolves={'python-default': 'default.lock', 'other': 'other.lock'}",
            *arguments,
        ],
        env_inherit={"PATH", "PYENV_ROOT", "HOME"},
    )
    runner.write_files(FILES)
    return runner


def dependencies(runner: RuleRunner, path: str) -> list[str]:
    folder, _, name = path.rpartition("/")
    target = runner.get_target(Address(folder, relative_file_path=name))
    request = DependenciesRequest(target[Dependencies])
    return [address.spec for address in runner.request(Addresses, [request])]


@pytest.fixture(scope="module")
def ours() -> RuleRunner:
    return runner("--python-infer-init-files=never", own=True)


@pytest.fixture(scope="module")
def pants() -> RuleRunner:
    return runner("--python-infer-init-files=content_only", own=False)


@pytest.mark.parametrize("path", MODULES)
def test_dependencies_are_those_that_pants_infers(
    path: str, ours: RuleRunner, pants: RuleRunner
) -> None:
    assert dependencies(ours, path) == dependencies(pants, path)


def test_init_files_are_in_the_modules_own_resolve(ours: RuleRunner) -> None:
    assert dependencies(ours, "src/app/deep/module.py") == [
        "src/app/__init__.py",
        "src/app/deep/__init__.py",
        "src/app/deep/__init__.pyi",
    ]
    assert dependencies(ours, "src/app/deep/other/module.py") == ["src/app/deep/other/__init__.py"]


def test_a_file_that_gets_content_becomes_a_dependency() -> None:
    fresh = runner("--python-infer-init-files=never", own=True)
    assert "src/app/blank/__init__.py" not in dependencies(fresh, "src/app/blank/module.py")
    fresh.write_files({"src/app/blank/__init__.py": "version = 5"})
    assert "src/app/blank/__init__.py" in dependencies(fresh, "src/app/blank/module.py")
