from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pants.backend.python.util_rules import pex
from pants.backend.python.util_rules.pex import PexRequest, VenvPex, VenvPexProcess
from pants.core.goals.fmt import FmtFilesRequest, FmtResult
from pants.core.goals.lint import LintFilesRequest, LintResult
from pants.core.util_rules import config_files
from pants.core.util_rules.config_files import ConfigFiles, ConfigFilesRequest
from pants.core.util_rules.partitions import Partitions
from pants.engine.fs import (
    CreateDigest,
    Digest,
    FileContent,
    MergeDigests,
    PathGlobs,
    Paths,
    Snapshot,
)
from pants.engine.process import FallibleProcessResult, Process, ProcessResult
from pants.engine.rules import Get, MultiGet, collect_rules, rule
from pants.util.logging import LogLevel
from pants.util.memo import memoized
from pants.util.strutil import pluralize

from linters.subsystem import FileTool
from linters.tools import TOOLS

SCRIPTS = Path(__file__).parent / "scripts"


@dataclass(frozen=True)
class FileToolRun:
    """One call of a tool on the files of the snapshot."""

    title: str
    pex: PexRequest
    script: str | None
    argv: tuple[str, ...]
    config: ConfigFilesRequest
    looks_into: tuple[str, ...]
    asks_for_names: bool
    snapshot: Snapshot

    @classmethod
    def of(cls, tool: FileTool, command: tuple[str, ...], snapshot: Snapshot) -> FileToolRun:
        return cls(
            tool.title(command),
            tool.to_pex_request(),
            tool.script,
            tool.command_line(command, snapshot.files),
            tool.config_request(snapshot.dirs),
            tuple(tool.include) if tool.looks_into_others else (),
            tool.asks_for_names,
            snapshot,
        )


@dataclass(frozen=True)
class SurroundingsRequest:
    """Files that a tool needs besides those it lints.

    The files that match `globs` get their content. With `names`, all others are empty files.
    """

    given: tuple[str, ...]
    whole: tuple[str, ...]
    names: bool


@dataclass(frozen=True)
class Surroundings:
    digest: Digest


@rule(desc="Find the files around those to lint", level=LogLevel.DEBUG)
async def find_surroundings(request: SurroundingsRequest) -> Surroundings:
    named, whole = await MultiGet(
        Get(Paths, PathGlobs(["**"] if request.names else [])),
        Get(Paths, PathGlobs(request.whole)),
    )
    others = set(whole.files) - set(request.given)
    empty = sorted(set(named.files) - others - set(request.given))
    digests = await MultiGet(
        Get(Digest, PathGlobs(sorted(others))),
        Get(Digest, CreateDigest(FileContent(name, b"") for name in empty)),
    )
    return Surroundings(await Get(Digest, MergeDigests(digests)))


def script_files(name: str | None) -> tuple[FileContent, ...]:
    return (FileContent(name, (SCRIPTS / name).read_bytes()),) if name else ()


@rule(desc="Set up a linter of files", level=LogLevel.DEBUG)
async def set_up_file_tool(run: FileToolRun) -> Process:
    files = run.snapshot.files
    sources = await Get(Digest, CreateDigest(script_files(run.script)))
    tool, config_files = await MultiGet(
        Get(VenvPex, PexRequest, dataclasses.replace(run.pex, sources=sources)),
        Get(ConfigFiles, ConfigFilesRequest, run.config),
    )
    config = config_files.snapshot
    surroundings = await Get(
        Surroundings,
        SurroundingsRequest((*files, *config.files), run.looks_into, run.asks_for_names),
    )
    input_digest = await Get(
        Digest, MergeDigests((run.snapshot.digest, config.digest, surroundings.digest))
    )
    return await Get(
        Process,
        VenvPexProcess(
            tool,
            argv=run.argv,
            input_digest=input_digest,
            output_files=files,
            description=f"Run {run.title} on {pluralize(len(files), 'file')}.",
            level=LogLevel.DEBUG,
        ),
    )


def partition_rules(request_type: type[LintFilesRequest]) -> Iterable:
    @rule(
        _param_type_overrides={
            "request": request_type.PartitionRequest,
            "tool": request_type.tool_subsystem,
        }
    )
    async def partition(request: LintFilesRequest.PartitionRequest, tool: FileTool) -> Partitions:
        files = () if tool.skip else tool.matching(request.files)
        return Partitions.single_partition(files) if files else Partitions()

    return collect_rules(locals())


@memoized
def lint_request(tool: type[FileTool]) -> type[LintFilesRequest]:
    class FileToolLintRequest(LintFilesRequest):
        tool_subsystem = tool
        tool_name = tool.title(tool.lint_command)

    return FileToolLintRequest


@memoized
def fmt_request(tool: type[FileTool]) -> type[FmtFilesRequest]:
    class FileToolFmtRequest(FmtFilesRequest):
        tool_subsystem = tool
        tool_name = tool.title(tool.fmt_command)

    return FileToolFmtRequest


def lint_rules(request_type: type[LintFilesRequest]) -> Iterable:
    @rule(
        desc=f"Lint with {request_type.tool_subsystem.options_scope}",
        level=LogLevel.DEBUG,
        _param_type_overrides={
            "request": request_type.Batch,
            "tool": request_type.tool_subsystem,
        },
    )
    async def lint(request: LintFilesRequest.Batch, tool: FileTool) -> LintResult:
        files = request.elements
        if tool.lints_all:
            paths = await Get(Paths, PathGlobs(tool.include))
            files = tool.matching(paths.files)
        snapshot = await Get(Snapshot, PathGlobs(files))
        run = FileToolRun.of(tool, tool.lint_command, snapshot)
        result = await Get(FallibleProcessResult, FileToolRun, run)
        return LintResult.create(request, result, strip_chroot_path=True)

    return (*collect_rules(locals()), *partition_rules(request_type), *request_type.rules())


def fmt_rules(request_type: type[FmtFilesRequest]) -> Iterable:
    @rule(
        desc=f"Format with {request_type.tool_subsystem.options_scope}",
        level=LogLevel.DEBUG,
        _param_type_overrides={
            "request": request_type.Batch,
            "tool": request_type.tool_subsystem,
        },
    )
    async def fmt(request: FmtFilesRequest.Batch, tool: FileTool) -> FmtResult:
        run = FileToolRun.of(tool, tool.fmt_command, request.snapshot)
        result = await Get(ProcessResult, FileToolRun, run)
        return await FmtResult.create(request, result, strip_chroot_path=True)

    return (*collect_rules(locals()), *partition_rules(request_type), *request_type.rules())


def rules_of(tool: type[FileTool]) -> Iterable:
    yield from tool.rules()
    if tool.lint_command is not None:
        yield from lint_rules(lint_request(tool))
    if tool.fmt_command is not None:
        yield from fmt_rules(fmt_request(tool))


# Cached, because each command collects the rules of all backends, even in a daemon.
@memoized
def rules():
    return (
        *collect_rules(),
        *config_files.rules(),
        *pex.rules(),
        *(rule for tool in TOOLS for rule in rules_of(tool)),
    )
