"""The settings of the shared tasks."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from config.settings import Settings
from data_access_layer.settings import BATCH_ROWS, BatchRows

VERSION = "A version number, or `latest`; default: the champion."
ALLOW_MISMATCH = "Load a version that other code or requirements trained, at your own risk."


class TrainSettings(Settings):
    """How to train a model."""

    section: ClassVar[str] = "train"

    seed: int = Field(0, description="Random seed of the model.")
    folds: int = Field(5, ge=2, description="Folds of the cross-validation.")
    parameters: str | None = Field(
        None, description="A JSON file of `tune`; default: the parameters in the pipeline."
    )
    promote: bool = Field(
        True, description="Make the version champion if it passes the gate; else run `gate` later."
    )


class FeaturesSettings(Settings):
    """Where to write the features of the labelled rows."""

    section: ClassVar[str] = "features"

    output: str | None = Field(
        None, description="A Parquet or CSV file; default: features/MODEL.parquet."
    )


class PreprocessSettings(Settings):
    """Where to write the input of the pipeline's last step."""

    section: ClassVar[str] = "preprocess"

    output: str | None = Field(None, description="A folder; default: preprocessed/MODEL.")


class TuneSettings(Settings):
    """How to search for the pipeline's parameters."""

    section: ClassVar[str] = "tune"

    trials: int = Field(20, ge=1, description="Number of parameter combinations to try.")
    seed: int = Field(0, description="Random seed of the search and of the model.")
    folds: int = Field(5, ge=2, description="Folds of the cross-validation.")
    output: str | None = Field(None, description="A JSON file; default: tuned/MODEL.json.")


class EvaluateSettings(Settings):
    """Which version to evaluate, and on which rows."""

    section: ClassVar[str] = "evaluate"

    input: str | None = Field(
        None,
        description="Labelled rows: a file, a folder, s3://…; default: the hold-out.",
    )
    version: str | None = Field(None, description=VERSION)
    allow_mismatch: bool = Field(False, description=ALLOW_MISMATCH)
    enforce: bool = Field(
        True, description="Exit with 1 if the version misses a limit of its gate."
    )


class GateSettings(Settings):
    """Which version to judge by the gate."""

    section: ClassVar[str] = "gate"

    version: str = Field("latest", description="A version number; `latest` is the newest version.")


class PredictSettings(Settings):
    """What to predict, how, and where to write the predictions."""

    section: ClassVar[str] = "predict"

    input: str | None = Field(
        None,
        description="A file, a folder, -, s3://…, or a database table; default: sample data.",
    )
    output: str | None = Field(
        None, description="A file, a folder, or -; default: predictions/MODEL.parquet."
    )
    version: str | None = Field(None, description=VERSION)
    allow_mismatch: bool = Field(False, description=ALLOW_MISMATCH)
    batch_rows: BatchRows = BATCH_ROWS
    jobs: int = Field(
        1,
        ge=1,
        description="Threads that predict batches at the same time; the output stays the same.",
    )
    train_if_missing: bool = Field(True, description="Train a champion if there is none.")
    engine: Literal["local", "dask"] = Field(
        "local",
        description="How to predict the files of a folder: `local`, one after another in this "
        "process, or `dask`, several at a time on Dask workers.",
    )
    workers: int | None = Field(
        None, ge=1, description="Dask worker processes on this machine; default: one for each core."
    )
    scheduler: str | None = Field(
        None,
        description="Dask scheduler elsewhere, such as tls://host:8786; its workers need input and "
        "output under the same paths; default: worker processes on this machine.",
    )
    allow_plain_scheduler: bool = Field(
        False,
        description="Use a scheduler on another machine without TLS; anyone on the network can "
        "then read the rows and run code here.",
    )
