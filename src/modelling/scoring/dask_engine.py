"""Predict the files of a table on Dask's worker processes: of this machine, or of a scheduler.

If a worker dies, another one runs its file again. `modelling.scoring.engines` imports this by name.
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
from modelling.scoring.scorer import Outcome, Part, Scorer

LOOPBACK = "127.0.0.1"
# Of what a scheduler and workers serve by HTTP, nothing is for this task, and none of it asks who
# is there: the state of the work, its logs, the end of workers.
NO_ROUTES: dict[str, list[str]] = {
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
}
# A terminal sends Ctrl-C to all processes; that of the task ends the others.
IGNORE_INTERRUPTS = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"
SECONDS_TO_CONNECT = 10
SECONDS_TO_HAVE_A_WORKER = 60
SECONDS_BETWEEN_LOOKS = 5.0
SECONDS_BETWEEN_POLLS = 0.05
# Parts of one process may begin at the same time, and one of them loads the model.
_LOADING = threading.Lock()


@dataclass(frozen=True)
class _Sent:
    """A part as a worker gets it; with the size of its file, so that it is sure to be the same."""

    part: Part
    path: str
    size: int


def run(
    job: Job, parts: Sequence[Part], *, workers: int | None, scheduler: str | None
) -> Generator[Outcome]:
    """Score each part on a worker; the outcomes come in the order in which they are ready.

    Raises:
        UserError: there is no such scheduler, or it has no workers, or they cannot see the files,
            do not have the model's code, or died again and again over one part.
    """
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    total = total_rows(part.table for part in parts)
    sent = [_sent(part) for part in parts]
    with ExitStack() as stack:
        client = stack.enter_context(
            _elsewhere(scheduler) if scheduler else _here(workers, len(parts))
        )
        # Not pure: what this very call asks for is run, whatever another one asked for before.
        futures = client.map(partial(_score, job), sent, pure=False)
        stack.callback(client.cancel, futures)
        yield from with_progress(_outcomes(client, futures, parts), total, what="predicting")


def _sent(part: Part) -> _Sent:
    if not isinstance(part.table, TableFile):
        raise InputError(f"{part.table.name}: is no file, which other processes could open.")
    path = part.table.path
    if isinstance(path, Path):
        path = path.absolute()
    table = replace(part.table, path=path)
    return _Sent(replace(part, table=table), str(path), table.size())


@contextmanager
def _here(workers: int | None, parts: int) -> Iterator[Client]:
    """Worker processes here, with certificates for this call: loopback is every local user's."""
    count = min(workers or os.process_cpu_count() or 1, parts)
    with (
        dask.config.set(NO_ROUTES),
        tempfile.TemporaryDirectory(prefix="dask-") as folder,
        LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            host=LOOPBACK,
            security=Security.temporary(),
            # Each serves its metrics; by default on all interfaces, and the scheduler on one port.
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
def _elsewhere(scheduler: str) -> Iterator[Client]:
    try:
        client = Client(scheduler, timeout=SECONDS_TO_CONNECT)
    except TypeError as error:
        raise UserError(
            f"--scheduler {scheduler}: needs certificates ({error}). Name them in Dask's settings: "
            "DASK_DISTRIBUTED__COMM__TLS__CA_FILE, …__TLS__CLIENT__CERT and …__TLS__CLIENT__KEY."
        ) from error
    except (OSError, ValueError) as error:
        reason = str(error).rstrip(".")
        raise UserError(
            f"--scheduler {scheduler}: no scheduler of Dask's answers there ({reason}). Start one "
            "with `dask scheduler --protocol tls`, or leave --scheduler out for processes here."
        ) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=SECONDS_TO_HAVE_A_WORKER)
        except TimeoutError as error:
            raise UserError(
                f"--scheduler {scheduler}: has no workers. Start some with "
                f"`dask worker {scheduler}`, from the same package or image as this."
            ) from error
        # A worker that cannot import what it is to run dies of being asked to.
        try:
            client.run(exec, f"import {__name__}")
        except ImportError as error:
            raise UserError(
                f"--scheduler {scheduler}: a worker cannot import this code ({error}). Start the "
                "workers from the same package or image as this."
            ) from error
        yield client


def _outcomes(
    client: Client, futures: Sequence[Future[Outcome]], parts: Sequence[Part]
) -> Iterator[tuple[int, Outcome]]:
    names = {future.key: part.table.name for future, part in zip(futures, parts, strict=True)}
    for future in _ready(client, futures):
        if future.cancelled():
            raise UserError("Dask's scheduler is gone; the earlier output is untouched.")
        error = future.exception()
        if isinstance(error, KilledWorker):
            raise UserError(
                f"{names[future.key]}: every worker that predicted it died, the last one at "
                f"{error.last_worker.address}. If memory ran out, fewer --batch-rows need less."
            ) from error
        if error is not None:
            raise error
        outcome: Outcome = future.result()
        yield outcome.tally.rows, outcome


def _ready(client: Client, futures: Sequence[Future[Outcome]]) -> Iterator[Future[Outcome]]:
    """Each as it is done. Dask itself would wait for ever where all workers are gone."""
    waiting = as_completed(futures)
    seen = looked = time.monotonic()
    while waiting.count():
        ready = waiting.next_batch(block=False)
        yield from ready
        now = time.monotonic()
        if not ready and now - looked > SECONDS_BETWEEN_LOOKS and client.status == "running":
            looked = now
            seen = now if client.nthreads() else seen
            if now - seen > SECONDS_TO_HAVE_A_WORKER:
                raise UserError("All of Dask's workers are gone; the earlier output is untouched.")
        if not ready:
            time.sleep(SECONDS_BETWEEN_POLLS)


def _score(job: Job, sent: _Sent) -> Outcome:
    """What a worker does."""
    _check_sight(sent)
    return _scorer(job).score(sent.part)


def _check_sight(sent: _Sent) -> None:
    table = cast("TableFile", sent.part.table)
    try:
        size = table.size()
    except InputError as error:
        raise UserError(_unseen(sent.path, str(error).rpartition(": ")[2].rstrip("."))) from None
    if size != sent.size:
        raise UserError(_unseen(sent.path, f"it has {size:,} bytes, not {sent.size:,}"))
    folder = sent.part.path.parent
    if not folder.is_dir():
        raise UserError(_unseen(str(folder.parent), "what is being written there is not there"))


def _unseen(path: str, reason: str | None) -> str:
    return (
        f"{path}: not what the worker {_where()} sees under this path ({reason}). Workers of a "
        "scheduler need --input and --output on storage that all machines share, under the same "
        "paths."
    )


def _where() -> str:
    return f"{get_worker().address} on {socket.gethostname()}"


def _scorer(job: Job) -> Scorer:
    """The model, once per process."""
    try:
        with _LOADING:
            return _loaded(job)
    except UserError as error:
        raise UserError(f"Worker {_where()}: {error}") from None


@lru_cache(maxsize=1)
def _loaded(job: Job) -> Scorer:
    definition = importlib.import_module(f"models.{job.model}.definition").MODEL
    registry = Registry.connect(TrackingSettings(uri=job.registry))
    if job.allow_mismatch:
        # How they differ was said already.
        version = registry.version(job.model, job.version)
    else:
        version = find_version(definition, registry, number=job.version)
    model = registry.load(version, definition)
    return Scorer(definition, version, model, job.batch_rows, shows_progress=False)
