"""Evaluate a registered version on labelled rows."""

from __future__ import annotations

from typing import Any, cast

import pandas as pd
from pandera.typing import DataFrame

from cli.task import DEFAULTS, TaskContext
from cli.terminal import show_table
from data_access_layer.open import open_source
from datasets.checks import FailureCollector, contract_dtypes
from modelling.definition import ModelDefinition
from modelling.evaluation.champion import predict_and_score
from modelling.registry.find_version import load_model
from modelling.registry.mlflow_registry import Registry
from modelling.settings import EvaluateSettings
from modelling.training.split import split
from validation.gate import judge


def evaluate(
    definition: ModelDefinition,
    settings: EvaluateSettings,
    registry: Registry,
    *,
    context: TaskContext = DEFAULTS,
) -> bool:
    """Show and log one version's metrics; False if it misses a limit that `enforce` requires."""
    if settings.input:
        labelled = read_labelled(definition, settings.input, context)
    else:
        labelled = split(definition, context).hold_out
    version, model = load_model(
        definition,
        registry,
        number=settings.version,
        allow_mismatch=settings.allow_mismatch,
    )
    scores, _ = predict_and_score(definition, model, labelled)
    with registry.start_run(definition.name, "evaluate"):
        registry.log_results(
            {"version": version.version, "input": settings.input or "hold-out"},
            {f"evaluate_{name}": value for name, value in scores.items()},
            {},
        )
    verdict = judge(definition.gate, scores, None)
    show_table(
        f"{definition.name} version {version.version} on {len(labelled):,} rows",
        ["metric", "value"],
        [(name, f"{value:.4f}") for name, value in scores.items()],
    )
    return verdict.passed or not settings.enforce


def read_labelled(definition: ModelDefinition, place: str, context: TaskContext) -> DataFrame[Any]:
    """Read labelled rows, and validate them.

    Raises:
        InputError: the rows cannot be read or break the labelled contract.
    """
    contract = definition.labelled_contract
    failures = FailureCollector()
    frames: list[pd.DataFrame] = []
    source = open_source(place, context, dtypes=contract_dtypes(contract))
    for batch in source.batches():
        rows = failures.check(contract, batch.frame, source=batch.source, first_row=batch.first_row)
        if rows is not None:
            frames.append(rows)
    if failures:
        raise failures.error()
    return cast("DataFrame[Any]", pd.concat(frames, ignore_index=True))
