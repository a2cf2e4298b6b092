from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass

from pants.backend.docker.package_types import BuiltDockerImage
from pants.backend.python.subsystems.setup import PythonSetup
from pants.core.goals.package import (
    BuiltPackage,
    BuiltPackageArtifact,
    OutputPathField,
    PackageFieldSet,
)
from pants.engine.fs import CreateDigest, Digest, FileContent, MergeDigests, PathGlobs, Snapshot
from pants.engine.rules import Get, MultiGet, collect_rules, rule
from pants.engine.unions import UnionRule
from pants.source.source_root import SourceRoot, SourceRootRequest
from pants.util.logging import LogLevel

from model_image.base import (
    BaseImage,
    BaseImageRequest,
    ThirdPartyImage,
    ThirdPartyImageRequest,
    build_on,
)
from model_image.engine import LocalImage
from model_image.layers import FirstParty, FirstPartyRequest, ThirdParty, ThirdPartyRequest
from model_image.revision import Revision, RevisionRequest
from model_image.sbom import SbomRequest
from model_image.subsystem import ModelImages
from model_image.tags import content_tag, default_repository, image_labels, image_tags
from model_image.target_types import (
    ImageCompletePlatformsField,
    ImageRegistriesField,
    ImageRepositoryField,
)
from model_image.tasks import ImageTasks, ImageTasksFieldSet, ImageTasksRequest


@dataclass(frozen=True)
class ModelImageFieldSet(ImageTasksFieldSet, PackageFieldSet):
    repository: ImageRepositoryField
    registries: ImageRegistriesField
    complete_platforms: ImageCompletePlatformsField
    output_path: OutputPathField


@dataclass(frozen=True)
class BuiltModelImage(BuiltDockerImage):
    """An image in the engine; its content tag is the first of `tags`."""

    repository: str = ""

    @property
    def content_ref(self) -> str:
        return self.tags[0]


@dataclass(frozen=True)
class ImageInputs:
    """All that an image is built from, except the images below it."""

    tasks: ImageTasks
    repository: str
    third_party: ThirdParty
    first_party: FirstParty
    dockerfile: Snapshot

    def content_tag(self, parent: ThirdPartyImage, images: ModelImages) -> str:
        """Leaves out the revision, which changes with every commit."""
        return content_tag(
            {
                "under": parent.identity,
                "layers": [self.first_party.shared.fingerprint, self.first_party.own.fingerprint],
                "file": self.dockerfile.digest.fingerprint,
                "labels": image_labels(self.repository, "", Revision(), images),
            }
        )


@rule(desc="Prepare the inputs of an image", level=LogLevel.DEBUG)
async def prepare_inputs(
    field_set: ModelImageFieldSet, images: ModelImages, setup: PythonSetup
) -> ImageInputs:
    address = field_set.address
    tasks, root = await MultiGet(
        Get(ImageTasks, ImageTasksRequest, ImageTasksRequest.of(field_set, setup)),
        Get(SourceRoot, SourceRootRequest, SourceRootRequest.for_address(address)),
    )
    folder = os.path.relpath(address.spec_path, root.path)
    third_party, first_party, dockerfile = await MultiGet(
        Get(ThirdParty, ThirdPartyRequest(tasks.addresses, field_set.complete_platforms)),
        Get(FirstParty, FirstPartyRequest(tasks, folder)),
        Get(Snapshot, PathGlobs, images.required_files(images.image_dockerfile)),
    )
    repository = field_set.repository.value or default_repository(folder, address.target_name)
    return ImageInputs(tasks, repository, third_party, first_party, dockerfile)


@rule(desc="Package a model's image", level=LogLevel.DEBUG)
async def package_model_image(field_set: ModelImageFieldSet, images: ModelImages) -> BuiltPackage:
    inputs, base, revision = await MultiGet(
        Get(ImageInputs, ModelImageFieldSet, field_set),
        Get(BaseImage, BaseImageRequest()),
        Get(Revision, RevisionRequest()),
    )
    parent = await Get(ThirdPartyImage, ThirdPartyImageRequest(inputs.third_party))
    content = inputs.content_tag(parent, images)
    refs = tuple(f"{inputs.repository}:{tag}" for tag in image_tags(content, revision))
    image = await build_on(
        parent.ref,
        (inputs.first_party.shared, inputs.first_party.own),
        inputs.dockerfile,
        refs=refs,
        created=revision.created,
        build_args={"IMAGE": refs[0], "COMMIT": revision.name},
        labels=image_labels(inputs.repository, content, revision, images),
    )
    summary_path = field_set.output_path.value_or_default(file_ending="json")
    sbom_path = field_set.output_path.value_or_default(file_ending="cdx.json")
    components = inputs.third_party.components
    sbom = SbomRequest(inputs.repository, content, revision, base, components, sbom_path)
    digests = await MultiGet(
        Get(Digest, SbomRequest, sbom),
        Get(
            Digest, CreateDigest([FileContent(summary_path, summarize(image, refs, inputs.tasks))])
        ),
    )
    built = BuiltModelImage(
        image_id=image.id,
        tags=refs,
        repository=inputs.repository,
        relpath=summary_path,
        extra_log_lines=(f"  image {refs[0]}", f"  {image.id}"),
    )
    return BuiltPackage(
        await Get(Digest, MergeDigests(digests)), (built, BuiltPackageArtifact(sbom_path))
    )


def summarize(image: LocalImage, refs: Iterable[str], tasks: ImageTasks) -> bytes:
    """The JSON file in dist/, which people and CI jobs read."""
    content = {
        "image_id": image.id,
        "refs": list(refs),
        "revision": image.revision,
        "tasks": sorted(tasks.modules),
    }
    return f"{json.dumps(content, indent=2)}\n".encode()


def rules():
    return (*collect_rules(), UnionRule(PackageFieldSet, ModelImageFieldSet))
