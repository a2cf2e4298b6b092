"""Where the files of a prediction are predicted: in this process, or on Dask workers."""

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
from modelling.scoring.scorer import Outcome, PartFile, Scorer

if TYPE_CHECKING:
    from modelling.settings import PredictSettings

# Imported by name, so that a package contains it and Dask only if its BUILD file says so. Relative:
# Pants would infer the full name, with two dots (`string_imports` in pants.toml).
DASK = ".dask_engine"
# Dask's protocols with TLS, and the one of a scheduler in this process.
ENCRYPTED = ("tls", "wss", "inproc")


@dataclass(frozen=True)
class Job:
    """What another process needs to load the model and predict.

    `version` is a number, because the alias may move before the last file is predicted.
    """

    model: str
    version: str
    registry: str
    allow_mismatch: bool
    batch_rows: int


class SelectedVersion(Protocol):
    """The version that predicts."""

    def load_scorer(self) -> Scorer:
        """Load the model in this process."""

    def to_job(self) -> Job:
        """Describe the version for other processes."""


class Engine(Protocol):
    """Predicts each part file by `modelling.scoring.scorer`, and yields the outcomes."""

    default_output: ClassVar[str]

    def check(self, location: str | None, output: str, *, output_is_folder: bool) -> None:
        """Check that the engine supports this input and output.

        Raises:
            InputError: it does not.
        """

    def run(self, selected: SelectedVersion, part_files: Sequence[PartFile]) -> Generator[Outcome]:
        """Predict each part file at least once; closing the generator stops what still runs."""


class LocalEngine:
    """Predicts one part file after another, in this process."""

    default_output: ClassVar = "predictions/{model}.parquet"

    def check(self, location: str | None, output: str, *, output_is_folder: bool) -> None:
        """Accept everything."""

    def run(self, selected: SelectedVersion, part_files: Sequence[PartFile]) -> Generator[Outcome]:
        """Predict until rows break the contract; from then on only check, to report all rows."""
        scorer = selected.load_scorer()
        broken = False
        for part in part_files:
            outcome = scorer.score(part, only_check=broken)
            broken = broken or bool(outcome.stats.failures)
            yield outcome


@dataclass(frozen=True)
class DaskEngine:
    """Predicts several files at a time on Dask workers; `module` is `dask_engine`."""

    module: Any
    workers: int | None
    scheduler: str | None
    default_output: ClassVar = "predictions/{model}"

    def check(self, location: str | None, output: str, *, output_is_folder: bool) -> None:
        """Check that input and output are folders that other processes can open."""
        if location in (None, STANDARD_STREAM):
            raise InputError("--engine dask reads files. Set --input to a file or a folder.")
        if not output_is_folder:
            raise InputError(
                f"--engine dask writes one file for each file of the input, but {output} is not a "
                "folder. Set --output to a folder, or use --engine local."
            )

    def run(self, selected: SelectedVersion, part_files: Sequence[PartFile]) -> Generator[Outcome]:
        """Yield the outcomes as they are ready."""
        outcomes: Generator[Outcome] = self.module.run(
            selected.to_job(), part_files, workers=self.workers, scheduler=self.scheduler
        )
        return outcomes


def choose_engine(settings: PredictSettings, model: str) -> Engine:
    """Choose the engine that the settings name.

    Raises:
        InputError: this package does not contain it, or an option is for another engine.
    """
    given = [name for name in ("workers", "scheduler") if getattr(settings, name) is not None]
    if settings.engine == "local":
        if given:
            raise InputError(f"--{given[0]} requires --engine dask, but the engine is local.")
        return LocalEngine()
    if settings.jobs > 1:
        raise InputError("--jobs requires --engine local. With --engine dask, use --workers.")
    if len(given) > 1:
        raise InputError(
            "--workers starts worker processes on this machine, and --scheduler uses those of a "
            "scheduler elsewhere. Set only one of them."
        )
    if settings.scheduler and not settings.allow_plain_scheduler:
        _refuse_unencrypted(settings.scheduler)
    try:
        module = importlib.import_module(DASK, __package__)
    except ModuleNotFoundError as error:
        if error.name not in (f"{__package__}{DASK}", "distributed", "dask"):
            raise
        raise InputError(
            "--engine dask: this package does not contain Dask. Use the package of all models: "
            f"./pants run src/models:predict -- --model {model} --engine dask. Or add "
            'dynamic_dependencies=["src/modelling/scoring/dask_engine.py"] to '
            f'pex_binary(name="predict", …) in src/models/{model}/BUILD.'
        ) from error
    return DaskEngine(module, settings.workers, settings.scheduler)


def _refuse_unencrypted(scheduler: str) -> None:
    """Refuse a scheduler on another machine without TLS, because it can run code here.

    Raises:
        InputError: the scheduler is such a one.
    """
    protocol, _, rest = scheduler.rpartition("://")
    if protocol in ENCRYPTED:
        return
    host = urlsplit(f"//{rest}").hostname or ""
    if not _is_loopback(host):
        raise InputError(
            f"--scheduler {scheduler}: is on another machine and has no TLS, so anyone on the "
            "network can read the rows and run code here. Start the scheduler with "
            "`--protocol tls` and use tls://…, or set --allow-plain-scheduler if you trust the "
            "network."
        )


def _is_loopback(host: str) -> bool:
    """Whether all addresses of a host are loopback addresses."""
    try:
        found = {address[0] for *_, address in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError):
        return False
    return all(ipaddress.ip_address(str(one).partition("%")[0]).is_loopback for one in found)
