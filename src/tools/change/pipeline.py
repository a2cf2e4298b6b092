"""Write a GitLab pipeline with the jobs of a change, and a summary that explains them.

Examples:
  ./pants run src/tools:pipeline -- --since main
  ./pants run src/tools:pipeline -- --since main --output dist/jobs.yml --summary dist/affected.md
  ./pants run src/tools:pipeline -- --since HEAD~1 --everything

Each affected model has a group of jobs: test, package, image, deploy. Affected shared code and
documentation have groups too. --everything adds the tests and packages that the change does not
affect; it never deploys them. In a shallow clone, fetches the missing history.

Exit codes: 0 done; 1 the history cannot be fetched, or Pants fails; 2 wrong revision or option. If
it fails, it writes nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NoReturn

from pydantic import Field

from cli.task import TaskContext
from cli.task import main as main_of_task
from config.settings import Settings

if TYPE_CHECKING:
    from tools.change.pipeline_jobs import Job

PROG = "tools.change.pipeline"


class PipelineSettings(Settings):
    """What to compare, and where to write."""

    section: ClassVar[str] = "pipeline"

    since: str = Field("main", description="the branch, tag or commit to compare with")
    output: Path | None = Field(
        None, description="the file for the pipeline; default: standard output"
    )
    summary: Path | None = Field(None, description="the file for the summary, in Markdown")
    everything: bool = Field(False, description="include all tests and packages")
    targets: Path | None = Field(
        None,
        description="a file with the output of `./pants peek ::`; default: call Pants",
    )


def run(settings: PipelineSettings, context: TaskContext) -> int:
    """Write the pipeline."""
    from cli.terminal import say
    from tools.change.affected_report import as_markdown
    from tools.change.affected_task import find_affected
    from tools.change.pipeline_jobs import as_yaml, jobs_of
    from tools.workspace.git import find_root

    found = find_affected(find_root(), settings.since, settings.targets)
    jobs = jobs_of(found.change, found.graph, everything=settings.everything)
    if settings.summary:
        summary = as_markdown(found.change, found.base, found.graph, _groups(jobs))
        _write(settings.summary, summary, option="--summary")
    if settings.output:
        _write(settings.output, as_yaml(jobs), option="--output")
        say(f"{settings.output}: {', '.join(job.name for job in jobs)}")
    else:
        sys.stdout.write(as_yaml(jobs))
    return 0


def _groups(jobs: Iterable[Job]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for job in jobs:
        groups.setdefault(job.name.partition(":")[0], []).append(job.name)
    return groups


def _write(file: Path, text: str, *, option: str) -> None:
    from data_access_layer.atomic import stage_path

    with stage_path(file, option=option) as staging:
        staging.write_text(text, encoding="utf-8")


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command line."""
    main_of_task(PipelineSettings, run, prog=PROG, doc=__doc__, argv=argv)


if __name__ == "__main__":
    main()
