"""What a model declares; the shared tasks do everything else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import pandas as pd
import pandera.pandas as pa
from pandera.typing import DataFrame
from sklearn.pipeline import Pipeline

from cli.task import TaskContext
from modelling.stored_models.pipeline_code import code_of
from validation.gate import Gate


class Predict(Protocol):
    """Rows that keep the input contract in, the same rows of the output contract out."""

    def __call__(self, model: Pipeline, rows: DataFrame[Any], /) -> DataFrame[Any]:
        """Predict each row."""


class Score(Protocol):
    """Metrics of predictions against the true labels."""

    def __call__(
        self, truth: pd.Series[Any], predictions: DataFrame[Any], /, *, only: str | None = None
    ) -> dict[str, float]:
        """Compute all metrics, or `only` the one of that name."""


class Distribution(Protocol):
    """A distribution of `scipy.stats`: what scikit-learn's ParameterSampler draws from."""

    def rvs(self, *args: Any, **kwargs: Any) -> Any:
        """Draw a value."""


@dataclass(frozen=True, kw_only=True)
class ModelDefinition:
    """One model: its contracts, its parts and its gate.

    Attributes:
        kind: what the target is, a class or a number.
        input_contract: what `predict` takes.
        feature_contract: what the pipeline's step `features` gives, where it has one.
        labelled_contract: the input with the `target` column, what `train` and `evaluate` take.
        output_contract: what `predict` gives.
        load_labelled: the data set that the model is trained on.
        load_input: what `predict` takes where no input is named; by default the labelled rows.
        groups: a column of the labelled rows; rows that share its value stay on one side of every
            split, so that no row is judged by a model that has learnt from its sibling.
        build_pipeline: an unfitted pipeline; its argument seeds whatever is random in it.
        predict: the checked step from input to output contract.
        score: metrics of predictions against the true labels.
        cross_validation: scikit-learn's scorers by the metric's name; the first one also ranks the
            trials of `tune` and measures the importance of the columns.
        search_space: for `tune`, values or a distribution of scipy by the pipeline's parameter.
        gate: what a new version must reach to become champion.
        hold_out: the share of the labelled rows that judge every version and train none.
        trusted_types: types that a stored model may hold, beside those that `build_pipeline`
            uses and those that the pipeline's modules name as their `TRUSTED_TYPES`.
    """

    name: str
    kind: Literal["classification", "regression"]
    target: str
    input_contract: type[pa.DataFrameModel]
    labelled_contract: type[pa.DataFrameModel]
    output_contract: type[pa.DataFrameModel]
    load_labelled: Callable[[TaskContext], DataFrame[Any]]
    build_pipeline: Callable[[int], Pipeline]
    predict: Predict
    score: Score
    cross_validation: Mapping[str, str]
    gate: Gate
    feature_contract: type[pa.DataFrameModel] | None = None
    load_input: Callable[[TaskContext], DataFrame[Any]] | None = None
    groups: str | None = None
    search_space: Mapping[str, Sequence[Any] | Distribution] = field(default_factory=dict)
    trusted_types: tuple[str, ...] = ()
    hold_out: float = 0.3

    def trusted(self) -> list[str]:
        """The types that the definition and the pipeline's modules declare."""
        of_code = code_of(self.build_pipeline, self.predict).trusted_types
        return sorted({*self.trusted_types, *of_code})

    def input_columns(self) -> list[str]:
        """The names of the columns that the model takes."""
        return list(self.input_contract.to_schema().columns)
