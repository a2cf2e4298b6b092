from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from pants.backend.python.util_rules import pex
from pants.backend.python.util_rules.pex import PexRequest, VenvPex, VenvPexProcess
from pants.engine.fs import CreateDigest, Digest, FileContent, MergeDigests
from pants.engine.process import Process, ProcessCacheScope
from pants.engine.rules import Get, collect_rules, rule
from pants.util.frozendict import FrozenDict
from pants.util.logging import LogLevel

from model_image.subsystem import ModelImages

# The scripts run on the images' Python with the requirements of `[images]`, not inside Pants.
PLUGIN = Path(__file__).parent
SCRIPTS = "model_image.scripts"
SOURCES = ("failures.py", "publishing/*.py", "scripts/*.py")


@dataclass(frozen=True)
class ImageTools:
    """The scripts of this plugin, installed with their requirements."""

    pex: VenvPex


@dataclass(frozen=True)
class ImageToolProcess:
    """A call of a script."""

    script: str
    argv: tuple[str, ...]
    description: str
    input_digest: Digest
    output_files: tuple[str, ...] = ()
    immutable_input_digests: FrozenDict[str, Digest] = FrozenDict()
    env: FrozenDict[str, str] = FrozenDict()
    cache_scope: ProcessCacheScope = ProcessCacheScope.SUCCESSFUL
    level: LogLevel = LogLevel.INFO


@rule(desc="Install the tools for images", level=LogLevel.DEBUG)
async def install_tools(images: ModelImages) -> ImageTools:
    paths = {path for glob in SOURCES for path in PLUGIN.glob(glob)}
    sources = await Get(
        Digest,
        CreateDigest(
            FileContent(str(path.relative_to(PLUGIN.parent)), path.read_bytes())
            for path in sorted(paths)
            if not path.name.endswith("_test.py")
        ),
    )
    return ImageTools(await Get(VenvPex, PexRequest, images.to_pex_request(sources=sources)))


@rule
async def set_up_tool(request: ImageToolProcess, tools: ImageTools) -> Process:
    process = await Get(
        Process,
        VenvPexProcess(
            tools.pex,
            argv=request.argv,
            description=request.description,
            input_digest=request.input_digest,
            output_files=request.output_files,
            extra_env={**request.env, "PEX_MODULE": f"{SCRIPTS}.{request.script}"},
            cache_scope=request.cache_scope,
            level=request.level,
        ),
    )
    return replace(process, immutable_input_digests=request.immutable_input_digests)


async def merge_digests(*digests: Digest) -> Digest:
    return await Get(Digest, MergeDigests(digests))


def rules():
    return (*collect_rules(), *pex.rules())
