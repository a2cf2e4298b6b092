"""The company emissions model for the shared tasks."""

from __future__ import annotations

from functools import partial

from scipy.stats import loguniform

from modelling.definition import ModelDefinition
from modelling.evaluation.metrics import regression_metrics
from models.company_emissions import dataset, pipeline, schema
from models.company_emissions.gate_thresholds import GATE

_BOOST = "regress__regressor__regressor"

MODEL = ModelDefinition(
    name="company_emissions",
    kind="regression",
    target=schema.TARGET,
    input_contract=schema.CompanyFeatures,
    labelled_contract=schema.CompanyIntensities,
    output_contract=schema.EstimatedIntensities,
    load_labelled=dataset.load_intensities,
    load_input=dataset.load_companies,
    groups="company_id",
    build_pipeline=pipeline.build_pipeline,
    predict=pipeline.estimate_intensity,
    score=partial(regression_metrics, target=schema.TARGET, logarithmic=True),
    cross_validation={"rmsle": "neg_root_mean_squared_log_error"},
    search_space={
        f"{_BOOST}__learning_rate": loguniform(0.02, 0.3),
        f"{_BOOST}__max_leaf_nodes": [7, 15, 31, 63],
        f"{_BOOST}__min_samples_leaf": [10, 20, 50, 100],
    },
    gate=GATE,
    # The arrays of a fitted tree, which load no code from the file.
    trusted_types=("sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",),
)
