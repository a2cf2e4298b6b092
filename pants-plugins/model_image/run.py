from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from pants.backend.docker.subsystems.docker_options import DockerOptions
from pants.core.goals.package import BuiltPackage, PackageFieldSet
from pants.core.goals.run import RunFieldSet, RunInSandboxBehavior, RunRequest
from pants.engine.fs import EMPTY_DIGEST
from pants.engine.rules import Get, collect_rules, rule
from pants.engine.target import WrappedTarget, WrappedTargetRequest

from model_image.engine import Docker
from model_image.package import BuiltModelImage, ModelImageFieldSet
from model_image.target_types import ImageTasksField


@dataclass(frozen=True)
class RunModelImageFieldSet(RunFieldSet):
    required_fields = (ImageTasksField,)
    run_in_sandbox_behavior = RunInSandboxBehavior.NOT_SUPPORTED


@rule
async def run_model_image(
    field_set: RunModelImageFieldSet, docker: Docker, options: DockerOptions
) -> RunRequest:
    wrapped = await Get(
        WrappedTarget,
        WrappedTargetRequest(field_set.address, description_of_origin="the `run` goal"),
    )
    package = await Get(BuiltPackage, PackageFieldSet, ModelImageFieldSet.create(wrapped.target))
    image = cast(BuiltModelImage, package.artifacts[0])
    return RunRequest(
        digest=EMPTY_DIGEST,
        args=(docker.program, "run", "--rm", *options.run_args, image.content_ref),
        extra_env=docker.env,
        immutable_input_digests=docker.tools,
    )


def rules():
    return (*collect_rules(), *RunModelImageFieldSet.rules())
