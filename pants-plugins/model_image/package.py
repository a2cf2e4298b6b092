from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pants.backend.docker.package_types import BuiltDockerImage
from pants.backend.python.subsystems.setup import PythonSetup
from pants.core.goals.package import (
    BuiltPackage,
    BuiltPackageArtifact,
    OutputPathField,
    PackageFieldSet,
)
from pants.engine.fs import (
    EMPTY_DIGEST,
    AddPrefix,
    CreateDigest,
    Digest,
    FileContent,
    GlobMatchErrorBehavior,
    MergeDigests,
    PathGlobs,
    Snapshot,
)
from pants.engine.process import FallibleProcessResult, Process, ProcessResult
from pants.engine.rules import Get, MultiGet, collect_rules, rule
from pants.engine.unions import UnionRule
from pants.source.source_root import SourceRoot, SourceRootRequest
from pants.util.frozendict import FrozenDict
from pants.util.logging import LogLevel

from model_image.engine import (
    Docker,
    ImageBuild,
    ImageLookup,
    LocalImage,
    MaybeLocalImage,
    succeeded,
)
from model_image.layers import FirstParty, FirstPartyRequest, Layer, ThirdParty, ThirdPartyRequest
from model_image.revision import Revision, RevisionRequest
from model_image.subsystem import ModelImages
from model_image.target_types import (
    NAME,
    ImageCompletePlatformsField,
    ImageRegistriesField,
    ImageRepositoryField,
)
from model_image.tasks import ImageTasks, ImageTasksFieldSet, ImageTasksRequest
from model_image.tools import ImageToolProcess, merged

BASE_REPOSITORY = "datascience-base"
THIRD_PARTY_REPOSITORY = "datascience-third-party"
BASE_PACKAGES = "base_packages.json"
LATEST = "latest"
CONTENT = "content-"


@dataclass(frozen=True)
class ModelImageFieldSet(ImageTasksFieldSet, PackageFieldSet):
    repository: ImageRepositoryField
    registries: ImageRegistriesField
    complete_platforms: ImageCompletePlatformsField
    output_path: OutputPathField


@dataclass(frozen=True)
class BuiltModelImage(BuiltDockerImage):
    """An image in the engine, with its tag by content first in `tags`."""

    repository: str = ""

    @property
    def content_ref(self) -> str:
        return self.tags[0]


@dataclass(frozen=True)
class BaseImageRequest:
    pass


@dataclass(frozen=True)
class _Under:
    """An image that others are built on."""

    ref: str
    identity: str
    id: str


# Rules are found by the exact type that they return.
class BaseImage(_Under):
    pass


class ThirdPartyImage(_Under):
    pass


@dataclass(frozen=True)
class ThirdPartyImageRequest:
    third_party: ThirdParty


@dataclass(frozen=True)
class SbomRequest:
    repository: str
    content: str
    revision: Revision
    base: BaseImage
    components: Digest
    output: str


def content_tag(parts: Mapping[str, object]) -> str:
    """A tag that is the same for what is made of the same parts."""
    told = json.dumps(parts, sort_keys=True).encode()
    return f"{CONTENT}{hashlib.sha256(told).hexdigest()[:16]}"


def dockerfile(images: ModelImages, name: str) -> PathGlobs:
    return PathGlobs(
        [f"{images.folder}/{name}.Dockerfile"],
        glob_match_error_behavior=GlobMatchErrorBehavior.error,
        description_of_origin="the option `[images].folder`",
    )


async def given_base(ref: str, docker: Docker) -> BaseImage:
    found = await Get(MaybeLocalImage, ImageLookup(ref))
    if found.image is None:
        process = docker.process("pull", "--quiet", ref, description=f"Pull {ref}")
        succeeded(await Get(FallibleProcessResult, Process, process), f"pull {ref}")
        # `--` makes it another question: that to the first one is answered for this session.
        process = docker.process("image", "inspect", "--", ref, description=f"Look for {ref} again")
        told = await Get(FallibleProcessResult, Process, process)
        succeeded(told, f"look for {ref}")
        pulled = LocalImage.from_inspection(told.stdout)
        return BaseImage(ref, pulled.identity, pulled.id)
    return BaseImage(ref, found.image.identity, found.image.id)


@rule(desc="Find the base of images", level=LogLevel.DEBUG)
async def find_base(_: BaseImageRequest, images: ModelImages, docker: Docker) -> BaseImage:
    if images.base_image:
        return await given_base(images.base_image, docker)
    context = await Get(
        Snapshot,
        PathGlobs(
            images.base_globs,
            glob_match_error_behavior=GlobMatchErrorBehavior.error,
            description_of_origin="the option `[images].folder`",
        ),
    )
    ref = f"{BASE_REPOSITORY}:{content_tag({'context': context.digest.fingerprint})}"
    image = await Get(
        LocalImage,
        ImageBuild((ref,), images.base_dockerfile, context.digest, Revision().created),
    )
    return BaseImage(ref, image.identity, image.id)


async def build_on(
    under: str,
    layers: Iterable[Layer],
    file: Snapshot,
    *,
    refs: tuple[str, ...],
    created: int,
    build_args: Mapping[str, str] = FrozenDict(),
    labels: Mapping[str, str] = FrozenDict(),
) -> LocalImage:
    """Lay layers over an image, as a Dockerfile says that knows it as `BASE`."""
    context = await Get(Digest, MergeDigests((file.digest, *(layer.digest for layer in layers))))
    return await Get(
        LocalImage,
        ImageBuild(
            refs,
            file.files[0],
            context,
            created,
            FrozenDict({"BASE": under, **build_args}),
            FrozenDict(labels),
        ),
    )


@rule(desc="Make an image of third-party packages", level=LogLevel.DEBUG)
async def make_third_party_image(
    request: ThirdPartyImageRequest, images: ModelImages
) -> ThirdPartyImage:
    layer = request.third_party.layer
    base, file = await MultiGet(
        Get(BaseImage, BaseImageRequest()),
        Get(Snapshot, PathGlobs, dockerfile(images, "third_party")),
    )
    tag = content_tag(
        {"base": base.identity, "layer": layer.fingerprint, "file": file.digest.fingerprint}
    )
    ref = f"{THIRD_PARTY_REPOSITORY}:{tag}"
    image = await build_on(base.ref, [layer], file, refs=(ref,), created=Revision().created)
    return ThirdPartyImage(ref, image.identity, image.id)


def labels_of(
    repository: str, content: str, revision: Revision, images: ModelImages
) -> dict[str, str]:
    """The annotations that the OCI image specification has names for."""
    labels = {
        "title": repository,
        "version": content,
        "revision": revision.name,
        "source": images.source,
        "licenses": images.licenses,
    }
    return {f"org.opencontainers.image.{name}": value for name, value in labels.items() if value}


def tags_of(content: str, revision: Revision) -> tuple[str, ...]:
    return tuple(tag for tag in (content, revision.tag, LATEST) if tag)


async def packages_of(base: BaseImage, docker: Docker) -> Digest:
    """A JSON file of the base's Debian packages."""
    process = await Get(
        Process,
        ImageToolProcess(
            script="base_packages",
            # An ID never means anything else, so that this is asked once.
            argv=(f"--docker={docker.program}", base.id),
            description=f"List the Debian packages of {base.ref}",
            input_digest=EMPTY_DIGEST,
            env=docker.env,
            immutable_input_digests=docker.tools,
            level=LogLevel.DEBUG,
        ),
    )
    result = await Get(FallibleProcessResult, Process, process)
    told = succeeded(result, f"list the packages of {base.ref}")
    return await Get(Digest, CreateDigest([FileContent(BASE_PACKAGES, told.encode())]))


@rule(desc="Write a bill of materials", level=LogLevel.DEBUG)
async def write_sbom(request: SbomRequest, docker: Docker) -> Digest:
    input_digests = (request.components, await packages_of(request.base, docker))
    result = await Get(
        ProcessResult,
        ImageToolProcess(
            script="sbom",
            argv=(
                f"--name={request.repository}",
                f"--version={request.content}",
                f"--revision={request.revision.name}",
                f"--base={request.base.ref}",
                f"--base-identity={request.base.identity}",
                f"--base-packages={BASE_PACKAGES}",
                f"--created={request.revision.created}",
                f"--components={ThirdParty.COMPONENTS}",
                f"--output={os.path.basename(request.output)}",
            ),
            description=f"Write the bill of materials of {request.repository}",
            input_digest=await merged(*input_digests),
            output_files=(os.path.basename(request.output),),
            level=LogLevel.DEBUG,
        ),
    )
    return await Get(Digest, AddPrefix(result.output_digest, os.path.dirname(request.output)))


@dataclass(frozen=True)
class ImageParts:
    """What an image is made of."""

    tasks: ImageTasks
    repository: str
    third_party: ThirdParty
    first_party: FirstParty
    dockerfile: Snapshot

    def content(self, under: ThirdPartyImage, images: ModelImages) -> str:
        """The tag by content: without the revision, which changes with every commit."""
        return content_tag(
            {
                "under": under.identity,
                "layers": [self.first_party.shared.fingerprint, self.first_party.own.fingerprint],
                "file": self.dockerfile.digest.fingerprint,
                "labels": labels_of(self.repository, "", Revision(), images),
            }
        )


def default_repository(folder: str, name: str) -> str:
    """The folder below the source root; a second image of a folder has its target's name, too."""
    parts = [part for part in folder.split("/") if part != "."]
    if name != NAME or not parts:
        parts.append(name)
    return "/".join(parts).lower()


@rule(desc="Make what an image is made of", level=LogLevel.DEBUG)
async def make_parts(
    field_set: ModelImageFieldSet, images: ModelImages, setup: PythonSetup
) -> ImageParts:
    address = field_set.address
    tasks, root = await MultiGet(
        Get(
            ImageTasks,
            ImageTasksRequest,
            ImageTasksRequest.of(field_set, setup),
        ),
        Get(SourceRoot, SourceRootRequest, SourceRootRequest.for_address(address)),
    )
    folder = os.path.relpath(address.spec_path, root.path)
    third_party, first_party, file = await MultiGet(
        Get(ThirdParty, ThirdPartyRequest(tasks.addresses, field_set.complete_platforms)),
        Get(FirstParty, FirstPartyRequest(tasks, folder)),
        Get(Snapshot, PathGlobs, dockerfile(images, "image")),
    )
    repository = field_set.repository.value or default_repository(folder, address.target_name)
    return ImageParts(tasks, repository, third_party, first_party, file)


@rule(desc="Package a model's image", level=LogLevel.DEBUG)
async def package_model_image(field_set: ModelImageFieldSet, images: ModelImages) -> BuiltPackage:
    parts, base, revision = await MultiGet(
        Get(ImageParts, ModelImageFieldSet, field_set),
        Get(BaseImage, BaseImageRequest()),
        Get(Revision, RevisionRequest()),
    )
    under = await Get(ThirdPartyImage, ThirdPartyImageRequest(parts.third_party))
    content = parts.content(under, images)
    refs = tuple(f"{parts.repository}:{tag}" for tag in tags_of(content, revision))
    image = await build_on(
        under.ref,
        (parts.first_party.shared, parts.first_party.own),
        parts.dockerfile,
        refs=refs,
        created=revision.created,
        build_args={"IMAGE": refs[0], "COMMIT": revision.name},
        labels=labels_of(parts.repository, content, revision, images),
    )
    told = field_set.output_path.value_or_default(file_ending="json")
    sbom = SbomRequest(
        parts.repository,
        content,
        revision,
        base,
        parts.third_party.components,
        field_set.output_path.value_or_default(file_ending="cdx.json"),
    )
    digests = await MultiGet(
        Get(Digest, SbomRequest, sbom),
        Get(Digest, CreateDigest([FileContent(told, summary(image, refs, parts.tasks))])),
    )
    built = BuiltModelImage(
        image_id=image.id,
        tags=refs,
        repository=parts.repository,
        relpath=told,
        extra_log_lines=(f"  image {refs[0]}", f"  {image.id}"),
    )
    return BuiltPackage(
        await Get(Digest, MergeDigests(digests)), (built, BuiltPackageArtifact(sbom.output))
    )


def summary(image: LocalImage, refs: Iterable[str], tasks: ImageTasks) -> bytes:
    """What a person or a job wants to know of a built image."""
    told = {
        "image_id": image.id,
        "refs": list(refs),
        "revision": image.revision,
        "tasks": sorted(tasks.modules),
    }
    return f"{json.dumps(told, indent=2)}\n".encode()


def rules():
    return (*collect_rules(), UnionRule(PackageFieldSet, ModelImageFieldSet))
