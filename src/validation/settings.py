"""The settings of the validation tasks."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from cli.errors import InputError
from config.settings import Settings
from data_access_layer.settings import BATCH_ROWS, BatchRows


class ValidateDataSettings(Settings):
    """Which data set to validate, and against which contract."""

    section: ClassVar[str] = "validate_data"

    contract: str | None = Field(None, description="The name of a contract in src/datasets.")
    input: str | None = Field(None, description="A file, a folder, -, s3://…, or a database table.")
    output: str | None = Field(None, description="A folder; default: validated/CONTRACT.")
    batch_rows: BatchRows = BATCH_ROWS


class GateModelSettings(Settings):
    """Which predictions to compare, and by which limits."""

    section: ClassVar[str] = "gate_model"

    challenger: str | None = Field(None, description="The new model's predictions.")
    champion: str | None = Field(
        None, description="The current model's predictions; default: check the limits only."
    )
    truth: str | None = Field(None, description="The true values.")
    target: str | None = Field(None, description="The predicted column, in all tables.")
    key: str | None = Field(
        None, description="The column that identifies rows; default: compare in row order."
    )
    metric: str | None = Field(
        None,
        description="The metric that decides: accuracy, balanced_accuracy, macro_f1, r2, mae, rmse "
        "or smape.",
    )
    at_least: float | None = Field(None, description="The metric's lower limit.")
    at_most: float | None = Field(None, description="The metric's upper limit.")
    margin: float = Field(0.0, ge=0, description="By how much the challenger must be better.")
    certain: bool = Field(
        False, description="Require that the whole interval of the gain is above the margin."
    )
    confidence: float = Field(0.95, gt=0, lt=1, description="Confidence of the gain's interval.")
    resamples: int = Field(1000, ge=100, description="Number of bootstrap resamples.")
    seed: int = Field(0, ge=0, description="Random seed of the bootstrap.")
    report: str | None = Field(None, description="A JSON file for the verdict; default: none.")


class DriftSettings(Settings):
    """Which data sets to compare, and when a column has drifted."""

    section: ClassVar[str] = "drift"

    reference: str | None = Field(
        None, description="The earlier data: a file, a folder, -, s3://…, or a database table."
    )
    current: str | None = Field(
        None, description="The current data: a file, a folder, -, s3://…, or a database table."
    )
    output: str | None = Field(None, description="A folder for the report; default: drift.")
    fail_on_drift: bool = Field(False, description="Exit with 1 if a column has drifted.")
    alpha: float = Field(
        0.01, gt=0, lt=1, description="A drifted column has a corrected p-value below this."
    )
    psi: float = Field(
        0.1, gt=0, description="A drifted column has at least this population stability index."
    )
    sample_rows: int = Field(100_000, ge=10, description="Rows to sample from each side.")
    seed: int = Field(0, ge=0, description="Random seed of the sample.")


def require(value: str | None, option: str) -> str:
    """Return the value of an option that has no default.

    Raises:
        InputError: the option is not set.
    """
    if not value:
        raise InputError(f"--{option} is missing. See --help for examples.")
    return value
