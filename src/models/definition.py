"""What a model declares; the shared tasks do everything else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Protocol

import pandas as pd
import pandera.pandas as pa
from pandera.typing import DataFrame
from sklearn.pipeline import Pipeline

from validation.gate import Gate


class Predict(Protocol):
    """Rows that keep the input contract in, the same rows of the output contract out."""

    def __call__(self, model: Pipeline, rows: DataFrame[Any], /) -> DataFrame[Any]:
        """Predict each row."""


@dataclass(frozen=True, kw_only=True)
class ModelDefinition:
    """One model: its contracts, its parts and its gate.

    Attributes:
        input_contract: what `predict` takes.
        labelled_contract: the input with the `target` column, what `train` and `evaluate` take.
        output_contract: what `predict` gives.
        load_labelled: the data set that the model is trained on.
        build_pipeline: an unfitted pipeline; its argument seeds whatever is random in it.
        predict: the checked step from input to output contract.
        score: metrics of predictions against the true labels.
        gate: what a new version must reach to become champion.
        hold_out: the share of the labelled rows that judge every version and train none.
        code: the modules that decide what a fitted model computes.
        trusted_types: types beside skops' own defaults that a stored model may hold.
    """

    name: str
    target: str
    input_contract: type[pa.DataFrameModel]
    labelled_contract: type[pa.DataFrameModel]
    output_contract: type[pa.DataFrameModel]
    load_labelled: Callable[[], DataFrame[Any]]
    build_pipeline: Callable[[int], Pipeline]
    predict: Predict
    score: Callable[[pd.Series[Any], DataFrame[Any]], dict[str, float]]
    cross_validation: Mapping[str, str]
    gate: Gate
    code: tuple[ModuleType, ...]
    trusted_types: tuple[str, ...] = ()
    hold_out: float = 0.3

    def input_columns(self) -> list[str]:
        """The names of the columns that the model takes."""
        return list(self.input_contract.to_schema().columns)
