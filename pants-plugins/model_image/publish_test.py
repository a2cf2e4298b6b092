from __future__ import annotations

import pytest
from pants.backend.docker.goals.package_image import DockerRepositoryNameError
from pants.backend.docker.registries import DockerRegistryOptionsNotFoundError
from pants.core.goals.package import BuiltPackage
from pants.core.goals.publish import PublishOutputData, PublishPackages, PublishProcesses
from pants.core.util_rules import system_binaries
from pants.engine.addresses import Address
from pants.engine.fs import EMPTY_DIGEST
from pants.engine.process import InteractiveProcess
from pants.engine.rules import QueryRule
from pants.testutil.rule_runner import RuleRunner, engine_error

from model_image import engine, publish
from model_image.conftest import DockerProgram, run_tool_as_docker
from model_image.package import BuiltModelImage
from model_image.publish import (
    PublishModelImageFieldSet,
    PublishModelImageRequest,
    UnsupportedOptionError,
)
from model_image.target_types import ModelImageTarget

IMAGE = BuiltModelImage(
    relpath=None,
    image_id="sha256:1",
    tags=("models/iris:content-1", "models/iris:0f1533d", "models/iris:latest"),
    repository="models/iris",
)
ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
REGISTRIES = {
    "ecr": {"address": ECR, "default": True},
    "mirror": {
        "address": "registry.example.com:5000",
        "extra_image_tags": ["stable"],
    },
}
SKIPPED = "(the target sets `skip_push`)"
NO_REGISTRY = "(no registry: [docker.registries] in pants.toml has none with default = true)"


@pytest.fixture
def rule_runner(docker_program: DockerProgram) -> RuleRunner:
    runner = RuleRunner(
        rules=[
            *engine.rules(),
            *publish.rules(),
            *system_binaries.rules(),
            run_tool_as_docker,
            QueryRule(PublishProcesses, [PublishModelImageRequest]),
        ],
        target_types=[ModelImageTarget],
    )
    configure(runner, docker_program, REGISTRIES)
    return runner


def configure(
    rule_runner: RuleRunner,
    docker_program: DockerProgram,
    registries: dict[str, dict[str, object]],
    **environment: str,
) -> None:
    rule_runner.set_options(
        [f"--docker-registries={registries!r}"],
        env={**docker_program.environment, **environment},
    )


def processes(rule_runner: RuleRunner, fields: str = "") -> PublishProcesses:
    rule_runner.write_files({"src/models/iris/BUILD": f"model_image(name='image', {fields})"})
    target = rule_runner.get_target(Address("src/models/iris", target_name="image"))
    request = PublishModelImageRequest(
        PublishModelImageFieldSet.create(target), (BuiltPackage(EMPTY_DIGEST, (IMAGE,)),)
    )
    return rule_runner.request(PublishProcesses, [request])


def pushed(
    docker_program: DockerProgram,
    host: str,
    *tags: str,
    repository: str = "models/iris",
    **environment: str,
) -> PublishPackages:
    """The push of the image to a registry, with tags that only this registry has."""
    place = f"{host}/{repository}"
    argv = (
        str(docker_program.path),
        "publish",
        f"--docker={docker_program.path}",
        "--image=sha256:1",
        "--content-tag=content-1",
        *(f"--tag={tag}" for tag in ("0f1533d", "latest", *tags)),
        place,
    )
    return PublishPackages(
        names=tuple(f"{place}:{tag}" for tag in ("content-1", "0f1533d", "latest", *tags)),
        process=InteractiveProcess(argv, env={**docker_program.environment, **environment}),
    )


def skipped(why: str) -> PublishProcesses:
    return PublishProcesses([PublishPackages(names=IMAGE.tags, description=why)])


def test_an_image_goes_to_the_default_registries(
    rule_runner: RuleRunner, docker_program: DockerProgram
) -> None:
    assert processes(rule_runner) == PublishProcesses([pushed(docker_program, ECR)])


def test_an_image_goes_to_the_registries_that_it_names(
    rule_runner: RuleRunner, docker_program: DockerProgram
) -> None:
    fields = "registries=['@mirror', 'other.example.com']"
    assert processes(rule_runner, fields) == PublishProcesses(
        [
            pushed(docker_program, "registry.example.com:5000", "stable"),
            pushed(docker_program, "other.example.com"),
        ]
    )


def test_only_amazons_credentials_are_passed(
    rule_runner: RuleRunner, docker_program: DockerProgram
) -> None:
    configure(rule_runner, docker_program, REGISTRIES, AWS_PROFILE="models", OTHER="1")
    assert processes(rule_runner) == PublishProcesses(
        [pushed(docker_program, ECR, AWS_PROFILE="models")]
    )


def test_an_image_may_be_left_out(rule_runner: RuleRunner) -> None:
    assert processes(rule_runner, "skip_push=True") == skipped(SKIPPED)


def test_a_registry_may_be_left_out(rule_runner: RuleRunner, docker_program: DockerProgram) -> None:
    closed = {"ecr": {**REGISTRIES["ecr"], "skip_push": True}}
    configure(rule_runner, docker_program, closed)
    assert processes(rule_runner) == skipped(f"(`skip_push` is set for the registry {ECR})")


@pytest.mark.parametrize(
    ("pattern", "repository"),
    [
        ("team/{target_repository}", "team/models/iris"),
        ("Team/{parent_directory}-{directory}-{name}", "team/models-iris-image"),
    ],
)
def test_a_registry_can_define_its_own_names(
    rule_runner: RuleRunner, docker_program: DockerProgram, pattern: str, repository: str
) -> None:
    named = {"ecr": {**REGISTRIES["ecr"], "repository": pattern}}
    configure(rule_runner, docker_program, named)
    expected = pushed(docker_program, ECR, repository=repository)
    assert processes(rule_runner) == PublishProcesses([expected])


def test_an_invalid_pattern_of_names_is_reported(
    rule_runner: RuleRunner, docker_program: DockerProgram
) -> None:
    configure(
        rule_runner, docker_program, {"ecr": {**REGISTRIES["ecr"], "repository": "{folder}/a"}}
    )
    message = "`[docker.registries.ecr].repository` configuration option"
    with engine_error(DockerRepositoryNameError, contains=message):
        processes(rule_runner)


def test_a_local_alias_is_refused(rule_runner: RuleRunner, docker_program: DockerProgram) -> None:
    configure(rule_runner, docker_program, {"ecr": {**REGISTRIES["ecr"], "use_local_alias": True}})
    message = "[docker.registries.ecr].use_local_alias is not supported for a model_image"
    with engine_error(UnsupportedOptionError, contains=message):
        processes(rule_runner)


def test_without_a_default_registry_nothing_is_pushed(
    rule_runner: RuleRunner, docker_program: DockerProgram
) -> None:
    configure(rule_runner, docker_program, {"mirror": REGISTRIES["mirror"]})
    assert processes(rule_runner) == skipped(NO_REGISTRY)


def test_an_unknown_registry_is_named(rule_runner: RuleRunner) -> None:
    message = "There is no Docker registry configured with alias: ecs."
    with engine_error(DockerRegistryOptionsNotFoundError, contains=message):
        processes(rule_runner, "registries=['@ecs']")


def test_the_output_data_names_publisher_and_registries(rule_runner: RuleRunner) -> None:
    rule_runner.write_files({"BUILD": "model_image(name='image', registries=['@ecr'])"})
    address = Address("", target_name="image")
    data = PublishModelImageFieldSet.create(rule_runner.get_target(address)).get_output_data()
    assert data == PublishOutputData(
        {"publisher": "model_image", "registries": ("@ecr",), "target": address}
    )
