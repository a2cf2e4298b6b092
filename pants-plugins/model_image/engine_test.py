from __future__ import annotations

import hashlib
import json

import pytest
from pants.core.util_rules import system_binaries
from pants.engine.fs import EMPTY_DIGEST, Snapshot
from pants.engine.rules import QueryRule
from pants.testutil.rule_runner import RuleRunner, engine_error
from pants.util.frozendict import FrozenDict

from model_image import engine
from model_image.conftest import DockerProgram, run_tool_as_docker
from model_image.engine import (
    REVISION,
    Docker,
    ImageBuild,
    ImageLookup,
    LocalImage,
    MaybeLocalImage,
    build_argv,
    is_usable,
)
from model_image.failures import DISK, ENGINE, EngineError

CONTENT = "models/iris:content-1"
COMMIT = "models/iris:0f1533d"
REFS = (CONTENT, COMMIT, "models/iris:latest")
DOWN = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is it running?\n"


@pytest.fixture
def rule_runner(docker_program: DockerProgram) -> RuleRunner:
    runner = RuleRunner(
        rules=[
            *engine.rules(),
            *system_binaries.rules(),
            run_tool_as_docker,
            QueryRule(Docker, []),
            QueryRule(LocalImage, [ImageBuild]),
            QueryRule(MaybeLocalImage, [ImageLookup]),
        ]
    )
    runner.set_options([], env=docker_program.environment)
    return runner


def inspected(
    *refs: str,
    id: str = "sha256:there",
    revision: str = "0f1533d",
    layers: tuple[str, ...] = ("sha256:1", "sha256:2"),
    **config: object,
) -> dict[str, object]:
    return {
        "Id": id,
        "RepoTags": list(refs),
        "Created": "2026-01-01T00:00:00Z",
        "Config": {"Labels": {REVISION: revision}, "Env": ["A=1"], "User": "10001", **config},
        "RootFS": {"Layers": list(layers)},
    }


def image(details: dict[str, object]) -> LocalImage:
    return LocalImage.from_inspection(json.dumps([details]).encode())


def build_request(*, revision: str = "0f1533d") -> ImageBuild:
    return ImageBuild(
        REFS, "docker/image.Dockerfile", EMPTY_DIGEST, 1, labels=FrozenDict({REVISION: revision})
    )


def make(rule_runner: RuleRunner, request: ImageBuild) -> LocalImage:
    return rule_runner.request(LocalImage, [request])


def built(docker_program: DockerProgram, request: ImageBuild) -> str:
    """The call that builds an image."""
    docker = Docker(str(docker_program.path), FrozenDict())
    return " ".join(("build", *build_argv(docker, request)))


def test_docker_is_found_with_its_environment(
    rule_runner: RuleRunner, docker_program: DockerProgram
) -> None:
    details = {"DOCKER_HOST": "unix:///there", **docker_program.environment, "TOKEN": "1"}
    rule_runner.set_options(["--docker-env-vars=['TOKEN']"], env={**details, "OTHER": "1"})
    assert rule_runner.request(Docker, []) == Docker(str(docker_program.path), FrozenDict(details))


def test_dockers_tools_are_found(rule_runner: RuleRunner, docker_program: DockerProgram) -> None:
    helper = docker_program.path.parent / "docker-credential-helper"
    helper.write_text("#!/bin/sh\n")
    helper.chmod(0o755)
    rule_runner.set_options(
        ["--docker-tools=['docker-credential-helper']"], env=docker_program.environment
    )
    docker = rule_runner.request(Docker, [])
    process = docker.process("version", description="Ask docker").env["PATH"]
    (folder,) = docker.tools
    assert process == f"{{chroot}}/{folder}:{docker_program.environment['PATH']}"
    (shim,) = rule_runner.request(Snapshot, [docker.tools[folder]]).files
    assert shim == "docker-credential-helper"


def test_an_image_is_read_from_an_inspection() -> None:
    content = [["sha256:1", "sha256:2"], ["A=1"], "10001"]
    assert image(inspected(*REFS)) == LocalImage(
        id="sha256:there",
        refs=REFS,
        revision="0f1533d",
        identity=hashlib.sha256(json.dumps(content).encode()).hexdigest(),
    )


def test_an_image_may_have_neither_names_nor_settings() -> None:
    bare = {"Id": "sha256:there", "RepoTags": None, "Config": None, "RootFS": {"Layers": []}}
    found = image(bare)
    assert (found.id, found.refs, found.revision) == ("sha256:there", (), "")


def test_an_identity_depends_on_layers_environment_and_user() -> None:
    identity = image(inspected(*REFS)).identity
    assert image(inspected("other:name", id="sha256:2", revision="1")).identity == identity
    others = (
        inspected(layers=("sha256:2", "sha256:1")),
        inspected(Env=["A=2"]),
        inspected(User="0"),
    )
    assert identity not in {image(other).identity for other in others}


@pytest.mark.parametrize(
    ("there", "wanted", "settled"),
    [
        ("1", "1", True),
        # The same content: a commit without a change of this image.
        ("1", "2", True),
        ("1", "2+changes", True),
        ("1+changes", "1+changes", True),
        ("1+changes", "1", False),
        ("1+changes", "2+changes", False),
        # Layers of packages and bases name no commit.
        ("", "", True),
    ],
)
def test_a_commit_does_not_reuse_an_image_with_changes(
    there: str, wanted: str, settled: bool
) -> None:
    found = image(inspected(*REFS, revision=there))
    assert is_usable(found, build_request(revision=wanted)) is settled


def test_the_tool_gets_all_arguments_of_a_build() -> None:
    request = ImageBuild(
        ("a:1", "a:2"),
        "docker/image.Dockerfile",
        EMPTY_DIGEST,
        315532800,
        FrozenDict({"BASE": "base:1"}),
        FrozenDict({"title": "two words"}),
    )
    assert build_argv(Docker("/usr/bin/docker", FrozenDict()), request) == (
        "--docker=/usr/bin/docker",
        "--created=315532800",
        "--dockerfile=docker/image.Dockerfile",
        "--ref=a:1",
        "--ref=a:2",
        "--build-arg=BASE=base:1",
        "--label=title=two words",
        ".",
    )


def test_an_existing_image_is_found(rule_runner: RuleRunner, docker_program: DockerProgram) -> None:
    details = inspected(*REFS)
    docker_program.add_image(CONTENT, details)
    found = rule_runner.request(MaybeLocalImage, [ImageLookup(CONTENT)])
    assert found == MaybeLocalImage(image(details))


def test_a_missing_image_is_not_an_error(rule_runner: RuleRunner) -> None:
    found = rule_runner.request(MaybeLocalImage, [ImageLookup(CONTENT)])
    assert found == MaybeLocalImage(None)


def test_an_existing_image_is_not_built(
    rule_runner: RuleRunner, docker_program: DockerProgram
) -> None:
    details = inspected(*REFS)
    docker_program.add_image(CONTENT, details)
    assert make(rule_runner, build_request()) == image(details)
    assert docker_program.calls == [f"image inspect {CONTENT}"]


def test_an_existing_image_gets_missing_tags(
    rule_runner: RuleRunner, docker_program: DockerProgram
) -> None:
    details = inspected(CONTENT, "models/iris:older")
    docker_program.add_image(CONTENT, details)
    assert make(rule_runner, build_request()) == image(details)
    assert docker_program.calls == [
        f"image inspect {CONTENT}",
        f"tag sha256:there {COMMIT}",
        "tag sha256:there models/iris:latest",
    ]


@pytest.mark.parametrize("there", [None, "0f1533d+changes"])
def test_missing_images_and_images_with_changes_are_built(
    rule_runner: RuleRunner, docker_program: DockerProgram, there: str | None
) -> None:
    if there:
        docker_program.add_image(CONTENT, inspected(*REFS, revision=there))
    details = inspected(*REFS, id="sha256:made")
    docker_program.add_image("sha256:made", details)
    assert make(rule_runner, build_request()) == image(details)
    assert docker_program.calls == [
        built(docker_program, build_request()),
        f"image inspect {CONTENT}",
        "image inspect sha256:made",
    ]


def test_a_missing_engine_is_one_message(
    rule_runner: RuleRunner, docker_program: DockerProgram
) -> None:
    docker_program.fail_with(DOWN)
    message = f"Could not look for {CONTENT}:\n{DOWN}{ENGINE}"
    with engine_error(EngineError, contains=message):
        make(rule_runner, build_request())
    assert docker_program.calls == [f"image inspect {CONTENT}"]


def test_a_failed_build_is_reported(rule_runner: RuleRunner, docker_program: DockerProgram) -> None:
    # The engine answers, but the build fails.
    program = docker_program.path.read_text()
    output = "write /opt/a.so: no space left on device"
    docker_program.path.write_text(
        program.replace("echo sha256:made", f"echo '{output}' >&2; exit 1")
    )
    with engine_error(EngineError, contains=f"Could not build {CONTENT}:\n{output}\n{DISK}"):
        make(rule_runner, build_request())
