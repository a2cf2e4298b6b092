"""What the model does with columns: features, classifier, predictions."""

from __future__ import annotations

from typing import cast

import pandas as pd
import pandera.pandas as pa
from pandera.typing import DataFrame
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from datasets.flowers import Flowers
from models.iris.features import flower_features
from models.iris.schema import SpeciesPredictions


def build_pipeline(seed: int) -> Pipeline:
    """Build an unfitted pipeline from `Flowers` to species."""
    return Pipeline(
        [
            ("features", FunctionTransformer(flower_features)),
            ("classify", RandomForestClassifier(min_samples_leaf=3, random_state=seed)),
        ]
    )


# Neither contract coerces or filters, so validating in place changes nothing and saves a copy.
@pa.check_types(lazy=True, inplace=True)
def predict_species(model: Pipeline, flowers: DataFrame[Flowers]) -> DataFrame[SpeciesPredictions]:
    """Predict the most probable species of each flower, and the probability of every species."""
    probabilities = model.predict_proba(flowers)
    species = pd.Categorical.from_codes(probabilities.argmax(axis=1), categories=model.classes_)
    columns = {f"probability_{name}": probabilities[:, i] for i, name in enumerate(model.classes_)}
    predictions = pd.DataFrame({"species": species, **columns}, index=flowers.index)
    return cast("DataFrame[SpeciesPredictions]", predictions)
