"""List skipped tests, with their files and reasons, at the end of a run.

Pants reports a file whose tests were all skipped as successful, and shows no output of pytest if
`[test].output` is `failed`. The list includes cached results, which are reported like new ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pants.engine.console import Console
from pants.engine.fs import Snapshot
from pants.engine.internals.scheduler import Workunit
from pants.engine.rules import collect_rules, rule
from pants.engine.streaming_workunit_handler import (
    StreamingWorkunitContext,
    WorkunitsCallback,
    WorkunitsCallbackFactory,
    WorkunitsCallbackFactoryRequest,
)
from pants.engine.unions import UnionRule
from pants.option.global_options import GlobalOptions

from skipped_tests.skips import Skip, as_text, read_skips

HEADING = "Skipped tests:"
# The key of the JUnit file in Pants' `TestResult`, for all test runners.
JUNIT = "xml_results"


@dataclass
class SkippedTestsReport(WorkunitsCallback):
    use_colors: bool
    reports: list[tuple[Snapshot, tuple[str, ...]]] = field(default_factory=list)

    @property
    def can_finish_async(self) -> bool:
        # The console is closed after the run.
        return False

    def __call__(
        self,
        *,
        started_workunits: tuple[Workunit, ...],
        completed_workunits: tuple[Workunit, ...],
        finished: bool,
        context: StreamingWorkunitContext,
        **_: Any,
    ) -> None:
        for workunit in completed_workunits:
            report = workunit.get("artifacts", {}).get(JUNIT)
            if isinstance(report, Snapshot):
                addresses = workunit.get("metadata", {}).get("addresses", ())
                self.reports.append((report, tuple(addresses)))
        if finished and (skips := self._skips(context)):
            self._print(skips)

    def _skips(self, context: StreamingWorkunitContext) -> list[Skip]:
        if not self.reports:
            return []
        contents = context.snapshots_to_file_contents([report for report, _ in self.reports])
        return [
            skip
            for files, (_, addresses) in zip(contents, self.reports)
            for file in files
            for skip in read_skips(file.content, addresses)
        ]

    def _print(self, skips: list[Skip]) -> None:
        console = Console(use_colors=self.use_colors)
        heading = f"{console.sigil_skipped()} {console.yellow(HEADING)}"
        console.print_stderr(f"\n{as_text(skips, heading=heading)}")


@dataclass(frozen=True)
class SkippedTestsReportRequest:
    """Requests the callback at the start of each run."""


@rule
def report_skipped_tests(
    _: SkippedTestsReportRequest, options: GlobalOptions
) -> WorkunitsCallbackFactory:
    return WorkunitsCallbackFactory(lambda: SkippedTestsReport(options.colors))


def rules():
    return (
        *collect_rules(),
        UnionRule(WorkunitsCallbackFactoryRequest, SkippedTestsReportRequest),
    )
