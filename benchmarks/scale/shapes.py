"""The files of a generated model, which vary by shared features and requirements."""

from __future__ import annotations

from dataclasses import dataclass

# The number of models that share a feature module of the kind `few`.
FEW = 8


@dataclass(frozen=True)
class Estimator:
    """A classifier, and its requirement in addition to those of every model."""

    requirement: str
    imports: str
    step: str


ESTIMATORS = (
    Estimator(
        "scikit-learn",
        "from sklearn.linear_model import LogisticRegression",
        "LogisticRegression(random_state=seed)",
    ),
    Estimator(
        "scikit-learn",
        "from sklearn.tree import DecisionTreeClassifier",
        "DecisionTreeClassifier(max_depth=4, random_state=seed)",
    ),
    Estimator(
        "scipy",
        "from scipy.special import expit\n"
        "from sklearn.linear_model import LogisticRegression\n"
        "from sklearn.pipeline import make_pipeline\n"
        "from sklearn.preprocessing import FunctionTransformer",
        "make_pipeline(FunctionTransformer(expit), LogisticRegression(random_state=seed))",
    ),
    Estimator(
        "feature-engine",
        "from feature_engine.transformation import YeoJohnsonTransformer\n"
        "from sklearn.pipeline import make_pipeline\n"
        "from sklearn.tree import DecisionTreeClassifier",
        "make_pipeline(YeoJohnsonTransformer(), "
        "DecisionTreeClassifier(max_depth=4, random_state=seed))",
    ),
)


@dataclass(frozen=True)
class Shape:
    """The model with a number; the same number always gives the same model."""

    number: int

    @property
    def name(self) -> str:
        return f"generated_{self.number:04}"

    @property
    def shares(self) -> str:
        """How many models share its feature module."""
        return ("many", "few", "none", "many")[self.number % 4]

    @property
    def estimator(self) -> Estimator:
        # With a different period than `shares`, so that every pair of the two occurs.
        return ESTIMATORS[self.number // 4 % len(ESTIMATORS)]

    @property
    def columns(self) -> list[str]:
        return [f"measure_{letter}" for letter in "abcdef"[: 2 + self.number % 5]]

    @property
    def few(self) -> str:
        """The module that computes features for this model and some others."""
        return f"generated_few_{self.number // (4 * FEW):03}"

    def files(self) -> dict[str, str]:
        """The text of each file, by its path in the repository."""
        model, test = f"src/models/{self.name}", f"tests/models/{self.name}"
        texts = {
            f"{model}/__init__.py": '"""A model of a benchmark."""\n',
            f"{model}/BUILD": BUILD,
            f"{model}/dag.toml": DAG,
            f"{model}/schema.py": SCHEMA,
            f"{model}/dataset.py": DATASET,
            f"{model}/features.py": FEATURES[self.shares],
            f"{model}/pipeline.py": PIPELINE,
            f"{model}/definition.py": DEFINITION,
            f"{test}/BUILD": 'python_tests(name="tests", batch_compatibility_tag="$test")\n',
            f"{test}/{self.name}_test.py": TEST,
            **{f"{model}/{task}.py": TASK.replace("$task", task) for task in TASKS},
        }
        if self.shares == "few":
            texts[f"src/feature_store/derived_features/{self.few}.py"] = SHARED_BY_FEW
        names = {
            "name": self.name,
            "test": test,
            "few": self.few,
            "fields": "\n".join(
                f'    {column}: float = pa.Field(ge=0, le=1, description="A measure, 0 to 1.")'
                for column in self.columns
            ),
            "columns": ", ".join(f'"{column}"' for column in self.columns),
            "imports": self.estimator.imports,
            "step": self.estimator.step,
        }
        return {path: _fill(text, names) for path, text in texts.items()}


def _fill(text: str, names: dict[str, str]) -> str:
    # Neither `format` nor `%`, because Python code contains braces and percent signs.
    for name, value in names.items():
        text = text.replace(f"${name}", value)
    return text


TASKS = ("train", "evaluate", "gate", "predict")

BUILD = """\
python_sources()

pex_binary(name="train", entry_point="train.py")
pex_binary(name="evaluate", entry_point="evaluate.py")
pex_binary(name="gate", entry_point="gate.py")
pex_binary(name="predict", entry_point="predict.py")

model_image(name="image")

file(name="dag", source="dag.toml")
"""

DAG = """\
description = "$name"
start_date = 2026-01-01
owner = "data-science"

[outputs]
predictions = "predictions/$name/{{ ds }}.parquet"

[tasks.train]
options = { promote = false }

[tasks.gate]
after = ["train"]

[tasks.predict]
after = ["gate"]
options = { output = "{{ outputs.predictions }}" }
"""

SCHEMA = '''\
"""The contracts of inputs, features and predictions."""

from __future__ import annotations

import pandera.pandas as pa


class Measures(pa.DataFrameModel):
    """One row per measured object."""

$fields


class LabelledMeasures(Measures):
    """Measures with a label."""

    label: str = pa.Field(isin=("high", "low"), description="The label.")


class MeasureFeatures(Measures):
    """Measures with the classifier's further features."""

    share: float = pa.Field(ge=0, le=1, description="The first measure's share of the first two.")

    class Config:
        strict = "filter"


class Predictions(pa.DataFrameModel):
    """One row per measured object, in the order of the input."""

    label: str = pa.Field(isin=("high", "low"), description="The more probable label.")
    probability_high: float = pa.Field(ge=0, le=1, description="Probability of high.")
    probability_low: float = pa.Field(ge=0, le=1, description="Probability of low.")

    class Config:
        strict = True
'''

DATASET = '''\
"""A generated data set, the same each time."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pandera.typing import DataFrame

from cli.task import TaskContext
from models.$name.schema import LabelledMeasures

COLUMNS = [$columns]
ROWS = 200


def load_measures(_: TaskContext | None = None) -> DataFrame[LabelledMeasures]:
    """Labelled by the first measure's share of the first two."""
    drawn = np.random.default_rng(0).uniform(0.1, 1, size=(ROWS, len(COLUMNS)))
    measures = pd.DataFrame(drawn, columns=COLUMNS)
    high = measures["measure_a"] > measures["measure_b"]
    label = high.map({True: "high", False: "low"}).astype("str")
    return DataFrame[LabelledMeasures](measures.assign(label=label))
'''

_FEATURES = '''\
"""Columns that are computed from measures."""

from __future__ import annotations

from typing import cast

import pandera.pandas as pa
from pandera.typing import DataFrame

$import
from models.$name.schema import MeasureFeatures, Measures


@pa.check_types(lazy=True)
def measure_features(measures: DataFrame[Measures]) -> DataFrame[MeasureFeatures]:
    """Add the first measure's share of the first two."""
    return cast("DataFrame[MeasureFeatures]", $computed)
'''

_MANY = (
    "from feature_store.derived_features.row_features import FormulaTransformer",
    'FormulaTransformer("share = measure_a / (measure_a + measure_b)", keep_inputs=True)'
    ".fit_transform(measures)",
)
_FEW = ("from feature_store.derived_features.$few import with_share", "with_share(measures)")
_NONE = (
    "",
    'measures.assign(share=measures["measure_a"] / measures.iloc[:, :2].sum(axis="columns"))',
)

FEATURES = {
    shares: _FEATURES.replace("$import\n", f"{statement}\n" if statement else "").replace(
        "$computed", computed
    )
    for shares, (statement, computed) in {"many": _MANY, "few": _FEW, "none": _NONE}.items()
}

SHARED_BY_FEW = '''\
"""Features that some models of a benchmark share."""

from __future__ import annotations

import pandas as pd


def with_share(measures: pd.DataFrame) -> pd.DataFrame:
    """Add the first measure's share of the first two."""
    both = measures["measure_a"] + measures["measure_b"]
    return measures.assign(share=measures["measure_a"] / both)
'''

PIPELINE = '''\
"""What the model does with columns: features, classifier, predictions."""

from __future__ import annotations

from typing import cast

import pandas as pd
import pandera.pandas as pa
from pandera.typing import DataFrame
$imports
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from models.$name.features import measure_features
from models.$name.schema import Measures, Predictions


def build_pipeline(seed: int) -> Pipeline:
    """An unfitted pipeline from `Measures` to a label."""
    features = FunctionTransformer(measure_features)
    return Pipeline([("features", features), ("classify", $step)])


@pa.check_types(lazy=True, inplace=True)
def predict_label(model: Pipeline, measures: DataFrame[Measures]) -> DataFrame[Predictions]:
    """The more probable label, with the probability of both."""
    probabilities = model.predict_proba(measures)
    label = pd.Series(model.classes_[probabilities.argmax(axis=1)], measures.index, dtype="str")
    columns = {f"probability_{name}": probabilities[:, i] for i, name in enumerate(model.classes_)}
    predictions = pd.DataFrame({"label": label, **columns}, index=measures.index)
    return cast("DataFrame[Predictions]", predictions)
'''

DEFINITION = '''\
"""The model as the shared tasks see it."""

from __future__ import annotations

from functools import partial

from modelling.definition import ModelDefinition
from models.$name import dataset, pipeline, schema
from modelling.evaluation.metrics import classification_metrics
from validation.gate import Gate

MODEL = ModelDefinition(
    name="$name",
    kind="classification",
    target="label",
    input_contract=schema.Measures,
    labelled_contract=schema.LabelledMeasures,
    output_contract=schema.Predictions,
    load_labelled=dataset.load_measures,
    build_pipeline=pipeline.build_pipeline,
    predict=pipeline.predict_label,
    score=partial(classification_metrics, target="label"),
    cross_validation={"accuracy": "accuracy"},
    gate=Gate(metric="accuracy", higher_is_better=True, at_least={"accuracy": 0.6}),
    trusted_types=("models.$name.features.measure_features",),
)
'''

TASK = '''\
"""A task of a model of a benchmark."""

from models.$task import main

if __name__ == "__main__":
    main("models.$name.definition", doc=__doc__)
'''

TEST = """\
from __future__ import annotations

from pandas.testing import assert_frame_equal

from models.$name.dataset import COLUMNS, load_measures
from models.$name.features import measure_features
from models.$name.pipeline import build_pipeline, predict_label


def test_features_add_a_share_and_keep_the_callers_frame() -> None:
    measures = load_measures()[COLUMNS].head(3)
    before = measures.copy()
    both = measures["measure_a"] + measures["measure_b"]
    assert_frame_equal(
        measure_features(measures), measures.assign(share=measures["measure_a"] / both)
    )
    assert_frame_equal(measures, before)


def test_most_labels_are_found_again() -> None:
    rows = load_measures()
    model = build_pipeline(0).fit(rows[COLUMNS], rows["label"])
    predicted = predict_label(model, rows[COLUMNS])
    assert (predicted["label"] == rows["label"]).mean() > 0.8
"""
