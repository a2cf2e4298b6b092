"""What can be set for the tasks of this module."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from cli.errors import InputError
from config.settings import Settings
from data_access_layer.settings import BATCH_ROWS, BatchRows


class ValidateDataSettings(Settings):
    """Which data set is checked, against what."""

    section: ClassVar[str] = "validate_data"

    contract: str | None = Field(None, description="The name of a contract in src/datasets.")
    input: str | None = Field(
        None, description="A file, a folder, -, s3://…, or a table of a database."
    )
    output: str | None = Field(None, description="A folder; default: validated/CONTRACT.")
    batch_rows: BatchRows = BATCH_ROWS


class GateModelSettings(Settings):
    """Whose predictions are compared, and how."""

    section: ClassVar[str] = "gate_model"

    challenger: str | None = Field(None, description="The new model's predictions, a place.")
    champion: str | None = Field(None, description="The present model's; default: limits only.")
    truth: str | None = Field(None, description="A place with the true values.")
    target: str | None = Field(None, description="The column that is predicted, in all files.")
    key: str | None = Field(None, description="The column that tells rows; default: their order.")
    metric: str | None = Field(None, description="What decides; an unknown one lists the known.")
    at_least: float | None = Field(None, description="The metric's lower limit.")
    at_most: float | None = Field(None, description="The metric's upper limit.")
    margin: float = Field(0.0, ge=0, description="What the challenger must be better by.")
    certain: bool = Field(False, description="Demand that the whole interval is above the margin.")
    confidence: float = Field(0.95, gt=0, lt=1, description="Of the interval.")
    resamples: int = Field(1000, ge=100, description="Of the bootstrap.")
    seed: int = Field(0, ge=0, description="Of the bootstrap.")
    report: str | None = Field(None, description="A JSON file for the verdict; default: none.")


class DriftSettings(Settings):
    """Which data sets are compared, and from when on a column has drifted."""

    section: ClassVar[str] = "drift"

    reference: str | None = Field(
        None, description="What the data was like: a place, as --input of `predict`."
    )
    current: str | None = Field(
        None, description="What it is like now: a place, as --input of `predict`."
    )
    output: str | None = Field(None, description="A folder for the report; default: drift.")
    fail_on_drift: bool = Field(False, description="Exit with 1 where a column has drifted.")
    alpha: float = Field(0.01, gt=0, lt=1, description="Share of false alarms among the drifted.")
    psi: float = Field(0.1, gt=0, description="Population stability index from which it matters.")
    sample_rows: int = Field(100_000, ge=10, description="Rows of each side that are compared.")
    seed: int = Field(0, ge=0, description="Of the sample.")


def required(value: str | None, option: str) -> str:
    """The value of an option that has no default.

    Raises:
        InputError: it was not given.
    """
    if not value:
        raise InputError(f"--{option} is missing; see --help for examples.")
    return value
