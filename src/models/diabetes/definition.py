"""The diabetes model for the shared tasks."""

from __future__ import annotations

from functools import partial

from scipy.stats import loguniform

from datasets.diabetes import LabelledPatients, Patients
from modelling.definition import ModelDefinition
from modelling.evaluation.metrics import regression_metrics
from models.diabetes import dataset, pipeline, schema
from models.diabetes.gate_thresholds import GATE

MODEL = ModelDefinition(
    name="diabetes",
    kind="regression",
    target="progression",
    input_contract=Patients,
    feature_contract=schema.PatientFeatures,
    labelled_contract=LabelledPatients,
    output_contract=schema.Progressions,
    load_labelled=dataset.load_patients,
    build_pipeline=pipeline.build_pipeline,
    predict=pipeline.predict_progression,
    score=partial(regression_metrics, target="progression"),
    cross_validation={"mae": "neg_mean_absolute_error", "r2": "r2"},
    search_space={"regress__regressor__alpha": loguniform(1e-2, 1e3)},
    gate=GATE,
)
