from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import cast

from pants.backend.docker.goals.package_image import DockerRepositoryNameError
from pants.backend.docker.registries import DockerRegistryOptions
from pants.backend.docker.subsystems.docker_options import DockerOptions
from pants.core.goals.publish import (
    PublishFieldSet,
    PublishOutputData,
    PublishPackages,
    PublishProcesses,
    PublishRequest,
)
from pants.engine.addresses import Address
from pants.engine.env_vars import EnvironmentVars, EnvironmentVarsRequest
from pants.engine.fs import EMPTY_DIGEST
from pants.engine.process import InteractiveProcess, Process
from pants.engine.rules import Get, collect_rules, rule
from pants.util.frozendict import FrozenDict
from pants.util.value_interpolation import InterpolationContext

from model_image.engine import Docker
from model_image.package import BuiltModelImage
from model_image.target_types import ImageRegistriesField, ImageSkipPushField, ImageTasksField
from model_image.tools import ImageToolProcess

# The variables by which boto3 finds the credentials of Amazon's registry.
CREDENTIALS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_CA_BUNDLE",
    "AWS_CONFIG_FILE",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_FILE",
    # Go and Python read these in either case.
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "https_proxy",
    "http_proxy",
    "no_proxy",
)


class UnsupportedOptionError(ValueError):
    """An option of `[docker]` that a `model_image` does not support."""


class PublishModelImageRequest(PublishRequest):
    pass


@dataclass(frozen=True)
class PublishModelImageFieldSet(PublishFieldSet):
    publish_request_type = PublishModelImageRequest
    required_fields = (ImageTasksField,)

    registries: ImageRegistriesField
    skip_push: ImageSkipPushField

    def get_output_data(self) -> PublishOutputData:
        return PublishOutputData(
            {
                "publisher": "model_image",
                "registries": self.registries.value or (),
                **super().get_output_data(),
            }
        )


def tags_in(registry: DockerRegistryOptions, image: BuiltModelImage) -> tuple[str, ...]:
    """The content tag, which decides whether to push, and then the others."""
    return (*(ref.rpartition(":")[2] for ref in image.tags), *registry.extra_image_tags)


def skipped(image: BuiltModelImage, why: str) -> PublishPackages:
    return PublishPackages(names=image.tags, description=why)


def repository_in(registry: DockerRegistryOptions, image: BuiltModelImage, target: Address) -> str:
    """The image's name in a registry, which may define a pattern for it."""
    scope = f"[docker.registries.{registry.alias}]"
    if registry.use_local_alias:
        raise UnsupportedOptionError(
            f"{scope}.use_local_alias is not supported for a model_image: its local name has no "
            f"registry to replace by an alias ({image.repository}). Remove the option."
        )
    folder = PurePath(target.spec_path)
    context = InterpolationContext.from_dict(
        {
            "name": target.target_name,
            "directory": folder.name,
            "parent_directory": folder.parent.name,
            "default_repository": image.repository,
            "target_repository": image.repository,
        }
    )
    return context.format(
        registry.repository or image.repository,
        source=InterpolationContext.TextSource(options_scope=f"{scope}.repository"),
        error_cls=DockerRepositoryNameError,
    ).lower()


async def prepare_push(
    image: BuiltModelImage, registry: DockerRegistryOptions, docker: Docker, target: Address
) -> PublishPackages:
    if registry.skip_push:
        return skipped(image, f"(`skip_push` is set for the registry {registry.address})")
    place = f"{registry.address}/{repository_in(registry, image, target)}"
    content, *others = tags = tags_in(registry, image)
    credentials = await Get(EnvironmentVars, EnvironmentVarsRequest(CREDENTIALS))
    process = await Get(
        Process,
        ImageToolProcess(
            script="publish",
            argv=(
                f"--docker={docker.program}",
                f"--image={image.image_id}",
                f"--content-tag={content}",
                *(f"--tag={tag}" for tag in others),
                place,
            ),
            description=f"Publish {place}",
            input_digest=EMPTY_DIGEST,
            env=FrozenDict({**docker.env, **credentials}),
            immutable_input_digests=docker.tools,
        ),
    )
    names = tuple(f"{place}:{tag}" for tag in tags)
    return PublishPackages(names=names, process=InteractiveProcess.from_process(process))


@rule
async def publish_model_image(
    request: PublishModelImageRequest, options: DockerOptions, docker: Docker
) -> PublishProcesses:
    images = [
        cast(BuiltModelImage, artifact)
        for package in request.packages
        for artifact in package.artifacts
        if isinstance(artifact, BuiltModelImage)
    ]
    address = request.field_set.address
    registries = tuple(options.registries().get(*(request.field_set.registries.value or ())))
    published = []
    for image in images:
        if request.field_set.skip_push.value:
            published.append(skipped(image, "(the target sets `skip_push`)"))
        elif not registries:
            why = "(no registry: [docker.registries] in pants.toml has none with default = true)"
            published.append(skipped(image, why))
        else:
            for registry in registries:
                published.append(await prepare_push(image, registry, docker, address))
    return PublishProcesses(published)


def rules():
    return (*collect_rules(), *PublishModelImageFieldSet.rules())
