"""One warning about a remote cache, however often and however it failed during a run.

Pants' own warnings (`remote_cache_warnings`) are counted for each error's text, reads and writes
apart: never fewer than two where a cache is down, and more where it fails in more than one way.
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
    """What to say of a run with these counters of Pants, None where all went well."""
    asked = counters.get("remote_cache_requests", 0)
    unread = counters.get("remote_cache_read_errors", 0)
    written = counters.get("remote_cache_write_attempts", 0)
    # Those too that `session_end_tasks_timeout` cut off, which are no errors to Pants.
    unwritten = written - counters.get("remote_cache_write_successes", 0)
    if not unread and not unwritten:
        return None
    return (
        f"The remote cache {address} failed: "
        f"{unread} of {asked} reads, {unwritten} of {written} writes. "
        "Nothing fails because of that: what could not be read ran on this machine. "
        "`-ldebug` says why; PANTS_REMOTE_CACHE_READ=false PANTS_REMOTE_CACHE_WRITE=false "
        "goes without the cache."
    )


@dataclass(frozen=True)
class RemoteCacheReport(WorkunitsCallback):
    address: str

    @property
    def can_finish_async(self) -> bool:
        # The console is gone after the run.
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
    """Asks for the callback at the start of each run."""


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
