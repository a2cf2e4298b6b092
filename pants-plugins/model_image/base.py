"""The two images below a model's image: the base, and the third-party packages on top of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pants.engine.fs import Digest, MergeDigests, PathGlobs, Snapshot
from pants.engine.process import FallibleProcessResult, Process
from pants.engine.rules import Get, MultiGet, collect_rules, rule
from pants.util.frozendict import FrozenDict
from pants.util.logging import LogLevel

from model_image.engine import (
    Docker,
    ImageBuild,
    ImageLookup,
    LocalImage,
    MaybeLocalImage,
    require_success,
)
from model_image.layers import Layer, ThirdParty
from model_image.revision import Revision
from model_image.subsystem import ModelImages
from model_image.tags import content_tag

BASE_REPOSITORY = "datascience-base"
THIRD_PARTY_REPOSITORY = "datascience-third-party"


@dataclass(frozen=True)
class BaseImageRequest:
    pass


@dataclass(frozen=True)
class _ParentImage:
    """An image that other images are built on."""

    ref: str
    identity: str
    id: str


# Two classes, because Pants selects a rule by the exact type that it returns.
class BaseImage(_ParentImage):
    pass


class ThirdPartyImage(_ParentImage):
    pass


@dataclass(frozen=True)
class ThirdPartyImageRequest:
    third_party: ThirdParty


async def pull_base(ref: str, docker: Docker) -> BaseImage:
    """Return the image of that name, and pull it first if the engine lacks it."""
    found = await Get(MaybeLocalImage, ImageLookup(ref))
    if found.image is not None:
        return BaseImage(ref, found.image.identity, found.image.id)
    process = docker.process("pull", "--quiet", ref, description=f"Pull {ref}")
    require_success(await Get(FallibleProcessResult, Process, process), f"pull {ref}")
    # `--` makes this a different process: Pants memoizes the first lookup for the whole session.
    process = docker.process("image", "inspect", "--", ref, description=f"Look for {ref} again")
    inspected = await Get(FallibleProcessResult, Process, process)
    require_success(inspected, f"look for {ref}")
    pulled = LocalImage.from_inspection(inspected.stdout)
    return BaseImage(ref, pulled.identity, pulled.id)


@rule(desc="Find the base image", level=LogLevel.DEBUG)
async def find_base(_: BaseImageRequest, images: ModelImages, docker: Docker) -> BaseImage:
    if images.base_image:
        return await pull_base(images.base_image, docker)
    context = await Get(Snapshot, PathGlobs, images.required_files(*images.base_globs))
    ref = f"{BASE_REPOSITORY}:{content_tag({'context': context.digest.fingerprint})}"
    image = await Get(
        LocalImage,
        ImageBuild((ref,), images.base_dockerfile, context.digest, Revision().created),
    )
    return BaseImage(ref, image.identity, image.id)


async def build_on(
    parent: str,
    layers: Iterable[Layer],
    dockerfile: Snapshot,
    *,
    refs: tuple[str, ...],
    created: int,
    build_args: Mapping[str, str] = FrozenDict(),
    labels: Mapping[str, str] = FrozenDict(),
) -> LocalImage:
    """Add layers to an image, by a Dockerfile that gets the image as its argument `BASE`."""
    context = await Get(
        Digest, MergeDigests((dockerfile.digest, *(layer.digest for layer in layers)))
    )
    return await Get(
        LocalImage,
        ImageBuild(
            refs,
            dockerfile.files[0],
            context,
            created,
            FrozenDict({"BASE": parent, **build_args}),
            FrozenDict(labels),
        ),
    )


@rule(desc="Build an image of third-party packages", level=LogLevel.DEBUG)
async def build_third_party_image(
    request: ThirdPartyImageRequest, images: ModelImages
) -> ThirdPartyImage:
    layer = request.third_party.layer
    base, dockerfile = await MultiGet(
        Get(BaseImage, BaseImageRequest()),
        Get(Snapshot, PathGlobs, images.required_files(images.third_party_dockerfile)),
    )
    tag = content_tag(
        {"base": base.identity, "layer": layer.fingerprint, "file": dockerfile.digest.fingerprint}
    )
    ref = f"{THIRD_PARTY_REPOSITORY}:{tag}"
    image = await build_on(base.ref, [layer], dockerfile, refs=(ref,), created=Revision().created)
    return ThirdPartyImage(ref, image.identity, image.id)


def rules():
    return collect_rules()
