"""Notebooks with the outputs that they have today."""

from __future__ import annotations

import os
from dataclasses import dataclass

from pants.backend.python.target_types import EntryPoint
from pants.backend.python.util_rules import pex_from_targets
from pants.backend.python.util_rules.pex import VenvPex, VenvPexProcess
from pants.backend.python.util_rules.pex_from_targets import PexFromTargetsRequest
from pants.engine.addresses import Addresses, UnparsedAddressInputs
from pants.engine.fs import EMPTY_DIGEST, Digest, DigestSubset, MergeDigests, PathGlobs, Snapshot
from pants.engine.process import ProcessResult
from pants.engine.rules import Get, MultiGet, collect_rules, rule
from pants.util.logging import LogLevel

EXECUTED = "executed"


@dataclass(frozen=True)
class NotebooksRequest:
    """Which notebooks to run, and with what: globs from the build root, and addresses."""

    globs: tuple[str, ...]
    kernel: UnparsedAddressInputs


@dataclass(frozen=True)
class ExecutedNotebooks:
    """Each notebook after it ran, below `executed`, at its own path."""

    digest: Digest


def process(pex: VenvPex, path: str, digest: Digest) -> VenvPexProcess:
    return VenvPexProcess(
        pex,
        argv=(
            "--to=notebook",
            "--execute",
            "--log-level=WARN",
            f"--output-dir={os.path.join(EXECUTED, os.path.dirname(path))}",
            path,
        ),
        description=f"Run {path}",
        input_digest=digest,
        output_directories=(EXECUTED,),
        # What Jupyter and matplotlib want to keep stays in the sandbox.
        extra_env={
            "IPYTHONDIR": ".ipython",
            "JUPYTER_RUNTIME_DIR": ".runtime",
            "MPLCONFIGDIR": ".matplotlib",
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        },
        level=LogLevel.INFO,
    )


@rule(desc="Run notebooks for a site", level=LogLevel.DEBUG)
async def run_notebooks(request: NotebooksRequest) -> ExecutedNotebooks:
    found = await Get(Snapshot, PathGlobs(request.globs))
    if not found.files:
        return ExecutedNotebooks(EMPTY_DIGEST)
    kernel = await Get(Addresses, UnparsedAddressInputs, request.kernel)
    pex = await Get(
        VenvPex,
        PexFromTargetsRequest(
            kernel,
            output_filename="notebook_kernel.pex",
            internal_only=True,
            main=EntryPoint("nbconvert"),
        ),
    )
    alone = await MultiGet(
        Get(Digest, DigestSubset(found.digest, PathGlobs([path]))) for path in found.files
    )
    results = await MultiGet(
        Get(ProcessResult, VenvPexProcess, process(pex, path, digest))
        for path, digest in zip(found.files, alone)
    )
    return ExecutedNotebooks(
        await Get(Digest, MergeDigests(result.output_digest for result in results))
    )


def rules():
    return (*collect_rules(), *pex_from_targets.rules())
