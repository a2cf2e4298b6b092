from __future__ import annotations

from typing import Any

from pants.core.goals.lint import LintResult, LintTargetsRequest
from pants.core.util_rules.partitions import PartitionerType
from pants.engine.rules import Get, collect_rules, rule
from pants.util.logging import LogLevel
from pants.util.meta import classproperty

from notebook.sound import NotebookFieldSet, NotebookProblems, NotebookProblemsRequest
from notebook.subsystem import Jupyter


class NotebookLintRequest(LintTargetsRequest):
    """Checks that each file is a notebook whose code cells are Python."""

    field_set_type = NotebookFieldSet
    tool_subsystem = Jupyter
    partitioner_type = PartitionerType.DEFAULT_SINGLE_PARTITION

    @classproperty
    def tool_name(cls) -> str:  # noqa: N805
        return "notebook"


@rule(desc="Lint notebooks", level=LogLevel.DEBUG)
async def lint_notebooks(request: NotebookLintRequest.Batch[NotebookFieldSet, Any]) -> LintResult:
    problems = await Get(NotebookProblems, NotebookProblemsRequest(tuple(request.elements)))
    return LintResult(
        exit_code=int(bool(problems.messages)),
        stdout="\n".join(problems.messages),
        stderr="",
        linter_name=request.tool_name,
    )


def rules():
    return (*collect_rules(), *NotebookLintRequest.rules())
