"""Gate a model by its predictions alone: two files of predictions, one of true values."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from sklearn import metrics

from cli.errors import InputError
from cli.task import TaskContext
from cli.terminal import say, show_table
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
# What can be compared with each other, by what pandas calls the values.
KINDS = {
    "integer": "numbers",
    "floating": "numbers",
    "mixed-integer-float": "numbers",
    "decimal": "numbers",
    "boolean": "true and false",
    "string": "texts",
    "bytes": "bytes",
    "date": "dates",
    "datetime": "timestamps",
    "datetime64": "timestamps",
}


def gate_model(settings: GateModelSettings, context: TaskContext) -> bool:
    """Judge the challenger, and show the verdict; True where the gate holds.

    Raises:
        InputError: a file cannot be read, or does not fit the others; the metric is unknown.
    """
    metric = required(settings.metric, "metric")
    if metric not in METRICS:
        raise InputError(f"No metric {metric!r}; known: {', '.join(METRICS)}. Set --metric.")
    score, higher = METRICS[metric]
    values = _values(settings, context, numeric=metric in NUMERIC)
    true = values.pop("truth")
    scores = {name: {metric: float(score(true, predicted))} for name, predicted in values.items()}
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
    gain = _gain(gate, score, true, values, settings.seed) if settings.champion else None
    verdict = judge(gate, scores["challenger"], scores.get("champion"), gain)
    if settings.report:
        report = file_or_folder(settings.report, context, option="--report")
        with staged_output(report) as path:
            facts = {
                "passed": verdict.passed,
                "reasons": verdict.reasons,
                "rows": len(true),
                "scores": scores,
                "interval": asdict(gain) if gain else None,
                "resamples": settings.resamples,
                "seed": settings.seed,
            }
            path.write_text(json.dumps(facts, indent=2) + "\n")
    show_table(
        f"{metric} on {len(true):,} rows",
        ["", metric],
        [(name, f"{measured[metric]:.4f}") for name, measured in scores.items()],
    )
    say(f"Gate {'held' if verdict.passed else 'not held'}: {'; '.join(verdict.reasons)}.")
    return verdict.passed


def _values(
    settings: GateModelSettings, context: TaskContext, *, numeric: bool
) -> dict[str, pd.Series[Any]]:
    """The target of the truth, of the challenger and of the champion, row by row of the truth."""
    target = required(settings.target, "target")
    if settings.key == target:
        raise InputError(f"--key and --target: expected two columns, got {target!r} for both.")
    files = {
        "truth": required(settings.truth, "truth"),
        "challenger": required(settings.challenger, "challenger"),
        **({"champion": settings.champion} if settings.champion else {}),
    }
    tables = {name: _read(file, settings, context) for name, file in files.items()}
    truth = tables["truth"]
    values = {}
    for name, file in files.items():
        _check_kinds(tables[name], truth, file, files["truth"])
        column = _aligned(tables[name], truth, file, settings)[target]
        values[name] = _numbers(column, file) if numeric else column
    return values if numeric else _codes(values)


def _gain(
    gate: Gate, score: Metric, truth: pd.Series[Any], sides: dict[str, pd.Series[Any]], seed: int
) -> Interval:
    return gain_interval(
        lambda true, predicted: float(score(true, predicted.iloc[:, 0])),
        truth,
        sides["challenger"].to_frame(),
        sides["champion"].to_frame(),
        higher_is_better=gate.higher_is_better,
        confidence=gate.confidence,
        resamples=gate.resamples,
        seed=seed,
    )


def _read(place: str, settings: GateModelSettings, context: TaskContext) -> pd.DataFrame:
    """The target and the key, as Python's own values: 1 and 1.0 are equal, 1 and "1" are not."""
    target, key = str(settings.target), settings.key
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
    frame = pd.concat(frames, ignore_index=True).astype("object")
    for name in columns:
        if frame[name].isna().any():
            row = int(frame[name].isna().to_numpy().argmax()) + 1
            raise InputError(f"{place}: column {name!r}: a value is missing, first in row {row:,}.")
        if _kind(frame[name]) is None:
            raise InputError(
                f"{place}: column {name!r}: expected numbers, texts, dates, or true and false; "
                "its values cannot be compared."
            )
    if key and frame[key].duplicated().any():
        twice = frame.loc[frame[key].duplicated(), key].iloc[0]
        raise InputError(f"{place}: column {key!r}: expected each value once, got {twice!r} twice.")
    return frame


def _kind(values: pd.Series[Any]) -> str | None:
    """What values of one column can be compared with; None where they are lists or the like."""
    return KINDS.get(pd.api.types.infer_dtype(values, skipna=False))


def _check_kinds(table: pd.DataFrame, truth: pd.DataFrame, file: str, truth_file: str) -> None:
    for column in truth:
        kind, expected = _kind(table[column]), _kind(truth[column])
        if kind != expected:
            raise InputError(
                f"{file}: column {column!r}: expected {expected} such as "
                f"{truth[column].iloc[0]!r}, as {truth_file} has, got {kind} such as "
                f"{table[column].iloc[0]!r}."
            )


def _numbers(values: pd.Series[Any], file: str) -> pd.Series[Any]:
    if _kind(values) != "numbers":
        raise InputError(
            f"{file}: column {values.name!r}: expected numbers for this metric, got "
            f"{values.iloc[0]!r}."
        )
    numbers = values.astype("float64")
    infinite = np.isinf(numbers.to_numpy())
    if infinite.any():
        row = int(infinite.argmax()) + 1
        raise InputError(f"{file}: column {values.name!r}: row {row:,} is infinite.")
    return numbers


def _codes(labels: dict[str, pd.Series[Any]]) -> dict[str, pd.Series[Any]]:
    """A whole number for each label, the same in every table: scikit-learn refuses some kinds."""
    codes, _ = pd.factorize(pd.concat(labels, ignore_index=True))
    parts = np.split(codes, np.cumsum([len(values) for values in labels.values()])[:-1])
    return {name: pd.Series(part) for name, part in zip(labels, parts, strict=True)}


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
