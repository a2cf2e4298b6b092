"""Where the parts of a prediction run: in this process, or where another library takes them."""

from __future__ import annotations

import importlib
import ipaddress
import socket
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol
from urllib.parse import urlsplit

from cli.errors import InputError
from data_access_layer.files import STANDARD_STREAM
from modelling.scoring.scorer import Outcome, Part, Scorer

if TYPE_CHECKING:
    from modelling.settings import PredictSettings

# Imported by name, so that a package holds it, and Dask, only where its BUILD file says so. A name
# with two dots would be inferred (`string_imports` in pants.toml).
DASK = "modelling.scoring.dask_engine"
# What Dask calls its protocols with TLS, and that of a scheduler in this process.
ENCRYPTED = ("tls", "wss", "inproc")


@dataclass(frozen=True)
class Job:
    """What another process has to know to predict parts; the model it loads itself, by its number.

    By its number, because an alias may move before the last part is predicted.
    """

    model: str
    version: str
    registry: str
    allow_mismatch: bool
    batch_rows: int


class Chosen(Protocol):
    """The version that predicts."""

    def scorer(self) -> Scorer:
        """For this process."""

    def job(self) -> Job:
        """For other processes."""


class Engine(Protocol):
    """Runs `modelling.scoring.scorer` on each part, and yields the outcomes as they arrive."""

    default_output: ClassVar[str]

    def check(self, location: str | None, output: str, *, has_parts: bool) -> None:
        """Refuse an input or output that it cannot work with; `has_parts` of a folder.

        Raises:
            InputError: it cannot.
        """

    def run(self, chosen: Chosen, parts: Sequence[Part]) -> Generator[Outcome]:
        """Score each part, at least once; closing the generator ends whatever still runs."""


class LocalEngine:
    """One part after another, in this process."""

    default_output: ClassVar = "predictions/{model}.parquet"

    def check(self, location: str | None, output: str, *, has_parts: bool) -> None:
        """Nothing is refused."""

    def run(self, chosen: Chosen, parts: Sequence[Part]) -> Generator[Outcome]:
        """After a failure the rest is only checked, so that all rows can be named."""
        scorer = chosen.scorer()
        broken = False
        for part in parts:
            outcome = scorer.score(part, only_check=broken)
            broken = broken or bool(outcome.tally.failures)
            yield outcome


@dataclass(frozen=True)
class DaskEngine:
    """Several parts at a time, on Dask's workers; `module` is `modelling.scoring.dask_engine`."""

    module: Any
    workers: int | None
    scheduler: str | None
    default_output: ClassVar = "predictions/{model}"

    def check(self, location: str | None, output: str, *, has_parts: bool) -> None:
        """Refuse what is not a folder of parts that other processes could open."""
        if location in (None, STANDARD_STREAM):
            raise InputError(
                "--engine dask reads files: name one, or a folder of them, with --input."
            )
        if not has_parts:
            raise InputError(
                f"--engine dask writes a folder, a file for each file of the input, and {output} "
                "is not a folder. Name a folder with --output, or choose --engine local."
            )

    def run(self, chosen: Chosen, parts: Sequence[Part]) -> Generator[Outcome]:
        """The outcomes come in the order in which they are ready."""
        outcomes: Generator[Outcome] = self.module.run(
            chosen.job(), parts, workers=self.workers, scheduler=self.scheduler
        )
        return outcomes


def chosen_engine(settings: PredictSettings, model: str) -> Engine:
    """The engine that the settings name.

    Raises:
        InputError: this package does not hold it, or an option is for another engine.
    """
    given = [name for name in ("workers", "scheduler") if getattr(settings, name) is not None]
    if settings.engine == "local":
        if given:
            raise InputError(f"--{given[0]} is for --engine dask; the engine is local.")
        return LocalEngine()
    if settings.jobs > 1:
        raise InputError("--jobs is for --engine local. With --engine dask, use --workers.")
    if len(given) > 1:
        raise InputError(
            "--workers starts worker processes here, and --scheduler uses those that are "
            "elsewhere: choose one."
        )
    if settings.scheduler and not settings.allow_plain_scheduler:
        _refuse_plain(settings.scheduler)
    try:
        module = importlib.import_module(DASK)
    except ModuleNotFoundError as error:
        if error.name not in (DASK, "distributed", "dask"):
            raise
        raise InputError(
            "--engine dask: Dask is not in this package. It is in that of all models: "
            f"./pants run src/models:predict -- --model {model} --engine dask. To have it in this "
            'one, write dynamic_dependencies=["src/modelling/scoring/dask_engine.py"] into '
            f'pex_binary(name="predict", …) of src/models/{model}/BUILD.'
        ) from error
    return DaskEngine(module, settings.workers, settings.scheduler)


def _refuse_plain(scheduler: str) -> None:
    """Refuse a scheduler on another machine without TLS: whoever answers there runs code here.

    Raises:
        InputError: it is one.
    """
    protocol, _, rest = scheduler.rpartition("://")
    if protocol in ENCRYPTED:
        return
    host = urlsplit(f"//{rest}").hostname or ""
    if not _is_here(host):
        raise InputError(
            f"--scheduler {scheduler}: is on another machine and without TLS, so whoever is in "
            "between can read the rows and run code here. Start the scheduler with "
            "`--protocol tls` and name tls://…, or set --allow-plain-scheduler where the network "
            "is your own."
        )


def _is_here(host: str) -> bool:
    """Whether all that a host's name means is this machine alone."""
    try:
        found = {address[0] for *_, address in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError):
        return False
    return all(ipaddress.ip_address(str(one).partition("%")[0]).is_loopback for one in found)
