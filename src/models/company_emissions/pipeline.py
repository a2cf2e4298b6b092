"""The model's features and regression: sizes, medians of industries, logarithms."""

from __future__ import annotations

from typing import cast

import numpy as np
import pandera.pandas as pa
from pandera.typing import DataFrame
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from feature_store.derived_features.aggregated_features import GroupFeatureGenerator, GroupRatio
from feature_store.derived_features.row_features import FormulaTransformer
from modelling.prediction_intervals import IntervalRegressor, predict_intervals
from models.company_emissions.schema import TARGET, CompanyFeatures, EstimatedIntensities

FORMULA = "revenue_per_employee = where(employees > 0, revenue / employees, nan)"
CATEGORIES = ["country", "industry"]
SIZES = ["revenue", "revenue_per_employee"]


def build_pipeline(seed: int) -> Pipeline:
    """Build an unfitted pipeline from `CompanyFeatures` to emission intensity."""
    # Absolute error, because some reports are wrong by a factor of a thousand.
    boost = HistGradientBoostingRegressor(
        loss="absolute_error", max_iter=60, max_leaf_nodes=8, min_samples_leaf=50, random_state=seed
    )
    logarithmic = TransformedTargetRegressor(boost, func=np.log, inverse_func=np.exp)
    regressor = IntervalRegressor(logarithmic, conformity_score="gamma", random_state=seed)
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    median = GroupFeatureGenerator("industry", "median", target_name=TARGET)
    ratio = GroupRatio("industry", SIZES)
    columns = ColumnTransformer(
        [
            ("one_hot", one_hot, CATEGORIES),
            ("median", median, ["industry"]),
            ("ratio", ratio, ["industry", *SIZES]),
            # `remainder` would drop the columns that `ratio` reads.
            ("sizes", "passthrough", ["employees", *SIZES]),
        ]
    ).set_output(transform="pandas")
    features = FormulaTransformer(FORMULA, keep_inputs=True)
    return Pipeline([("features", features), ("encode", columns), ("regress", regressor)])


@pa.check_types(lazy=True, inplace=True)
def estimate_intensity(
    model: Pipeline, companies: DataFrame[CompanyFeatures]
) -> DataFrame[EstimatedIntensities]:
    """Estimate the emission intensity of each company, with its 90 % interval."""
    estimates = predict_intervals(model, companies, target=TARGET)
    return cast("DataFrame[EstimatedIntensities]", estimates)
