"""The layers of an image that are ours to make: third-party packages, and first-party modules."""

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
    GlobMatchErrorBehavior,
    PathGlobs,
)
from pants.engine.process import ProcessResult
from pants.engine.rules import Get, MultiGet, collect_rules, rule
from pants.engine.target import TransitiveTargets, TransitiveTargetsRequest
from pants.util.logging import LogLevel

from model_image.subsystem import ModelImages
from model_image.target_types import ImageCompletePlatformsField
from model_image.tasks import ImageTasks
from model_image.tools import ImageToolProcess, merged

# docker/image.Dockerfile puts both on Python's path.
PLACE = "opt/datascience"
THIRD_PARTY = "third_party"
FIRST_PARTY = "first_party"
# What an image runs that is given no task.
INDEX = Path(__file__).parent / "index"


@dataclass(frozen=True)
class Layer:
    """A tar file named after the layer, and the SHA-256 of it."""

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
    """The third-party layer, and a JSON file that lists the distributions in it."""

    layer: Layer
    components: Digest

    COMPONENTS = "components.json"


@dataclass(frozen=True)
class FirstPartyRequest:
    tasks: ImageTasks


def layer_argv(name: str, *options: str) -> tuple[str, ...]:
    return (f"--folder={name}", f"--place={PLACE}/{name}", f"--output={name}.tar", *options)


def platform_argv(platforms: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"--complete-platform={file}" for file in platforms)


async def as_layer(result: ProcessResult, name: str) -> Layer:
    digest = await Get(Digest, DigestSubset(result.output_digest, PathGlobs([f"{name}.tar"])))
    (entry,) = await Get(DigestEntries, Digest, digest)
    assert isinstance(entry, FileEntry)
    return Layer(digest, name, entry.file_digest.fingerprint)


@rule(desc="Make the third-party layer", level=LogLevel.DEBUG)
async def make_third_party(request: ThirdPartyRequest, images: ModelImages) -> ThirdParty:
    left_out = f"{images.folder}/left_out.txt"
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
                # Chosen for the image, whatever this machine is.
                complete_platforms=platforms,
                layout=PexLayout.PACKED,
            ),
        ),
        Get(
            Digest,
            PathGlobs(
                [left_out],
                glob_match_error_behavior=GlobMatchErrorBehavior.error,
                description_of_origin="the option `[images].folder`",
            ),
        ),
    )
    result = await Get(
        ProcessResult,
        ImageToolProcess(
            script="layer",
            argv=layer_argv(
                THIRD_PARTY,
                f"--pex={THIRD_PARTY}.pex",
                f"--left-out={left_out}",
                f"--components={ThirdParty.COMPONENTS}",
                *platform_argv(platforms),
            ),
            description="Make a layer of third-party packages",
            input_digest=await merged(pex.digest, left_out_digest, platforms.digest),
            output_files=(f"{THIRD_PARTY}.tar", ThirdParty.COMPONENTS),
        ),
    )
    components = await Get(
        Digest, DigestSubset(result.output_digest, PathGlobs([ThirdParty.COMPONENTS]))
    )
    return ThirdParty(await as_layer(result, THIRD_PARTY), components)


@rule(desc="Make the first-party layer", level=LogLevel.DEBUG)
async def make_first_party(request: FirstPartyRequest) -> Layer:
    transitive = await Get(TransitiveTargets, TransitiveTargetsRequest(request.tasks.addresses))
    sources = await Get(
        StrippedPythonSourceFiles,
        PythonSourceFilesRequest(transitive.closure, include_resources=True),
    )
    stripped = sources.stripped_source_files.snapshot.digest
    index = await Get(
        Digest,
        CreateDigest(
            [
                FileContent("tasks/__init__.py", (INDEX / "__init__.py").read_bytes()),
                FileContent("tasks/__main__.py", (INDEX / "__main__.py").read_bytes()),
                FileContent("tasks/tasks.txt", "\n".join(sorted(request.tasks.modules)).encode()),
            ]
        ),
    )
    result = await Get(
        ProcessResult,
        ImageToolProcess(
            script="layer",
            argv=layer_argv(FIRST_PARTY),
            description="Make a layer of first-party modules",
            input_digest=await Get(Digest, AddPrefix(await merged(stripped, index), FIRST_PARTY)),
            output_files=(f"{FIRST_PARTY}.tar",),
            level=LogLevel.DEBUG,
        ),
    )
    return await as_layer(result, FIRST_PARTY)


@rule
async def image_platforms(field: ImageCompletePlatformsField) -> CompletePlatforms:
    # Pants has this rule for its own field only: rules are found by a value's exact type.
    return await Get(CompletePlatforms, UnparsedAddressInputs, field.to_unparsed_address_inputs())


def rules():
    return (*collect_rules(), *pex_from_targets.rules(), *python_sources.rules())
