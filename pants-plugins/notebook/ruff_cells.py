"""Run Ruff on code cells, by the rules of the plugin `ruff`. Ruff itself can read notebooks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pants.core.goals.fix import FixResult, FixTargetsRequest
from pants.core.goals.fmt import FmtResult, FmtTargetsRequest
from pants.core.goals.lint import LintResult, LintTargetsRequest
from pants.core.util_rules.partitions import PartitionerType, Partitions
from pants.engine.rules import Get, collect_rules, rule
from pants.engine.target import Target
from pants.util.logging import LogLevel
from pants.util.meta import classproperty

from notebook.sound import NotebookFieldSet, NotebookProblems, NotebookProblemsRequest, paths
from ruff.rules import run_check, run_fix, run_format
from ruff.skip_field import SkipRuffField
from ruff.subsystem import Ruff


@dataclass(frozen=True)
class RuffNotebookFieldSet(NotebookFieldSet):
    @classmethod
    def opt_out(cls, tgt: Target) -> bool:
        return tgt.get(SkipRuffField).value


class RuffNotebookCheckRequest(LintTargetsRequest):
    field_set_type = RuffNotebookFieldSet
    tool_subsystem = Ruff
    partitioner_type = PartitionerType.CUSTOM

    @classproperty
    def tool_name(cls) -> str:  # noqa: N805
        return "ruff check, notebooks"


class RuffNotebookFixRequest(FixTargetsRequest):
    field_set_type = RuffNotebookFieldSet
    tool_subsystem = Ruff
    partitioner_type = PartitionerType.CUSTOM

    @classproperty
    def tool_name(cls) -> str:  # noqa: N805
        return "ruff check --fix, notebooks"


class RuffNotebookFormatRequest(FmtTargetsRequest):
    field_set_type = RuffNotebookFieldSet
    tool_subsystem = Ruff
    partitioner_type = PartitionerType.CUSTOM

    @classproperty
    def tool_name(cls) -> str:  # noqa: N805
        return "ruff format, notebooks"


async def _sound(field_sets: tuple[NotebookFieldSet, ...], ruff: Ruff) -> tuple[str, ...]:
    if ruff.skip:
        return ()
    problems = await Get(NotebookProblems, NotebookProblemsRequest(field_sets))
    return paths(problems.sound)


@rule
async def partition_for_check(
    request: RuffNotebookCheckRequest.PartitionRequest[RuffNotebookFieldSet], ruff: Ruff
) -> Partitions[RuffNotebookFieldSet, Any]:
    sound = await _sound(tuple(request.field_sets), ruff)
    checked = [field_set for field_set in request.field_sets if field_set.path in sound]
    return Partitions.single_partition(checked) if checked else Partitions()


@rule
async def partition_for_fix(
    request: RuffNotebookFixRequest.PartitionRequest[RuffNotebookFieldSet], ruff: Ruff
) -> Partitions[str, Any]:
    sound = await _sound(tuple(request.field_sets), ruff)
    return Partitions.single_partition(sound) if sound else Partitions()


@rule
async def partition_for_format(
    request: RuffNotebookFormatRequest.PartitionRequest[RuffNotebookFieldSet], ruff: Ruff
) -> Partitions[str, Any]:
    sound = await _sound(tuple(request.field_sets), ruff)
    return Partitions.single_partition(sound) if sound else Partitions()


@rule(desc="Lint cells with ruff check", level=LogLevel.DEBUG)
async def check_cells(
    request: RuffNotebookCheckRequest.Batch[RuffNotebookFieldSet, Any], ruff: Ruff
) -> LintResult:
    return await run_check(request, ruff)


@rule(desc="Fix cells with ruff check", level=LogLevel.DEBUG)
async def fix_cells(request: RuffNotebookFixRequest.Batch, ruff: Ruff) -> FixResult:
    return await run_fix(request, ruff)


@rule(desc="Format cells with ruff format", level=LogLevel.DEBUG)
async def format_cells(request: RuffNotebookFormatRequest.Batch) -> FmtResult:
    return await run_format(request)


def rules():
    return (
        *collect_rules(),
        *RuffNotebookCheckRequest.rules(),
        *RuffNotebookFixRequest.rules(),
        *RuffNotebookFormatRequest.rules(),
    )
