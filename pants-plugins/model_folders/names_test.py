from __future__ import annotations

import pytest
from pants.core.goals.lint import LintResult
from pants.core.util_rules.partitions import Partitions
from pants.engine.rules import QueryRule
from pants.testutil.rule_runner import RuleRunner

from model_folders import names
from model_folders.names import ModelFoldersRequest, folders_of_models, is_refused
from tools.workspace.model_names import is_model_name

HOSTILE = "src/models/a;touch PWN;b $(id)"
GOOD = ("src/models/iris", "src/models/company_emissions", "tests/models/iris")


@pytest.fixture
def runner() -> RuleRunner:
    return RuleRunner(
        rules=[
            *names.rules(),
            QueryRule(Partitions, [ModelFoldersRequest.PartitionRequest]),
            QueryRule(LintResult, [ModelFoldersRequest.Batch]),
        ]
    )


def linted(runner: RuleRunner, *files: str) -> LintResult:
    request = ModelFoldersRequest.PartitionRequest(files)
    (partition,) = runner.request(Partitions, [request])
    batch = ModelFoldersRequest.Batch("", partition.elements, partition.metadata)
    return runner.request(LintResult, [batch])


def test_a_folder_whose_name_is_not_an_identifier_is_refused(runner: RuleRunner) -> None:
    result = linted(runner, f"{HOSTILE}/dag.toml", *(f"{folder}/train.py" for folder in GOOD))
    assert result.exit_code == 1
    assert result.stdout == (
        f"'{HOSTILE}': the name of a model's folder must be a Python identifier "
        "(a to z, 0 to 9 and _). Rename the folder.\n"
    )


def test_other_folders_and_files_are_fine(runner: RuleRunner) -> None:
    result = linted(runner, *(f"{folder}/notebooks/a b.ipynb" for folder in GOOD))
    assert (result.exit_code, result.stdout) == (0, "")


def test_the_folders_are_those_directly_below(runner: RuleRunner) -> None:
    files = ("src/models/metrics.py", "src/tools/a b/x.py", "src/models/iris/x/y.py")
    assert folders_of_models(files, ["src/models"]) == ("src/models/iris",)


@pytest.mark.parametrize(
    "name", ["a b", "a-b", "1a", "class", "ä", "a\nb", "a\x1b[0m", "$(id)", "a."]
)
def test_names_that_are_refused_here_and_by_tools(name: str) -> None:
    assert is_refused(f"src/models/{name}")
    assert not is_model_name(name)


@pytest.mark.parametrize("name", ["iris", "company_emissions", "Iris", "_x", "a1", "match"])
def test_names_that_are_fine_here_and_for_tools(name: str) -> None:
    assert not is_refused(f"src/models/{name}")
    assert is_model_name(name)
