"""Report the failures of a remote cache in one warning at the end of a run.

Pants' own option `remote_cache_warnings` warns separately for each error message, and separately
for reads and writes. If a cache is down, that makes at least two warnings.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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

logger = logging.getLogger(__name__)


def failures_of(counters: Mapping[str, int], address: str) -> str | None:
    """The warning for a run with these counters of Pants, or None if nothing failed."""
    asked = counters.get("remote_cache_requests", 0)
    unread = counters.get("remote_cache_read_errors", 0)
    written = counters.get("remote_cache_write_attempts", 0)
    # Includes writes that `session_end_tasks_timeout` cut off, which are not errors for Pants.
    unwritten = written - counters.get("remote_cache_write_successes", 0)
    if not unread and not unwritten:
        return None
    return (
        f"The remote cache {address} failed: "
        f"{unread} of {asked} reads, {unwritten} of {written} writes. "
        "The results are correct: processes that could not be read from the cache ran on this "
        "machine. Use `-ldebug` to see the errors, or set PANTS_REMOTE_CACHE_READ=false "
        "PANTS_REMOTE_CACHE_WRITE=false to run without the cache."
    )


@dataclass(frozen=True)
class RemoteCacheReport(WorkunitsCallback):
    address: str

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
        if not finished:
            return
        failures = failures_of(context.get_metrics(), self.address)
        if failures:
            logger.warning(failures)


@dataclass(frozen=True)
class RemoteCacheReportRequest:
    """Requests the callback at the start of each run."""


@rule
def report_remote_cache(
    _: RemoteCacheReportRequest, options: GlobalOptions
) -> WorkunitsCallbackFactory:
    address = options.remote_store_address
    used = options.remote_cache_read or options.remote_cache_write
    return WorkunitsCallbackFactory(lambda: RemoteCacheReport(address) if used else None)


def rules():
    return (
        *collect_rules(),
        UnionRule(WorkunitsCallbackFactoryRequest, RemoteCacheReportRequest),
    )
