from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pants.backend.python.util_rules.pex import VenvPexProcess
from pants.core.goals.fmt import FmtResult, FmtTargetsRequest
from pants.core.util_rules.partitions import Partition, PartitionerType, Partitions
from pants.engine.process import ProcessResult
from pants.engine.rules import Get, collect_rules, rule
from pants.util.logging import LogLevel
from pants.util.strutil import pluralize

from notebook.sound import NotebookFieldSet, NotebookProblems, NotebookProblemsRequest, paths
from notebook.subsystem import NbdevClean
from notebook.tools import NotebookTools


class CleanRequest(FmtTargetsRequest):
    field_set_type = NotebookFieldSet
    tool_subsystem = NbdevClean
    partitioner_type = PartitionerType.CUSTOM


@dataclass(frozen=True)
class CleanPartition:
    """All notebooks of a partition keep their outputs, or all lose them."""

    keep_outputs: bool

    @property
    def description(self) -> str:
        return "with outputs" if self.keep_outputs else "without outputs"


def partitions(field_sets: Iterable[NotebookFieldSet]) -> Partitions[str, CleanPartition]:
    groups: dict[bool, list[NotebookFieldSet]] = {}
    for field_set in field_sets:
        groups.setdefault(field_set.keep_outputs.value, []).append(field_set)
    return Partitions(
        Partition(paths(group), CleanPartition(keep)) for keep, group in sorted(groups.items())
    )


@rule
async def partition_for_cleaning(
    request: CleanRequest.PartitionRequest[NotebookFieldSet], nbdev_clean: NbdevClean
) -> Partitions[str, CleanPartition]:
    if nbdev_clean.skip:
        return Partitions()
    problems = await Get(NotebookProblems, NotebookProblemsRequest(tuple(request.field_sets)))
    return partitions(problems.readable)


@rule(desc="Clean notebooks with nbdev", level=LogLevel.DEBUG)
async def clean_notebooks(
    request: CleanRequest.Batch, tools: NotebookTools, nbdev_clean: NbdevClean
) -> FmtResult:
    keep = ("--keep-outputs",) if request.partition_metadata.keep_outputs else ()
    result = await Get(
        ProcessResult,
        VenvPexProcess(
            tools.pex,
            argv=(
                *keep,
                *(f"--cell-metadata={key}" for key in nbdev_clean.cell_metadata),
                *request.files,
            ),
            extra_env={"PEX_MODULE": "clean"},
            input_digest=request.snapshot.digest,
            output_files=request.files,
            description=f"Clean {pluralize(len(request.files), 'notebook')}.",
            level=LogLevel.DEBUG,
        ),
    )
    return await FmtResult.create(request, result)


def rules():
    return (*collect_rules(), *CleanRequest.rules())
