"""An image's software bill of materials (SBOM)."""

from __future__ import annotations

import os
from dataclasses import dataclass

from pants.engine.fs import EMPTY_DIGEST, AddPrefix, CreateDigest, Digest, FileContent
from pants.engine.process import FallibleProcessResult, Process, ProcessResult
from pants.engine.rules import Get, collect_rules, rule
from pants.util.logging import LogLevel

from model_image.base import BaseImage
from model_image.engine import Docker, require_success
from model_image.layers import ThirdParty
from model_image.revision import Revision
from model_image.tools import ImageToolProcess, merge_digests

BASE_PACKAGES = "base_packages.json"


@dataclass(frozen=True)
class SbomRequest:
    repository: str
    content: str
    revision: Revision
    base: BaseImage
    components: Digest
    output: str


async def list_base_packages(base: BaseImage, docker: Docker) -> Digest:
    """Write the base's Debian packages to a JSON file."""
    process = await Get(
        Process,
        ImageToolProcess(
            script="base_packages",
            # An ID always names the same image, so the cached result stays valid.
            argv=(f"--docker={docker.program}", base.id),
            description=f"List the Debian packages of {base.ref}",
            input_digest=EMPTY_DIGEST,
            env=docker.env,
            immutable_input_digests=docker.tools,
            level=LogLevel.DEBUG,
        ),
    )
    result = await Get(FallibleProcessResult, Process, process)
    packages = require_success(result, f"list the packages of {base.ref}")
    return await Get(Digest, CreateDigest([FileContent(BASE_PACKAGES, packages.encode())]))


@rule(desc="Write a bill of materials", level=LogLevel.DEBUG)
async def write_sbom(request: SbomRequest, docker: Docker) -> Digest:
    folder, file = os.path.split(request.output)
    base_packages = await list_base_packages(request.base, docker)
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
                f"--output={file}",
            ),
            description=f"Write the bill of materials of {request.repository}",
            input_digest=await merge_digests(request.components, base_packages),
            output_files=(file,),
            level=LogLevel.DEBUG,
        ),
    )
    return await Get(Digest, AddPrefix(result.output_digest, folder))


def rules():
    return collect_rules()
