"""The iris model for the shared tasks."""

from __future__ import annotations

from functools import partial

from datasets.flowers import Flowers, LabelledFlowers
from modelling.definition import ModelDefinition
from modelling.evaluation.metrics import classification_metrics
from models.iris import dataset, pipeline, schema
from models.iris.gate_thresholds import GATE

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
    gate=GATE,
    # The arrays of a fitted tree, and our own function. Neither loads code from the file.
    trusted_types=("sklearn.tree._tree.Tree", "models.iris.features.flower_features"),
)
