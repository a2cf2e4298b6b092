"""What can be set for the shared tasks."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from config.settings import Settings
from data_access_layer.settings import BATCH_ROWS, BatchRows

VERSION = "A version's number, or `latest`; default: the champion."


class TrainSettings(Settings):
    """How a model is trained."""

    section: ClassVar[str] = "train"

    seed: int = Field(0, description="Seeds whatever the model draws.")
    folds: int = Field(5, ge=2, description="Folds of the cross-validation.")
    parameters: str | None = Field(
        None, description="A JSON file that `tune` wrote; default: those of the pipeline."
    )
    promote: bool = Field(
        True, description="Make it champion if its gate holds; without it, `gate` does."
    )


class FeaturesSettings(Settings):
    """Where the features of the labelled rows go."""

    section: ClassVar[str] = "features"

    output: str | None = Field(
        None, description="A Parquet or CSV file; default: features/MODEL.parquet."
    )


class PreprocessSettings(Settings):
    """Where what the model's last step sees goes."""

    section: ClassVar[str] = "preprocess"

    output: str | None = Field(None, description="A folder; default: preprocessed/MODEL.")


class TuneSettings(Settings):
    """How the pipeline's parameters are searched for."""

    section: ClassVar[str] = "tune"

    trials: int = Field(20, ge=1, description="Settings that are tried.")
    seed: int = Field(0, description="Seeds the draws and whatever the model draws.")
    folds: int = Field(5, ge=2, description="Folds of the cross-validation.")
    output: str | None = Field(None, description="A JSON file; default: tuned/MODEL.json.")


class EvaluateSettings(Settings):
    """Which version is evaluated, and on what."""

    section: ClassVar[str] = "evaluate"

    input: str | None = Field(
        None,
        description="Labelled rows: a file, a folder, s3://…; default: the hold-out.",
    )
    version: str | None = Field(None, description=VERSION)
    allow_mismatch: bool = Field(False, description="Load a version made with other code.")
    enforce: bool = Field(True, description="Exit with 1 where a limit of the gate is missed.")


class GateSettings(Settings):
    """Which version may become champion."""

    section: ClassVar[str] = "gate"

    version: str = Field("latest", description="A version's number; `latest` is the newest.")


class PredictSettings(Settings):
    """What is predicted, and where it goes."""

    section: ClassVar[str] = "predict"

    input: str | None = Field(
        None,
        description="A file, a folder, -, s3://…, or a database's table; default: sample data.",
    )
    output: str | None = Field(
        None, description="A file, a folder, or - ; default: predictions/MODEL.parquet."
    )
    version: str | None = Field(None, description=VERSION)
    allow_mismatch: bool = Field(False, description="Load a version made with other code.")
    batch_rows: BatchRows = BATCH_ROWS
    jobs: int = Field(
        1,
        ge=1,
        description="Batches that are predicted at the same time, by a thread each; the output is "
        "the same.",
    )
    train_if_missing: bool = Field(True, description="Train a champion where there is none.")
    engine: Literal["local", "dask"] = Field(
        "local",
        description="Where the files of a folder are predicted: one after another in this process, "
        "or several at a time by the worker processes of Dask.",
    )
    workers: int | None = Field(
        None, ge=1, description="Dask's worker processes here; default: one for each core."
    )
    scheduler: str | None = Field(
        None,
        description="Dask's scheduler elsewhere, such as tls://host:8786, whose workers see input "
        "and output under the same paths; default: worker processes here.",
    )
    allow_plain_scheduler: bool = Field(
        False,
        description="Use a scheduler on another machine without TLS: everybody in between can read "
        "the rows and run code here.",
    )
