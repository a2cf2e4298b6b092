"""What a model declares for the shared tasks."""

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
    """From rows of the input contract to the same rows of the output contract."""

    def __call__(self, model: Pipeline, rows: DataFrame[Any], /) -> DataFrame[Any]:
        """Predict each row."""


class Score(Protocol):
    """Compares predictions with the true labels."""

    def __call__(
        self, truth: pd.Series[Any], predictions: DataFrame[Any], /, *, only: str | None = None
    ) -> dict[str, float]:
        """Compute all metrics, or `only` the one with that name."""


class Distribution(Protocol):
    """A distribution of `scipy.stats`, as scikit-learn's ParameterSampler takes it."""

    def rvs(self, *args: Any, **kwargs: Any) -> Any:
        """Draw a value."""


@dataclass(frozen=True, kw_only=True)
class ModelDefinition:
    """One model: its contracts, its functions and its gate.

    Attributes:
        kind: whether the target is a class or a number.
        input_contract: the rows that `predict` reads.
        feature_contract: the output of the pipeline's step `features`, if it has that step.
        labelled_contract: the input with the `target` column, for `train` and `evaluate`.
        output_contract: the rows that `predict` writes.
        load_labelled: loads the data set that the model is trained on.
        load_input: loads the default input of `predict`; without it, the labelled rows.
        groups: a column of the labelled rows; rows with the same value stay on the same side of
            every split, so that no row is scored by a model that was trained on a related row.
        build_pipeline: builds an unfitted pipeline; its argument is the random seed.
        predict: predicts from the input contract to the output contract.
        score: computes metrics of predictions against the true labels.
        cross_validation: scikit-learn's scorers by the metric's name; the first one also ranks the
            trials of `tune` and measures the importance of the columns.
        search_space: for `tune`, values or a scipy distribution by the pipeline's parameter.
        gate: what a new version must reach to become champion.
        hold_out: the share of the labelled rows that evaluates every version and trains none.
        trusted_types: types that a stored model may contain, in addition to those that
            `build_pipeline` uses and those in `TRUSTED_TYPES` of the pipeline's modules.
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

    def collect_trusted_types(self) -> list[str]:
        """The `trusted_types` of the definition and of the pipeline's modules."""
        of_code = code_of(self.build_pipeline, self.predict).trusted_types
        return sorted({*self.trusted_types, *of_code})

    def input_columns(self) -> list[str]:
        """The names of the input contract's columns."""
        return list(self.input_contract.to_schema().columns)
