"""Search for a pipeline's parameters by cross-validation on the training rows."""

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
from data_access_layer.commit.staging import stage_output
from data_access_layer.open import open_path
from modelling.definition import ModelDefinition
from modelling.registry.mlflow_registry import Registry
from modelling.settings import TuneSettings
from modelling.training.cross_validation import score_folds, summarize_folds
from modelling.training.split import split

DEFAULT_OUTPUT = "tuned/{model}.json"
SHOWN_TRIALS = 5


@dataclass(frozen=True)
class Trial:
    """Parameters with their metrics; a higher `score` is better."""

    parameters: dict[str, Any]
    score: float
    metrics: dict[str, float]


def tune(
    definition: ModelDefinition,
    settings: TuneSettings,
    registry: Registry,
    context: TaskContext,
) -> str:
    """Try samples of the search space, write the best parameters to a file, and return its path.

    The pipeline's own parameters are the first trial, so the best one is never worse. The hold-out
    is not used.

    Raises:
        InputError: the model declares no search space.
    """
    if not definition.search_space:
        raise InputError(
            f"{definition.name} has nothing to tune. Add a `search_space` to its definition.py."
        )
    output = settings.output or DEFAULT_OUTPUT.format(model=definition.name)
    with stage_output(open_path(output, context, option="--output")) as file:
        numbered = ((1, trial) for trial in _run_trials(definition, settings, context))
        trials = list(
            with_progress(
                numbered, _count_draws(definition, settings) + 1, what="tuning", unit="trials"
            )
        )
        best = max(trials, key=lambda trial: trial.score)
        with registry.start_run(definition.name, "tune"):
            registry.log_results(
                {**settings.model_dump(), **best.parameters},
                best.metrics,
                {"trials.json": {"trials": [vars(trial) for trial in trials]}},
            )
        content = {"model": definition.name, "parameters": best.parameters, **best.metrics}
        file.write_text(json.dumps(content, indent=2) + "\n")
    _show(definition, trials, best, output)
    return output


def _run_trials(
    definition: ModelDefinition, settings: TuneSettings, context: TaskContext
) -> Iterator[Trial]:
    rows = split(definition, context).training
    leading = next(iter(definition.cross_validation))
    draws = ParameterSampler(
        dict(definition.search_space),
        _count_draws(definition, settings),
        random_state=settings.seed,
    )
    for parameters in ({}, *draws):
        pipeline = definition.build_pipeline(settings.seed).set_params(**parameters)
        scores = score_folds(definition, pipeline, rows, settings.folds)
        yield Trial(
            {name: _to_plain(value) for name, value in parameters.items()},
            float(scores[leading].mean()),
            summarize_folds(definition, scores),
        )


def _count_draws(definition: ModelDefinition, settings: TuneSettings) -> int:
    """The number of trials, or the size of a search space that is smaller."""
    space = definition.search_space.values()
    if any(hasattr(values, "rvs") for values in space):
        return settings.trials
    return min(settings.trials, len(ParameterGrid(dict(definition.search_space))))


def _to_plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _show(definition: ModelDefinition, trials: list[Trial], best: Trial, output: str) -> None:
    leading = next(iter(definition.cross_validation))
    ranked = sorted(trials, key=lambda trial: trial.score, reverse=True)[:SHOWN_TRIALS]
    show_table(
        f"{definition.name}: the best of {len(trials)} trials",
        ["parameters", leading],
        [
            (
                json.dumps(trial.parameters) if trial.parameters else "the pipeline's own",
                f"{trial.metrics[f'cv_{leading}_mean']:.4f} "
                f"± {trial.metrics[f'cv_{leading}_std']:.4f}",
            )
            for trial in ranked
        ],
    )
    say(
        f"{output} has the best parameters. Train with them: "
        f"./pants run src/models/{definition.name}:train -- --parameters {output}"
    )
