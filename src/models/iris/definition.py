"""The iris model as the shared tasks see it."""

from __future__ import annotations

from functools import partial

from datasets.flowers import Flowers, LabelledFlowers
from models.definition import ModelDefinition
from models.iris import dataset, pipeline, schema
from models.metrics import classification_metrics
from validation.gate import Gate

MODEL = ModelDefinition(
    name="iris",
    kind="classification",
    target="species",
    input_contract=Flowers,
    labelled_contract=LabelledFlowers,
    output_contract=schema.SpeciesPredictions,
    load_labelled=dataset.load_flowers,
    build_pipeline=pipeline.build_pipeline,
    predict=pipeline.predict_species,
    score=partial(classification_metrics, target="species"),
    cross_validation={"accuracy": "accuracy", "log_loss": "neg_log_loss"},
    gate=Gate(metric="log_loss", higher_is_better=False, at_least={"accuracy": 0.9}),
    # The arrays of a fitted tree, and our own function; neither is code that a file brings along.
    trusted_types=("sklearn.tree._tree.Tree", "models.iris.features.flower_features"),
)
