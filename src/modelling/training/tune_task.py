"""Search for the parameters of a model's pipeline, by cross-validation on the training rows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.model_selection import ParameterGrid, ParameterSampler

from cli.errors import InputError
from cli.task import TaskContext
from cli.terminal import say, show_table, with_progress
from data_access_layer.commit.staging import staged_output
from data_access_layer.open import file_or_folder
from modelling.definition import ModelDefinition
from modelling.registry.mlflow_registry import Registry
from modelling.settings import TuneSettings
from modelling.training.cross_validation import cross_validated_scores, mean_and_deviation
from modelling.training.split import split

DEFAULT_OUTPUT = "tuned/{model}.json"
SHOWN_TRIALS = 5


@dataclass(frozen=True)
class Trial:
    """Parameters that were tried; more of `score` is better."""

    parameters: dict[str, Any]
    score: float
    metrics: dict[str, float]


def tune(
    definition: ModelDefinition,
    settings: TuneSettings,
    registry: Registry,
    context: TaskContext,
) -> str:
    """Try draws of the search space, write the best one to a file, and return its place.

    The pipeline as it stands is the first trial, so that the best one is never worse. The hold-out
    takes no part.

    Raises:
        InputError: the model declares no search space.
    """
    if not definition.search_space:
        raise InputError(
            f"{definition.name} has nothing to tune: give its definition.py a `search_space`."
        )
    output = settings.output or DEFAULT_OUTPUT.format(model=definition.name)
    with staged_output(file_or_folder(output, context, option="--output")) as file:
        numbered = ((1, trial) for trial in _trials(definition, settings, context))
        trials = list(
            with_progress(numbered, _draws(definition, settings) + 1, what="tuning", unit="trials")
        )
        best = max(trials, key=lambda trial: trial.score)
        with registry.run(definition.name, "tune"):
            registry.log_results(
                {**settings.model_dump(), **best.parameters},
                best.metrics,
                {"trials.json": {"trials": [vars(trial) for trial in trials]}},
            )
        content = {"model": definition.name, "parameters": best.parameters, **best.metrics}
        file.write_text(json.dumps(content, indent=2) + "\n")
    _show(definition, trials, best, output)
    return output


def _trials(
    definition: ModelDefinition, settings: TuneSettings, context: TaskContext
) -> Iterator[Trial]:
    rows = split(definition, context).training
    leading = next(iter(definition.cross_validation))
    draws = ParameterSampler(
        dict(definition.search_space), _draws(definition, settings), random_state=settings.seed
    )
    for parameters in ({}, *draws):
        pipeline = definition.build_pipeline(settings.seed).set_params(**parameters)
        scores = cross_validated_scores(definition, pipeline, rows, settings.folds)
        yield Trial(
            {name: _plain(value) for name, value in parameters.items()},
            float(scores[leading].mean()),
            mean_and_deviation(definition, scores),
        )


def _draws(definition: ModelDefinition, settings: TuneSettings) -> int:
    """As many as are asked for, or as there are where the space is a small list."""
    space = definition.search_space.values()
    if any(hasattr(values, "rvs") for values in space):
        return settings.trials
    return min(settings.trials, len(ParameterGrid(dict(definition.search_space))))


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _show(definition: ModelDefinition, trials: list[Trial], best: Trial, output: str) -> None:
    leading = next(iter(definition.cross_validation))
    ranked = sorted(trials, key=lambda trial: trial.score, reverse=True)[:SHOWN_TRIALS]
    show_table(
        f"{definition.name}: the best of {len(trials)} trials",
        ["parameters", leading],
        [
            (
                json.dumps(trial.parameters) if trial.parameters else "the pipeline as it stands",
                f"{trial.metrics[f'cv_{leading}_mean']:.4f} "
                f"± {trial.metrics[f'cv_{leading}_std']:.4f}",
            )
            for trial in ranked
        ],
    )
    say(
        f"{output} holds the best ones. Train with them: "
        f"./pants run src/models/{definition.name}:train -- --parameters {output}"
    )
