"""Gate a model by its predictions alone: two files of predictions, one of true values."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any

import pandas as pd
from sklearn import metrics

from config.errors import InputError
from config.task import TaskContext
from config.terminal import say, show_table
from data_access_layer.commit.staging import staged_output
from data_access_layer.open import file_or_folder, open_source
from validation.bootstrap import Interval, gain_interval
from validation.gate import Gate, judge
from validation.metrics import smape
from validation.settings import GateModelSettings, required

type Metric = Callable[[pd.Series[Any], pd.Series[Any]], float]


def _macro_f1(truth: pd.Series[Any], predicted: pd.Series[Any]) -> float:
    return float(metrics.f1_score(truth, predicted, average="macro"))


# Each with whether more is better.
METRICS: dict[str, tuple[Metric, bool]] = {
    "accuracy": (metrics.accuracy_score, True),
    "balanced_accuracy": (metrics.balanced_accuracy_score, True),
    "macro_f1": (_macro_f1, True),
    "r2": (metrics.r2_score, True),
    "mae": (metrics.mean_absolute_error, False),
    "rmse": (metrics.root_mean_squared_error, False),
    "smape": (smape, False),
}
NUMERIC = ("r2", "mae", "rmse", "smape")


def gate_model(settings: GateModelSettings, context: TaskContext) -> bool:
    """Judge the challenger, and show the verdict; True where the gate holds.

    Raises:
        InputError: a file cannot be read, or does not fit the others; the metric is unknown.
    """
    metric = required(settings.metric, "metric")
    if metric not in METRICS:
        raise InputError(f"No metric {metric!r}; known: {', '.join(METRICS)}. Set --metric.")
    score, higher = METRICS[metric]
    target = required(settings.target, "target")
    read = partial(_read, target=target, key=settings.key, context=context)
    truth = read(required(settings.truth, "truth"))
    files = {"challenger": required(settings.challenger, "challenger")}
    if settings.champion:
        files["champion"] = settings.champion
    sides = {name: _aligned(read(file), truth, file, settings) for name, file in files.items()}
    for name, values in {
        settings.truth or "": truth,
        **{files[n]: s for n, s in sides.items()},
    }.items():
        _check_values(name, target, values[target], numeric=metric in NUMERIC)
    scores = {name: {metric: float(score(truth[target], s[target]))} for name, s in sides.items()}
    gate = Gate(
        metric=metric,
        higher_is_better=higher,
        margin=settings.margin,
        at_least={} if settings.at_least is None else {metric: settings.at_least},
        at_most={} if settings.at_most is None else {metric: settings.at_most},
        certain=settings.certain,
        confidence=settings.confidence,
        resamples=settings.resamples,
    )
    gain = _gain(gate, score, truth[target], sides, settings.seed) if settings.champion else None
    verdict = judge(gate, scores["challenger"], scores.get("champion"), gain)
    if settings.report:
        report = file_or_folder(settings.report, context, option="--report")
        with staged_output(report) as path:
            facts = {
                "passed": verdict.passed,
                "reasons": verdict.reasons,
                "rows": len(truth),
                "scores": scores,
                "interval": asdict(gain) if gain else None,
                "resamples": settings.resamples,
                "seed": settings.seed,
            }
            path.write_text(json.dumps(facts, indent=2) + "\n")
    show_table(
        f"{metric} on {len(truth):,} rows",
        ["", metric],
        [(name, f"{values[metric]:.4f}") for name, values in scores.items()],
    )
    say(f"Gate {'held' if verdict.passed else 'not held'}: {'; '.join(verdict.reasons)}.")
    return verdict.passed


def _gain(
    gate: Gate,
    score: Metric,
    truth: pd.Series[Any],
    sides: dict[str, pd.DataFrame],
    seed: int,
) -> Interval:
    target = str(truth.name)
    return gain_interval(
        lambda true, predicted: float(score(true, predicted[target])),
        truth,
        sides["challenger"],
        sides["champion"],
        higher_is_better=gate.higher_is_better,
        confidence=gate.confidence,
        resamples=gate.resamples,
        seed=seed,
    )


def _read(place: str, target: str, key: str | None, context: TaskContext) -> pd.DataFrame:
    columns = [target, *([key] if key else [])]
    frames = []
    for batch in open_source(place, context, texts_as="numbers").batches():
        for name in columns:
            if name not in batch.frame:
                raise InputError(
                    f"{batch.source}: column {name!r} is missing; the file has "
                    f"{', '.join(map(str, batch.frame))}. Set --target or --key."
                )
        frames.append(batch.frame[columns])
    frame = pd.concat(frames, ignore_index=True)
    if key and frame[key].duplicated().any():
        twice = frame.loc[frame[key].duplicated(), key].iloc[0]
        raise InputError(f"{place}: column {key!r}: expected each value once, got {twice!r} twice.")
    # As numpy and Python have them, which is what the metrics compare.
    values = frame[target]
    text = not pd.api.types.is_numeric_dtype(values)
    frame[target] = values.astype("object").where(values.notna(), None) if text else values
    return frame


def _aligned(
    frame: pd.DataFrame, truth: pd.DataFrame, file: str, settings: GateModelSettings
) -> pd.DataFrame:
    """The rows in the order of the truth."""
    if not settings.key:
        if len(frame) != len(truth):
            raise InputError(
                f"{file}: expected {len(truth):,} rows, as {settings.truth} has, got "
                f"{len(frame):,}. Name the column that tells rows with --key."
            )
        return frame
    found = frame.set_index(settings.key).reindex(truth[settings.key])
    absent = ~truth[settings.key].isin(frame[settings.key])
    if absent.any():
        raise InputError(
            f"{file}: has no row for {absent.sum():,} values of {settings.key!r}, such as "
            f"{truth.loc[absent, settings.key].iloc[0]!r}."
        )
    return found.reset_index()


def _check_values(file: str, target: str, values: pd.Series[Any], *, numeric: bool) -> None:
    if values.isna().any():
        row = int(values.isna().to_numpy().argmax()) + 1
        raise InputError(f"{file}: column {target!r}: a value is missing, first in row {row:,}.")
    if numeric and not pd.api.types.is_numeric_dtype(values):
        raise InputError(
            f"{file}: column {target!r}: expected numbers for this metric, got {values.iloc[0]!r}."
        )
