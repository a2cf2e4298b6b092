from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pants.backend.python.pip_requirement import PipRequirement
from pants.backend.python.subsystems.setup import PythonSetup
from pants.base.specs import DirLiteralSpec, RawSpecsWithoutFileOwners
from pants.core.goals.fmt import FmtResult, FmtTargetsRequest
from pants.core.goals.fmt import Partitions as FmtPartitions
from pants.core.goals.lint import LintResult, LintTargetsRequest, Partitions
from pants.core.util_rules.partitions import Partition
from pants.engine.fs import CreateDigest, DigestContents, FileContent, PathGlobs, Paths, Snapshot
from pants.engine.rules import Get, MultiGet, collect_rules, rule
from pants.engine.target import FieldSet, Targets
from pants.option.option_types import SkipOption
from pants.option.subsystem import Subsystem
from pants.util.frozendict import FrozenDict
from pants.util.logging import LogLevel
from pants.util.meta import classproperty
from pants.util.strutil import bullet_list

from locked_requirements.closures import Lock, missing_from, parse_lock, render_closure
from locked_requirements.target_types import (
    ClosureFolder,
    ClosureResolveField,
    RequirementClosureLinesField,
    RequirementClosureSourceField,
)


class RequirementClosures(Subsystem):
    options_scope = "requirement-closures"
    name = "requirement-closures"
    help = "The closure files of `locked_requirements` targets."

    skip = SkipOption("fmt", "lint")


class LockedRequirementsError(Exception):
    """The closures cannot be computed from the lockfile."""


class LockfileMissingError(LockedRequirementsError):
    pass


class RequirementsNotLockedError(LockedRequirementsError):
    pass


@dataclass(frozen=True)
class ClosureFieldSet(FieldSet):
    required_fields = (ClosureResolveField,)

    resolve: ClosureResolveField

    @property
    def folder(self) -> ClosureFolder:
        return ClosureFolder(self.address.spec_path, self.resolve.value)


class WriteClosuresRequest(FmtTargetsRequest):
    field_set_type = ClosureFieldSet
    tool_subsystem = RequirementClosures


class FindLeftoverClosuresRequest(LintTargetsRequest):
    field_set_type = ClosureFieldSet
    tool_subsystem = RequirementClosures

    @classproperty
    def tool_name(cls) -> str:  # noqa: N805
        return "requirement-closures leftovers"


@dataclass(frozen=True)
class DeclaredClosures:
    """The closure files that a folder should have, each with the lines of its requirement."""

    lines: FrozenDict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Closures:
    """The content that each closure file of a folder should have."""

    files: FrozenDict[str, bytes]


def folders_of(field_sets: Iterable[ClosureFieldSet]) -> tuple[ClosureFolder, ...]:
    return tuple(sorted({fs.folder for fs in field_sets}, key=lambda folder: folder.description))


def parse_line(line: str) -> PipRequirement:
    origin, _, text = line.partition(": ")
    return PipRequirement.parse(text, description_of_origin=origin)


def check_locked(lines: Iterable[str], lock: Lock, *, lockfile: str, resolve: str) -> None:
    reasons = {line: missing_from(lock, parse_line(line)) for line in sorted(lines)}
    misses = [f"{line} ({reason})" for line, reason in reasons.items() if reason]
    if misses:
        raise RequirementsNotLockedError(
            f"{lockfile} does not satisfy these requirements:\n\n{bullet_list(misses)}\n\n"
            f"Run `pants generate-lockfiles --resolve={resolve}`, then `pants fmt`."
        )


def render_closures(
    declared: Mapping[str, tuple[str, ...]], lock: Lock, *, resolve: str
) -> FrozenDict[str, bytes]:
    return FrozenDict(
        {
            path: render_closure(map(parse_line, lines), resolve=resolve, lock=lock).encode()
            for path, lines in declared.items()
        }
    )


@rule
async def find_declared_closures(folder: ClosureFolder) -> DeclaredClosures:
    # All generators of the BUILD file, not only those of `fmt`: two may name the same project.
    targets = await Get(
        Targets,
        RawSpecsWithoutFileOwners(
            dir_literals=(DirLiteralSpec(folder.spec_path),),
            description_of_origin="the `locked_requirements` rules",
        ),
    )
    lines: dict[str, tuple[str, ...]] = {}
    for target in targets:
        if (
            target.has_field(RequirementClosureSourceField)
            and target[ClosureResolveField].value == folder.resolve
        ):
            path = target[RequirementClosureSourceField].file_path
            lines[path] = (*lines.get(path, ()), *target[RequirementClosureLinesField].value)
    return DeclaredClosures(FrozenDict(lines))


@rule(desc="Read closures off the lockfile", level=LogLevel.DEBUG)
async def compute_closures(folder: ClosureFolder, python_setup: PythonSetup) -> Closures:
    lockfile = python_setup.resolves[folder.resolve]
    declared, files = await MultiGet(
        Get(DeclaredClosures, ClosureFolder, folder),
        Get(DigestContents, PathGlobs([lockfile])),
    )
    if not files:
        raise LockfileMissingError(
            f"{lockfile} is missing. {folder.description} is generated from it. "
            f"Run `pants generate-lockfiles --resolve={folder.resolve}`, then `pants fmt`."
        )
    lock = parse_lock(files[0].content)
    lines = [line for lines in declared.lines.values() for line in lines]
    check_locked(lines, lock, lockfile=lockfile, resolve=folder.resolve)
    return Closures(render_closures(declared.lines, lock, resolve=folder.resolve))


@rule
async def partition_closures(
    request: WriteClosuresRequest.PartitionRequest, subsystem: RequirementClosures
) -> FmtPartitions:
    if subsystem.skip:
        return FmtPartitions()
    folders = folders_of(request.field_sets)
    declared = await MultiGet(Get(DeclaredClosures, ClosureFolder, folder) for folder in folders)
    return FmtPartitions(
        Partition(tuple(sorted(closures.lines)), folder)
        for folder, closures in zip(folders, declared)
    )


@rule(desc="Write closures of locked requirements", level=LogLevel.DEBUG)
async def write_closures(request: WriteClosuresRequest.Batch) -> FmtResult:
    closures = await Get(Closures, ClosureFolder, request.partition_metadata)
    output = await Get(
        Snapshot, CreateDigest(FileContent(path, closures.files[path]) for path in request.files)
    )
    return FmtResult(request.snapshot, output, "", "", tool_name=request.tool_name)


@rule
async def partition_leftovers(
    request: FindLeftoverClosuresRequest.PartitionRequest, subsystem: RequirementClosures
) -> Partitions:
    if subsystem.skip:
        return Partitions()
    # The whole folder is checked, so one field set represents all of them.
    return Partitions(Partition((folder,), folder) for folder in folders_of(request.field_sets))


@rule(desc="Find closures without a requirement", level=LogLevel.DEBUG)
async def find_leftovers(
    request: FindLeftoverClosuresRequest.Batch[ClosureFolder, Any],
) -> LintResult:
    folder = request.partition_metadata
    declared, found = await MultiGet(
        Get(DeclaredClosures, ClosureFolder, folder),
        Get(Paths, PathGlobs([folder.path("*")])),
    )
    leftovers = sorted(set(found.files) - set(declared.lines))
    message = f"No requirement has these closures. Remove them: git rm {' '.join(leftovers)}"
    return LintResult(
        exit_code=1 if leftovers else 0,
        stdout=message if leftovers else "",
        stderr="",
        linter_name=request.tool_name,
        partition_description=folder.description,
    )


def rules():
    return (
        *collect_rules(),
        *WriteClosuresRequest.rules(),
        *FindLeftoverClosuresRequest.rules(),
    )
