from __future__ import annotations

from typing import Any, cast

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from pandera.errors import SchemaErrors
from sklearn.pipeline import Pipeline

from datasets.flowers import SPECIES
from models.iris.dataset import load_flowers
from models.iris.features import flower_features
from models.iris.pipeline import build_pipeline, predict_species

FLOWERS = pd.DataFrame(
    {
        "sepal_length_cm": [5.0, 6.0],
        "sepal_width_cm": [3.0, 2.5],
        "petal_length_cm": [1.5, 4.0],
        "petal_width_cm": [0.5, 1.5],
    }
)


def typed(frame: pd.DataFrame) -> Any:
    """A frame that the type checker takes for one that keeps its contract."""
    return cast("Any", frame)


@pytest.fixture(scope="module")
def fitted() -> Pipeline:
    flowers = load_flowers()
    return build_pipeline(0).fit(flowers[list(FLOWERS)], flowers["species"])


WRONG = {
    "missing column": FLOWERS.drop(columns="petal_width_cm"),
    "wrong type": FLOWERS.astype({"petal_width_cm": "str"}),
    "missing value": FLOWERS.assign(petal_width_cm=[0.5, float("nan")]),
    "out of range": FLOWERS.assign(petal_width_cm=[0.5, 0.0]),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_wrong_frame_gets_neither_into_features_nor_into_prediction(
    wrong: pd.DataFrame, fitted: Pipeline
) -> None:
    with pytest.raises(SchemaErrors, match="petal_width_cm"):
        flower_features(typed(wrong))
    with pytest.raises(SchemaErrors, match="petal_width_cm"):
        predict_species(fitted, typed(wrong))


def test_a_model_that_gives_no_probabilities_does_not_get_out() -> None:
    class Sure:
        classes_ = SPECIES

        def predict_proba(self, flowers: pd.DataFrame) -> Any:
            return flowers[["sepal_width_cm", "petal_length_cm", "petal_width_cm"]].to_numpy()

    with pytest.raises(SchemaErrors, match="probability_"):
        predict_species(cast("Pipeline", Sure()), typed(FLOWERS))


def test_features_add_areas_and_keep_the_callers_frame() -> None:
    before = FLOWERS.copy()
    assert_frame_equal(
        flower_features(typed(FLOWERS)),
        FLOWERS.assign(petal_area_cm2=[0.75, 6.0], sepal_area_cm2=[15.0, 15.0]),
    )
    assert_frame_equal(FLOWERS, before)


def test_the_classifier_sees_no_further_columns(fitted: Pipeline) -> None:
    assert_frame_equal(
        predict_species(fitted, typed(FLOWERS.assign(place="Gaspé"))),
        predict_species(fitted, typed(FLOWERS)),
    )


def test_a_prediction_stands_in_the_row_of_its_flower(fitted: Pipeline) -> None:
    predicted = predict_species(fitted, typed(FLOWERS))
    assert list(predicted["species"]) == ["setosa", "versicolor"]
    turned = predict_species(fitted, typed(FLOWERS.iloc[::-1]))
    assert_frame_equal(turned.sort_index(), predicted)


def test_the_same_seed_gives_the_same_model() -> None:
    flowers = load_flowers()
    rows, species = flowers[list(FLOWERS)], flowers["species"]
    one, same, other = (
        build_pipeline(seed).fit(rows, species).predict_proba(rows) for seed in (1, 1, 2)
    )
    assert (one == same).all()
    assert (one != other).any()


def test_the_data_set_is_fishers() -> None:
    flowers = load_flowers()
    assert flowers["species"].value_counts().to_dict() == dict.fromkeys(SPECIES, 50)
    assert list(flowers.columns) == [*FLOWERS, "species"]
