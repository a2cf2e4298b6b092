from __future__ import annotations

import pytest
from pants.core.goals.tailor import AllOwnedSources, PutativeTarget, PutativeTargets
from pants.engine.rules import QueryRule
from pants.testutil.rule_runner import RuleRunner

from model_image import tailor
from model_image.tailor import PutativeModelImagesRequest
from model_image.target_types import ModelImageTarget

MODELS = ("src/models/churn", "src/models/iris")


@pytest.fixture
def rule_runner() -> RuleRunner:
    runner = RuleRunner(
        rules=[
            *tailor.rules(),
            QueryRule(PutativeTargets, [PutativeModelImagesRequest, AllOwnedSources]),
        ],
        target_types=[ModelImageTarget],
    )
    runner.write_files(
        {
            "src/models/metrics.py": "",
            "src/models/churn/definition.py": "",
            "src/models/iris/definition.py": "",
            "src/models/shared/tables.py": "",
        }
    )
    return runner


def proposed(rule_runner: RuleRunner, *folders: str) -> PutativeTargets:
    request = PutativeModelImagesRequest(folders or ("src/models", *MODELS, "src/models/shared"))
    return rule_runner.request(PutativeTargets, [request, AllOwnedSources()])


def images_of(*folders: str) -> PutativeTargets:
    return PutativeTargets(
        PutativeTarget.for_target_type(
            ModelImageTarget, path=folder, name="image", triggering_sources=[]
        )
        for folder in folders
    )


def test_each_model_gets_an_image(rule_runner: RuleRunner) -> None:
    assert proposed(rule_runner) == images_of(*MODELS)


def test_a_model_with_an_image_gets_no_second_one(rule_runner: RuleRunner) -> None:
    rule_runner.write_files({"src/models/iris/BUILD": "model_image(name='of_its_own')"})
    assert proposed(rule_runner) == images_of("src/models/churn")


def test_only_requested_folders_get_an_image(rule_runner: RuleRunner) -> None:
    assert proposed(rule_runner, "src/models/iris") == images_of("src/models/iris")


def test_models_may_be_elsewhere(rule_runner: RuleRunner) -> None:
    rule_runner.set_options(["--images-models=['src/models/*/tables.py']"])
    assert proposed(rule_runner) == images_of("src/models/shared")


def test_tailor_can_be_turned_off(rule_runner: RuleRunner) -> None:
    rule_runner.set_options(["--no-images-tailor"])
    assert proposed(rule_runner) == PutativeTargets()
