"""What the model does with columns: ratios, scaling, regression, predictions with intervals."""

from __future__ import annotations

from typing import cast

import pandera.pandas as pa
from pandera.typing import DataFrame
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from datasets.diabetes import Patients
from feature_store.derived_features.row_features import FormulaTransformer
from modelling.prediction_intervals import IntervalRegressor, predict_intervals
from models.diabetes.schema import Progressions

FORMULAS = (
    "non_hdl_mg_dl = total_cholesterol_mg_dl - hdl_mg_dl",
    "ldl_hdl_ratio = ldl_mg_dl / hdl_mg_dl",
)


def build_pipeline(seed: int) -> Pipeline:
    """Build an unfitted pipeline from `Patients` to progression."""
    return Pipeline(
        [
            ("features", FormulaTransformer(FORMULAS, keep_inputs=True)),
            ("scale", StandardScaler()),
            ("regress", IntervalRegressor(Ridge(alpha=1.0), random_state=seed)),
        ]
    )


@pa.check_types(lazy=True, inplace=True)
def predict_progression(model: Pipeline, patients: DataFrame[Patients]) -> DataFrame[Progressions]:
    """Predict the progression of each patient, with its 90 % interval."""
    predictions = predict_intervals(model, patients, target="progression")
    return cast("DataFrame[Progressions]", predictions)
