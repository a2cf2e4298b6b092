"""Compute features from a flower's measurements."""

from __future__ import annotations

from typing import cast

import pandera.pandas as pa
from pandera.typing import DataFrame

from datasets.flowers import Flowers
from models.iris.schema import FlowerFeatures


@pa.check_types(lazy=True)
def flower_features(flowers: DataFrame[Flowers]) -> DataFrame[FlowerFeatures]:
    """Add the areas of petal and sepal, which separate versicolor and virginica well."""
    features = flowers.assign(
        petal_area_cm2=flowers["petal_length_cm"] * flowers["petal_width_cm"],
        sepal_area_cm2=flowers["sepal_length_cm"] * flowers["sepal_width_cm"],
    )
    # `DataFrame[FlowerFeatures](...)` would validate again, and stop at the first failure.
    return cast("DataFrame[FlowerFeatures]", features)
