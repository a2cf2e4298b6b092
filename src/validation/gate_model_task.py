"""Judge a model by its predictions only: tables of predictions, and one of true values."""

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
from data_access_layer.commit.staging import stage_output
from data_access_layer.open import open_path, open_source
from validation.bootstrap import Interval, gain_interval
from validation.gate import Gate, judge
from validation.metrics import smape
from validation.settings import GateModelSettings, require

type Metric = Callable[[pd.Series[Any], pd.Series[Any]], float]


def _macro_f1(truth: pd.Series[Any], predicted: pd.Series[Any]) -> float:
    return float(metrics.f1_score(truth, predicted, average="macro"))


# Each metric, and whether higher is better.
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
# The kinds of values, by pandas' inferred types; only values of the same kind can be compared.
KINDS = {
    "integer": "numbers",
    "floating": "numbers",
    "mixed-integer-float": "numbers",
    "decimal": "numbers",
    "boolean": "true and false",
    "string": "strings",
    "bytes": "bytes",
    "date": "dates",
    "datetime": "timestamps",
    "datetime64": "timestamps",
}


def gate_model(settings: GateModelSettings, context: TaskContext) -> bool:
    """Judge the challenger, and show the verdict; True if it passes the gate.

    Raises:
        InputError: a table cannot be read or does not match the others, or the metric is unknown.
    """
    metric = require(settings.metric, "metric")
    if metric not in METRICS:
        raise InputError(f"No metric {metric!r}. Set --metric to one of {', '.join(METRICS)}.")
    score, _ = METRICS[metric]
    values = _read_values(settings, context, numeric=metric in NUMERIC)
    true = values.pop("truth")
    scores = {name: {metric: float(score(true, predicted))} for name, predicted in values.items()}
    gate = _build_gate(metric, settings)
    gain = _estimate_gain(gate, score, true, values, settings.seed) if settings.champion else None
    verdict = judge(gate, scores["challenger"], scores.get("champion"), gain)
    if settings.report:
        facts = {
            "passed": verdict.passed,
            "reasons": verdict.reasons,
            "rows": len(true),
            "scores": scores,
            "interval": asdict(gain) if gain else None,
            "resamples": settings.resamples,
            "seed": settings.seed,
        }
        with stage_output(open_path(settings.report, context, option="--report")) as path:
            path.write_text(json.dumps(facts, indent=2) + "\n")
    show_table(
        f"{metric} on {len(true):,} rows",
        ["", metric],
        [(name, f"{measured[metric]:.4f}") for name, measured in scores.items()],
    )
    say(str(verdict))
    return verdict.passed


def _build_gate(metric: str, settings: GateModelSettings) -> Gate:
    return Gate(
        metric=metric,
        higher_is_better=METRICS[metric][1],
        margin=settings.margin,
        at_least={} if settings.at_least is None else {metric: settings.at_least},
        at_most={} if settings.at_most is None else {metric: settings.at_most},
        certain=settings.certain,
        confidence=settings.confidence,
        resamples=settings.resamples,
    )


def _read_values(
    settings: GateModelSettings, context: TaskContext, *, numeric: bool
) -> dict[str, pd.Series[Any]]:
    """Read the target columns of truth, challenger and champion, in the row order of the truth."""
    target = require(settings.target, "target")
    if settings.key == target:
        raise InputError(
            f"--key and --target: expected two different columns, got {target!r} twice."
        )
    files = {
        "truth": require(settings.truth, "truth"),
        "challenger": require(settings.challenger, "challenger"),
        **({"champion": settings.champion} if settings.champion else {}),
    }
    tables = {name: _read(file, settings, context) for name, file in files.items()}
    truth = tables["truth"]
    values = {}
    for name, file in files.items():
        _check_kinds(tables[name], truth, file, files["truth"])
        column = _align(tables[name], truth, file, settings)[target]
        values[name] = _to_numbers(column, file) if numeric else column
    return values if numeric else _encode_labels(values)


def _estimate_gain(
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
    """Read target and key as Python objects, so that 1 equals 1.0, but not "1"."""
    target, key = str(settings.target), settings.key
    columns = [target, *([key] if key else [])]
    frames = []
    for batch in open_source(place, context, texts_as="numbers").batches():
        for name in columns:
            if name not in batch.frame:
                raise InputError(
                    f"{batch.source}: column {name!r} is missing. It has the columns "
                    f"{', '.join(map(str, batch.frame))}. Set --target or --key."
                )
        frames.append(batch.frame[columns])
    frame = pd.concat(frames, ignore_index=True).astype("object")
    for name in columns:
        if frame[name].isna().any():
            row = int(frame[name].isna().to_numpy().argmax()) + 1
            raise InputError(
                f"{place}: column {name!r} has missing values, the first one in row {row:,}."
            )
        if _kind(frame[name]) is None:
            raise InputError(
                f"{place}: column {name!r} has values that cannot be compared. Expected numbers, "
                "strings, dates, or true and false."
            )
    if key and frame[key].duplicated().any():
        duplicate = frame.loc[frame[key].duplicated(), key].iloc[0]
        raise InputError(f"{place}: column {key!r} has duplicates, such as {duplicate!r}.")
    return frame


def _kind(values: pd.Series[Any]) -> str | None:
    """The kind of a column's values; None if they cannot be compared, such as lists."""
    return KINDS.get(pd.api.types.infer_dtype(values, skipna=False))


def _check_kinds(table: pd.DataFrame, truth: pd.DataFrame, file: str, truth_file: str) -> None:
    for column in truth:
        kind, expected = _kind(table[column]), _kind(truth[column])
        if kind != expected:
            raise InputError(
                f"{file}: column {column!r} has {kind} such as {table[column].iloc[0]!r}. Expected "
                f"{expected} such as {truth[column].iloc[0]!r}, as in {truth_file}."
            )


def _to_numbers(values: pd.Series[Any], file: str) -> pd.Series[Any]:
    if _kind(values) != "numbers":
        raise InputError(
            f"{file}: column {values.name!r}: expected numbers for this metric, got "
            f"{values.iloc[0]!r}."
        )
    numbers = values.astype("float64")
    infinite = np.isinf(numbers.to_numpy())
    if infinite.any():
        row = int(infinite.argmax()) + 1
        raise InputError(f"{file}: column {values.name!r} has an infinite value in row {row:,}.")
    return numbers


def _encode_labels(labels: dict[str, pd.Series[Any]]) -> dict[str, pd.Series[Any]]:
    """Encode labels as integers, because scikit-learn refuses labels of some types."""
    codes, _ = pd.factorize(pd.concat(labels, ignore_index=True))
    split = np.split(codes, np.cumsum([len(values) for values in labels.values()])[:-1])
    return {name: pd.Series(part) for name, part in zip(labels, split, strict=True)}


def _align(
    frame: pd.DataFrame, truth: pd.DataFrame, file: str, settings: GateModelSettings
) -> pd.DataFrame:
    """Sort the rows like the truth."""
    if not settings.key:
        if len(frame) != len(truth):
            raise InputError(
                f"{file}: has {len(frame):,} rows, but {settings.truth} has {len(truth):,}. Set "
                "--key to the column that identifies rows."
            )
        return frame
    found = frame.set_index(settings.key).reindex(truth[settings.key])
    absent = ~truth[settings.key].isin(frame[settings.key])
    if absent.any():
        raise InputError(
            f"{file}: {absent.sum():,} values of column {settings.key!r} in {settings.truth} are "
            f"missing, such as {truth.loc[absent, settings.key].iloc[0]!r}."
        )
    return found.reset_index()
