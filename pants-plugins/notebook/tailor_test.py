from __future__ import annotations

import pytest
from pants.core.goals.tailor import AllOwnedSources, PutativeTarget, PutativeTargets
from pants.engine.rules import QueryRule
from pants.testutil.rule_runner import RuleRunner

from notebook import subsystem, tailor
from notebook.tailor import PutativeNotebooksRequest
from notebook.target_types import NotebooksGeneratorTarget


@pytest.fixture
def rule_runner() -> RuleRunner:
    runner = RuleRunner(
        rules=[
            *subsystem.rules(),
            *tailor.rules(),
            QueryRule(PutativeTargets, [PutativeNotebooksRequest, AllOwnedSources]),
        ],
        target_types=[NotebooksGeneratorTarget],
    )
    runner.write_files(
        {
            "docs/guide.ipynb": "",
            "docs/.ipynb_checkpoints/guide-checkpoint.ipynb": "",
            "notebooks/one.ipynb": "",
            "notebooks/two.ipynb": "",
        }
    )
    return runner


def proposed(rule_runner: RuleRunner, *owned: str) -> PutativeTargets:
    request = PutativeNotebooksRequest(("docs", "docs/.ipynb_checkpoints", "notebooks"))
    return rule_runner.request(PutativeTargets, [request, AllOwnedSources(owned)])


def notebooks(folder: str, name: str | None, *files: str) -> PutativeTarget:
    return PutativeTarget.for_target_type(
        NotebooksGeneratorTarget, path=folder, name=name, triggering_sources=files
    )


def test_notebooks_get_targets_and_checkpoints_none(rule_runner: RuleRunner) -> None:
    assert proposed(rule_runner) == PutativeTargets(
        [
            notebooks("docs", "notebooks", "guide.ipynb"),
            notebooks("notebooks", None, "one.ipynb", "two.ipynb"),
        ]
    )


def test_owned_notebooks_get_no_other(rule_runner: RuleRunner) -> None:
    assert proposed(rule_runner, "docs/guide.ipynb", "notebooks/one.ipynb") == PutativeTargets(
        [notebooks("notebooks", None, "two.ipynb")]
    )


def test_tailor_can_be_turned_off(rule_runner: RuleRunner) -> None:
    rule_runner.set_options(["--no-jupyter-tailor"])
    assert proposed(rule_runner) == PutativeTargets()
