"""Where the parts of a prediction run: in this process, or where another library takes them."""

from __future__ import annotations

import importlib
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, cast

from config.errors import InputError
from models.scoring import Outcome, Part
from models.settings import PredictSettings

# Imported by name, so that a package holds it, and Dask, only where its BUILD file says so. A name
# with two dots would be inferred (`string_imports` in pants.toml).
DASK = "models.dask_engine"


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


class Engine(Protocol):
    """Runs `models.scoring` on each part, somewhere, and gives the outcomes as they come."""

    def __call__(self, job: Job, parts: Sequence[Part], /) -> Generator[Outcome]:
        """Score each part, at least once; closing the generator ends whatever still runs."""


def chosen_engine(settings: PredictSettings, model: str) -> Engine | None:
    """The engine that the settings name; None is this process.

    Raises:
        InputError: this package does not hold it, or an option is for another engine.
    """
    given = [name for name in ("workers", "scheduler") if getattr(settings, name) is not None]
    if settings.engine == "local":
        if given:
            raise InputError(f"--{given[0]} is for --engine dask; the engine is local.")
        return None
    if settings.jobs > 1:
        raise InputError("--jobs is for --engine local; how many work for Dask, --workers says.")
    if len(given) > 1:
        raise InputError(
            "--workers starts worker processes here, and --scheduler uses those that are "
            "elsewhere: choose one."
        )
    try:
        module = importlib.import_module(DASK)
    except ModuleNotFoundError as error:
        if error.name not in (DASK, "distributed", "dask"):
            raise
        raise InputError(
            "--engine dask: Dask is not in this package. It is in that of all models: "
            f"./pants run src/models:predict -- --model {model} --engine dask. To have it in this "
            'one, write dynamic_dependencies=["src/models/dask_engine.py"] into '
            f'pex_binary(name="predict", …) of src/models/{model}/BUILD.'
        ) from error
    run = partial(module.run, workers=settings.workers, scheduler=settings.scheduler)
    return cast("Engine", run)
