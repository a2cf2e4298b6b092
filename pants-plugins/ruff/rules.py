from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pants.backend.python.util_rules import ancestor_files, pex
from pants.backend.python.util_rules.ancestor_files import AncestorFiles, AncestorFilesRequest
from pants.backend.python.util_rules.pex import PexRequest, VenvPex, VenvPexProcess
from pants.core.goals.fix import FixResult, FixTargetsRequest
from pants.core.goals.fmt import FmtResult, FmtTargetsRequest
from pants.core.goals.lint import LintResult, LintTargetsRequest
from pants.core.util_rules.config_files import ConfigFiles, ConfigFilesRequest
from pants.core.util_rules.partitions import PartitionerType
from pants.core.util_rules.source_files import SourceFiles, SourceFilesRequest
from pants.engine.fs import Digest, MergeDigests, Snapshot
from pants.engine.process import FallibleProcessResult, Process, ProcessResult
from pants.engine.rules import Get, MultiGet, collect_rules, rule
from pants.util.logging import LogLevel
from pants.util.meta import classproperty
from pants.util.strutil import pluralize

from ruff.first_party import FirstPartyNames
from ruff.subsystem import Ruff, RuffFieldSet


class RuffCheckRequest(LintTargetsRequest):
    field_set_type = RuffFieldSet
    tool_subsystem = Ruff
    partitioner_type = PartitionerType.DEFAULT_SINGLE_PARTITION

    @classproperty
    def tool_name(cls) -> str:  # noqa: N805
        return "ruff check"


class RuffFixRequest(FixTargetsRequest):
    field_set_type = RuffFieldSet
    tool_subsystem = Ruff
    partitioner_type = PartitionerType.DEFAULT_SINGLE_PARTITION

    @classproperty
    def tool_name(cls) -> str:  # noqa: N805
        return "ruff check --fix"


class RuffFormatRequest(FmtTargetsRequest):
    field_set_type = RuffFieldSet
    tool_subsystem = Ruff
    partitioner_type = PartitionerType.DEFAULT_SINGLE_PARTITION

    @classproperty
    def tool_name(cls) -> str:  # noqa: N805
        return "ruff format"


@dataclass(frozen=True)
class RuffInvocation:
    args: tuple[str, ...]
    snapshot: Snapshot


def ruff_argv(
    args: Iterable[str], *, config: str | None, names: FirstPartyNames, files: Iterable[str]
) -> tuple[str, ...]:
    quoted = ", ".join(f'"{name}"' for name in names.names)
    return (
        *args,
        *(("--config", config) if config else ()),
        # Ruff looks for first-party modules on disk, but a sandbox has only a batch of files.
        "--config",
        f"lint.isort.known-first-party = [{quoted}]",
        "--force-exclude",
        "--no-cache",
        *files,
    )


@rule(desc="Set up Ruff", level=LogLevel.DEBUG)
async def set_up_ruff(request: RuffInvocation, ruff: Ruff, names: FirstPartyNames) -> Process:
    files = request.snapshot.files
    # Ruff finds the root of a package by its `__init__.py` files.
    ruff_pex, config, packages = await MultiGet(
        Get(VenvPex, PexRequest, ruff.to_pex_request()),
        Get(ConfigFiles, ConfigFilesRequest, ruff.config_request(request.snapshot.dirs)),
        Get(AncestorFiles, AncestorFilesRequest(files, requested=("__init__.py",))),
    )
    input_digest = await Get(
        Digest,
        MergeDigests((request.snapshot.digest, config.snapshot.digest, packages.snapshot.digest)),
    )
    return await Get(
        Process,
        VenvPexProcess(
            ruff_pex,
            argv=ruff_argv(request.args, config=ruff.config, names=names, files=files),
            input_digest=input_digest,
            output_files=files,
            description=f"Run ruff {request.args[0]} on {pluralize(len(files), 'file')}.",
            level=LogLevel.DEBUG,
        ),
    )


async def run_check(request: LintTargetsRequest.Batch, ruff: Ruff) -> LintResult:
    sources = await Get(SourceFiles, SourceFilesRequest(fs.source for fs in request.elements))
    invocation = RuffInvocation(("check", "--quiet", *ruff.args), sources.snapshot)
    result = await Get(FallibleProcessResult, RuffInvocation, invocation)
    return LintResult.create(request, result, strip_chroot_path=True)


async def run_fix(request: FixTargetsRequest.Batch, ruff: Ruff) -> FixResult:
    # `lint` reports what cannot be fixed. Other failures still fail here.
    args = ("check", "--fix", "--exit-zero", *ruff.args)
    result = await Get(ProcessResult, RuffInvocation(args, request.snapshot))
    return await FixResult.create(request, result, strip_chroot_path=True)


async def run_format(request: FmtTargetsRequest.Batch) -> FmtResult:
    result = await Get(ProcessResult, RuffInvocation(("format",), request.snapshot))
    return await FmtResult.create(request, result, strip_chroot_path=True)


@rule(desc="Lint with ruff check", level=LogLevel.DEBUG)
async def check_with_ruff(
    request: RuffCheckRequest.Batch[RuffFieldSet, Any], ruff: Ruff
) -> LintResult:
    return await run_check(request, ruff)


@rule(desc="Fix with ruff check", level=LogLevel.DEBUG)
async def fix_with_ruff(request: RuffFixRequest.Batch, ruff: Ruff) -> FixResult:
    return await run_fix(request, ruff)


@rule(desc="Format with ruff format", level=LogLevel.DEBUG)
async def format_with_ruff(request: RuffFormatRequest.Batch) -> FmtResult:
    return await run_format(request)


def rules():
    return (
        *collect_rules(),
        *RuffCheckRequest.rules(),
        *RuffFixRequest.rules(),
        *RuffFormatRequest.rules(),
        *ancestor_files.rules(),
        *pex.rules(),
    )
