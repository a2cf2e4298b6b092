"""The layers that this plugin builds: third-party packages and first-party modules."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pants.backend.python.target_types import PexLayout
from pants.backend.python.util_rules import pex_from_targets, python_sources
from pants.backend.python.util_rules.pex import CompletePlatforms, Pex
from pants.backend.python.util_rules.pex_from_targets import PexFromTargetsRequest
from pants.backend.python.util_rules.python_sources import (
    PythonSourceFilesRequest,
    StrippedPythonSourceFiles,
)
from pants.engine.addresses import Addresses, UnparsedAddressInputs
from pants.engine.fs import (
    AddPrefix,
    CreateDigest,
    Digest,
    DigestEntries,
    DigestSubset,
    FileContent,
    FileEntry,
    PathGlobs,
)
from pants.engine.process import ProcessResult
from pants.engine.rules import Get, MultiGet, collect_rules, rule
from pants.engine.target import TransitiveTargets, TransitiveTargetsRequest
from pants.util.logging import LogLevel

from model_image.subsystem import ModelImages
from model_image.target_types import ImageCompletePlatformsField
from model_image.tasks import ImageTasks
from model_image.tools import ImageToolProcess, merge_digests

# Each layer's folder in the image; docker/image.Dockerfile puts both folders on Python's path.
THIRD_PARTY = "third_party"
SHARED = "shared"
OWN = "own"
PLACES = {
    THIRD_PARTY: "opt/datascience/third_party",
    SHARED: "opt/datascience/first_party",
    OWN: "opt/datascience/first_party",
}
# The module that an image runs without a task.
INDEX = Path(__file__).parent / "index"


@dataclass(frozen=True)
class Layer:
    """A tar file named after the layer, and its SHA-256."""

    digest: Digest
    name: str
    fingerprint: str

    @property
    def file(self) -> str:
        return f"{self.name}.tar"


@dataclass(frozen=True)
class ThirdPartyRequest:
    tasks: Addresses
    complete_platforms: ImageCompletePlatformsField


@dataclass(frozen=True)
class ThirdParty:
    """The third-party layer, and a JSON file that lists its distributions."""

    layer: Layer
    components: Digest

    COMPONENTS = "components.json"


@dataclass(frozen=True)
class FirstPartyRequest:
    """`folder` is the image's folder, relative to its source root."""

    tasks: ImageTasks
    folder: str


@dataclass(frozen=True)
class FirstParty:
    """The modules that other images share, and those below the image's own folder."""

    shared: Layer
    own: Layer


@dataclass(frozen=True)
class ModulesLayerRequest:
    name: str
    modules: Digest


def layer_argv(name: str, *options: str) -> tuple[str, ...]:
    return (f"--folder={name}", f"--place={PLACES[name]}", f"--output={name}.tar", *options)


def create_index(modules: Iterable[str]) -> CreateDigest:
    """The package `tasks`, which prints the list of tasks."""
    files = [
        FileContent(f"tasks/{name}", (INDEX / name).read_bytes())
        for name in ("__init__.py", "__main__.py")
    ]
    return CreateDigest([*files, FileContent("tasks/tasks.txt", "\n".join(modules).encode())])


def platform_argv(platforms: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"--complete-platform={file}" for file in platforms)


async def extract_layer(result: ProcessResult, name: str) -> Layer:
    digest = await Get(Digest, DigestSubset(result.output_digest, PathGlobs([f"{name}.tar"])))
    (entry,) = await Get(DigestEntries, Digest, digest)
    assert isinstance(entry, FileEntry)
    return Layer(digest, name, entry.file_digest.fingerprint)


@rule(desc="Build the third-party layer", level=LogLevel.DEBUG)
async def build_third_party(request: ThirdPartyRequest, images: ModelImages) -> ThirdParty:
    platforms = await Get(
        CompletePlatforms, ImageCompletePlatformsField, request.complete_platforms
    )
    pex, left_out_digest = await MultiGet(
        Get(
            Pex,
            PexFromTargetsRequest(
                request.tasks,
                output_filename=f"{THIRD_PARTY}.pex",
                internal_only=False,
                include_source_files=False,
                # The image's platform, which may differ from this machine's.
                complete_platforms=platforms,
                layout=PexLayout.PACKED,
            ),
        ),
        Get(Digest, PathGlobs, images.required_files(images.left_out)),
    )
    result = await Get(
        ProcessResult,
        ImageToolProcess(
            script="layer",
            argv=layer_argv(
                THIRD_PARTY,
                f"--pex={THIRD_PARTY}.pex",
                f"--left-out={images.left_out}",
                f"--components={ThirdParty.COMPONENTS}",
                *platform_argv(platforms),
            ),
            description="Build a layer of third-party packages",
            input_digest=await merge_digests(pex.digest, left_out_digest, platforms.digest),
            output_files=(f"{THIRD_PARTY}.tar", ThirdParty.COMPONENTS),
        ),
    )
    components = await Get(
        Digest, DigestSubset(result.output_digest, PathGlobs([ThirdParty.COMPONENTS]))
    )
    return ThirdParty(await extract_layer(result, THIRD_PARTY), components)


@rule(desc="Build a layer of first-party modules", level=LogLevel.DEBUG)
async def build_modules_layer(request: ModulesLayerRequest) -> Layer:
    result = await Get(
        ProcessResult,
        ImageToolProcess(
            script="layer",
            argv=layer_argv(request.name),
            description="Build a layer of first-party modules",
            input_digest=await Get(Digest, AddPrefix(request.modules, request.name)),
            output_files=(f"{request.name}.tar",),
            level=LogLevel.DEBUG,
        ),
    )
    return await extract_layer(result, request.name)


@rule(desc="Build the first-party layers", level=LogLevel.DEBUG)
async def build_first_party(request: FirstPartyRequest) -> FirstParty:
    transitive = await Get(TransitiveTargets, TransitiveTargetsRequest(request.tasks.addresses))
    sources = await Get(
        StrippedPythonSourceFiles,
        PythonSourceFilesRequest(transitive.closure, include_resources=True),
    )
    modules = sources.stripped_source_files.snapshot.digest
    shared, own, index = await MultiGet(
        Get(Digest, DigestSubset(modules, PathGlobs(["**", f"!{request.folder}/**"]))),
        Get(Digest, DigestSubset(modules, PathGlobs([f"{request.folder}/**"]))),
        Get(Digest, CreateDigest, create_index(sorted(request.tasks.modules))),
    )
    layers = await MultiGet(
        Get(Layer, ModulesLayerRequest(SHARED, shared)),
        Get(Layer, ModulesLayerRequest(OWN, await merge_digests(own, index))),
    )
    return FirstParty(*layers)


@rule
async def find_platforms(field: ImageCompletePlatformsField) -> CompletePlatforms:
    # Pants has this rule for its own field only, and selects rules by the exact type.
    return await Get(CompletePlatforms, UnparsedAddressInputs, field.to_unparsed_address_inputs())


def rules():
    return (*collect_rules(), *pex_from_targets.rules(), *python_sources.rules())
