"""Predict the files of a table on Dask workers, on this machine or of a scheduler elsewhere.

If a worker dies, another one predicts its file again. `modelling.scoring.engines` imports this
module by name.
"""

from __future__ import annotations

import importlib
import logging
import os
import socket
import tempfile
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import cast

import dask
from distributed import (
    Client,
    Future,
    KilledWorker,
    LocalCluster,
    as_completed,
    get_worker,
)
from distributed.security import Security

from cli.errors import InputError, UserError
from cli.terminal import with_progress
from config.tracking import TrackingSettings
from data_access_layer.reader import total_rows
from data_access_layer.tables.files import TableFile
from modelling.registry.find_version import find_version
from modelling.registry.mlflow_registry import Registry
from modelling.scoring.engines import Job
from modelling.scoring.scorer import Outcome, PartFile, Scorer

LOOPBACK = "127.0.0.1"
# Turn off the HTTP routes of scheduler and workers: they show logs and stop workers without asking
# for credentials, and this task needs none of them.
NO_ROUTES: dict[str, list[str]] = {
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
}
# A terminal sends Ctrl-C to every process. Only the task handles it, and stops the workers.
IGNORE_INTERRUPTS = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"
SECONDS_TO_CONNECT = 10
SECONDS_TO_HAVE_A_WORKER = 60
SECONDS_BETWEEN_CHECKS = 5.0
SECONDS_BETWEEN_POLLS = 0.05
# Part files of one process may start at the same time; the first one loads the model.
_LOAD_LOCK = threading.Lock()


@dataclass(frozen=True)
class _WorkItem:
    """A part file for a worker, with the input's path and size: the worker checks both."""

    part: PartFile
    path: str
    size: int


def run(
    job: Job, part_files: Sequence[PartFile], *, workers: int | None, scheduler: str | None
) -> Generator[Outcome]:
    """Predict each part file on a worker, and yield the outcomes as they are ready.

    Raises:
        UserError: no scheduler answers, or it has no workers, or they cannot open the files, lack
            the model's code, or keep dying while they predict one file.
    """
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    total = total_rows(part.table for part in part_files)
    items = [_prepare(part) for part in part_files]
    with ExitStack() as stack:
        client = stack.enter_context(
            _connect(scheduler) if scheduler else _start_workers(workers, len(part_files))
        )
        # Not pure: Dask must not reuse the result of an earlier call.
        futures = client.map(partial(_score, job), items, pure=False)
        stack.callback(client.cancel, futures)
        outcomes = _collect_outcomes(client, futures, part_files)
        yield from with_progress(outcomes, total, what="predicting")


def _prepare(part: PartFile) -> _WorkItem:
    if not isinstance(part.table, TableFile):
        raise InputError(
            f"{part.table.name}: is not a file. --engine dask needs files that workers can open."
        )
    path = part.table.path
    if isinstance(path, Path):
        path = path.absolute()
    table = replace(part.table, path=path)
    return _WorkItem(replace(part, table=table), str(path), table.size())


@contextmanager
def _start_workers(workers: int | None, files: int) -> Iterator[Client]:
    """Start workers on this machine, with TLS: every local user can connect to loopback."""
    count = min(workers or os.process_cpu_count() or 1, files)
    with (
        dask.config.set(NO_ROUTES),
        tempfile.TemporaryDirectory(prefix="dask-") as folder,
        LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            host=LOOPBACK,
            security=Security.temporary(),
            # By default, they serve metrics on all interfaces, and the scheduler on a fixed port.
            dashboard_address=f"{LOOPBACK}:0",
            worker_dashboard_address=f"{LOOPBACK}:0",
            local_directory=folder,
            preload=[IGNORE_INTERRUPTS],
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


@contextmanager
def _connect(scheduler: str) -> Iterator[Client]:
    """Connect to a scheduler elsewhere whose workers have this code."""
    try:
        client = Client(scheduler, timeout=SECONDS_TO_CONNECT)
    except TypeError as error:
        raise UserError(
            f"--scheduler {scheduler}: needs certificates ({error}). Set them in Dask's settings: "
            "DASK_DISTRIBUTED__COMM__TLS__CA_FILE, …__TLS__CLIENT__CERT and …__TLS__CLIENT__KEY."
        ) from error
    except (OSError, ValueError) as error:
        reason = str(error).rstrip(".")
        raise UserError(
            f"--scheduler {scheduler}: no Dask scheduler answers there ({reason}). Start one with "
            "`dask scheduler --protocol tls`, or omit --scheduler to use workers on this machine."
        ) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=SECONDS_TO_HAVE_A_WORKER)
        except TimeoutError as error:
            raise UserError(
                f"--scheduler {scheduler}: has no workers. Start some with "
                f"`dask worker {scheduler}`, from the same package or image as this task."
            ) from error
        # A worker that cannot import the code of a call would die when it gets one.
        try:
            client.run(exec, f"import {__name__}")
        except ImportError as error:
            raise UserError(
                f"--scheduler {scheduler}: a worker cannot import this code ({error}). Start the "
                "workers from the same package or image as this task."
            ) from error
        yield client


def _collect_outcomes(
    client: Client, futures: Sequence[Future[Outcome]], part_files: Sequence[PartFile]
) -> Iterator[tuple[int, Outcome]]:
    names = {future.key: part.table.name for future, part in zip(futures, part_files, strict=True)}
    for future in _wait_for_each(client, futures):
        if future.cancelled():
            raise UserError("The Dask scheduler stopped. The earlier output is untouched.")
        error = future.exception()
        if isinstance(error, KilledWorker):
            raise UserError(
                f"{names[future.key]}: every worker that predicted it died, the last one at "
                f"{error.last_worker.address}. If memory ran out, set a smaller --batch-rows."
            ) from error
        if error is not None:
            raise error
        outcome: Outcome = future.result()
        yield outcome.stats.rows, outcome


def _wait_for_each(client: Client, futures: Sequence[Future[Outcome]]) -> Iterator[Future[Outcome]]:
    """Yield each when it is done. Dask itself would wait forever if all workers stopped."""
    waiting = as_completed(futures)
    seen = checked = time.monotonic()
    while waiting.count():
        ready = waiting.next_batch(block=False)
        yield from ready
        now = time.monotonic()
        if not ready and now - checked > SECONDS_BETWEEN_CHECKS and client.status == "running":
            checked = now
            seen = now if client.nthreads() else seen
            if now - seen > SECONDS_TO_HAVE_A_WORKER:
                raise UserError("All Dask workers stopped. The earlier output is untouched.")
        if not ready:
            time.sleep(SECONDS_BETWEEN_POLLS)


def _score(job: Job, item: _WorkItem) -> Outcome:
    """Predict one part file; runs on a worker."""
    _check_shared_storage(item)
    return _get_scorer(job).score(item.part)


def _check_shared_storage(item: _WorkItem) -> None:
    table = cast("TableFile", item.part.table)
    try:
        size = table.size()
    except InputError as error:
        reason = str(error).rpartition(": ")[2].rstrip(".")
        raise UserError(_explain_unshared(item.path, reason)) from None
    if size != item.size:
        raise UserError(_explain_unshared(item.path, f"it has {size:,} bytes, not {item.size:,}"))
    folder = item.part.path.parent
    if not folder.is_dir():
        reason = "the folder that is being written does not exist there"
        raise UserError(_explain_unshared(str(folder.parent), reason))


def _explain_unshared(path: str, reason: str | None) -> str:
    return (
        f"{path}: is different on the worker {_name_worker()} ({reason}). With --scheduler, "
        "--input and --output must be on storage that all machines share under the same paths."
    )


def _name_worker() -> str:
    return f"{get_worker().address} on {socket.gethostname()}"


def _get_scorer(job: Job) -> Scorer:
    """Load the model once per process."""
    try:
        with _LOAD_LOCK:
            return _load_scorer(job)
    except UserError as error:
        raise UserError(f"Worker {_name_worker()}: {error}") from None


@lru_cache(maxsize=1)
def _load_scorer(job: Job) -> Scorer:
    definition = importlib.import_module(f"models.{job.model}.definition").MODEL
    registry = Registry.connect(TrackingSettings(uri=job.registry))
    if job.allow_mismatch:
        # The task has reported the differences already.
        version = registry.version(job.model, job.version)
    else:
        version = find_version(definition, registry, number=job.version)
    model = registry.load(version, definition)
    return Scorer(definition, version, model, job.batch_rows, shows_progress=False)
