"""The data set that the model is trained on."""

from __future__ import annotations

import pandera.pandas as pa
from pandera.typing import DataFrame
from sklearn.datasets import load_iris

from cli.task import TaskContext
from datasets.flowers import LabelledFlowers


@pa.check_types(lazy=True)
def load_flowers(_: TaskContext | None = None) -> DataFrame[LabelledFlowers]:
    """Load the 150 flowers that scikit-learn ships.

    Source: R. A. Fisher, "The use of multiple measurements in taxonomic problems", Annals of
    Eugenics 7 (1936), 179-188.
    """
    iris = load_iris(as_frame=True)
    flowers = iris.data.rename(columns=lambda name: name.replace(" (cm)", "_cm").replace(" ", "_"))
    species = iris.target.map(dict(enumerate(iris.target_names))).astype("str")
    return DataFrame[LabelledFlowers](flowers.assign(species=species))
