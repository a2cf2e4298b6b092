"""Look up images in the Docker engine, and build those that it lacks."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass

from pants.backend.docker.subsystems.docker_options import DockerOptions
from pants.backend.docker.util_rules import docker_binary
from pants.backend.docker.util_rules.docker_binary import DockerBinary
from pants.engine.env_vars import EnvironmentVars, EnvironmentVarsRequest
from pants.engine.fs import Digest
from pants.engine.process import FallibleProcessResult, Process, ProcessCacheScope
from pants.engine.rules import Get, MultiGet, collect_rules, rule
from pants.util.frozendict import FrozenDict
from pants.util.logging import LogLevel

from model_image.failures import EngineError
from model_image.revision import CHANGES
from model_image.tools import ImageToolProcess

# The variables of the user's environment that `docker` reads.
ENVIRONMENT = (
    "DOCKER_CERT_PATH",
    "DOCKER_CONFIG",
    "DOCKER_CONTEXT",
    "DOCKER_HOST",
    "DOCKER_TLS_VERIFY",
    "HOME",
    # To find credential helpers.
    "PATH",
    "XDG_RUNTIME_DIR",
)
REVISION = "org.opencontainers.image.revision"


@dataclass(frozen=True)
class Docker:
    """The `docker` program and its environment."""

    program: str
    env: FrozenDict[str, str]
    # Digests of `[docker].tools`.
    tools: FrozenDict[str, Digest] = FrozenDict()

    def process(self, *arguments: str, description: str) -> Process:
        return Process(
            (self.program, *arguments),
            description=description,
            env=self.env,
            immutable_input_digests=self.tools,
            # The engine's images change without Pants noticing.
            cache_scope=ProcessCacheScope.PER_SESSION,
            level=LogLevel.DEBUG,
        )


@dataclass(frozen=True)
class LocalImage:
    """An image in the engine. `identity` hashes its layers, environment and user, not its build."""

    id: str
    refs: tuple[str, ...]
    revision: str
    identity: str

    @classmethod
    def from_inspection(cls, inspected: bytes) -> LocalImage:
        (image,) = json.loads(inspected)
        config = image["Config"] or {}
        content = [image["RootFS"]["Layers"], config.get("Env"), config.get("User")]
        return cls(
            id=image["Id"],
            refs=tuple(image["RepoTags"] or ()),
            revision=(config.get("Labels") or {}).get(REVISION, ""),
            identity=hashlib.sha256(json.dumps(content).encode()).hexdigest(),
        )


@dataclass(frozen=True)
class ImageLookup:
    ref: str


@dataclass(frozen=True)
class MaybeLocalImage:
    image: LocalImage | None


@dataclass(frozen=True)
class ImageBuild:
    """An image to build unless the engine has it.

    `refs` starts with the content tag. An existing image with that tag is used, unless it was
    built from uncommitted changes and this one is built from a commit.
    """

    refs: tuple[str, ...]
    dockerfile: str
    context: Digest
    created: int
    build_args: FrozenDict[str, str] = FrozenDict()
    labels: FrozenDict[str, str] = FrozenDict()


@rule(desc="Find docker", level=LogLevel.DEBUG)
async def find_docker(binary: DockerBinary, environment: DockerOptions.EnvironmentAware) -> Docker:
    env = await Get(EnvironmentVars, EnvironmentVarsRequest((*ENVIRONMENT, *environment.env_vars)))
    # The folder of `[docker].tools` comes before the user's own folders.
    paths = [path for path in (binary.extra_env.get("PATH"), env.get("PATH")) if path]
    path = {"PATH": os.pathsep.join(paths)} if paths else {}
    return Docker(
        binary.path,
        FrozenDict({**binary.extra_env, **env, **path}),
        FrozenDict(binary.extra_input_digests or {}),
    )


def require_success(result: FallibleProcessResult, what: str) -> str:
    """Return the output of a process.

    Raises:
        EngineError: The process failed. `what` is the attempted action in the message.
    """
    if result.exit_code:
        raise EngineError(what, (result.stderr or result.stdout).decode(errors="replace"))
    return result.stdout.decode().strip()


@rule(desc="Look for an image", level=LogLevel.DEBUG)
async def look_up_image(request: ImageLookup, docker: Docker) -> MaybeLocalImage:
    result = await Get(
        FallibleProcessResult,
        Process,
        docker.process("image", "inspect", request.ref, description=f"Look for {request.ref}"),
    )
    if result.exit_code == 0:
        return MaybeLocalImage(LocalImage.from_inspection(result.stdout))
    if "no such image" in result.stderr.decode(errors="replace").lower():
        return MaybeLocalImage(None)
    require_success(result, f"look for {request.ref}")
    raise AssertionError("unreachable")


def is_usable(image: LocalImage, request: ImageBuild) -> bool:
    """Whether an existing image satisfies a request.

    A commit's image must not carry the revision of uncommitted changes.
    """
    return not image.revision.endswith(CHANGES) or request.labels.get(REVISION) == image.revision


def build_argv(docker: Docker, request: ImageBuild) -> tuple[str, ...]:
    return (
        f"--docker={docker.program}",
        f"--created={request.created}",
        f"--dockerfile={request.dockerfile}",
        *(f"--ref={ref}" for ref in request.refs),
        *(f"--build-arg={name}={value}" for name, value in request.build_args.items()),
        *(f"--label={name}={value}" for name, value in request.labels.items()),
        ".",
    )


async def build_image(request: ImageBuild, docker: Docker) -> LocalImage:
    ref = request.refs[0]
    process = await Get(
        Process,
        ImageToolProcess(
            script="build",
            argv=build_argv(docker, request),
            description=f"Build the image {ref}",
            input_digest=request.context,
            env=docker.env,
            immutable_input_digests=docker.tools,
            cache_scope=ProcessCacheScope.PER_SESSION,
        ),
    )
    result = await Get(FallibleProcessResult, Process, process)
    image_id = require_success(result, f"build {ref}").splitlines()[-1]
    found = await Get(MaybeLocalImage, ImageLookup(image_id))
    assert found.image
    return found.image


@rule(desc="Find or build an image", level=LogLevel.DEBUG)
async def find_or_build_image(request: ImageBuild, docker: Docker) -> LocalImage:
    found = await Get(MaybeLocalImage, ImageLookup(request.refs[0]))
    if found.image is None or not is_usable(found.image, request):
        return await build_image(request, docker)
    missing = [ref for ref in request.refs if ref not in found.image.refs]
    results = await MultiGet(
        Get(
            FallibleProcessResult,
            Process,
            docker.process("tag", found.image.id, ref, description=f"Tag {ref}"),
        )
        for ref in missing
    )
    for ref, result in zip(missing, results):
        require_success(result, f"tag {ref}")
    return found.image


def rules():
    return (*collect_rules(), *docker_binary.rules())
