"""What a sample of rows says about a table: its columns, and which of them place a row in time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cli.errors import InputError
from tools.scaffold.code_names import Names, literal
from tools.scaffold.columns import Answers, Reader, is_text
from tools.scaffold.sample_checks import check_chosen, check_names

TIMESTAMP, AVAILABLE = "event_timestamp", "arrived_at"
# What identifies a row would else be claimed of every small table.
LEAST_UNIQUE = 10
# Of a made-up column.
MOST_TEXTS = 200
_LARGEST = np.iinfo("int64").max


@dataclass(frozen=True)
class TableSample:
    """Rows as the table's contract has them, and what its template takes.

    Attributes:
        taken_as_utc: moments that had no time zone.
    """

    rows: pd.DataFrame
    answers: Answers
    taken_as_utc: tuple[str, ...] = ()


@dataclass(frozen=True)
class Place:
    """The columns that place a row: about whom, when it happened, and when it was known."""

    keys: tuple[str, ...]
    timestamp: str
    available: str = ""

    @property
    def moments(self) -> tuple[str, ...]:
        """The columns of time."""
        return (self.timestamp, *([self.available] if self.available else []))


def describe_table(rows: pd.DataFrame, *, source: str) -> TableSample:
    """What a table's contract takes from its rows.

    Raises:
        InputError: a column cannot be named in code, or none can be in a contract.
    """
    check_names(rows, source)
    columns, left_out = _read(rows, source)
    for name, answers in columns.items():
        answers["identifies"] = _identifies(rows[name])
        answers |= {"shown": _shown(rows[name], answers), "slip": _slip(answers)}
    return TableSample(
        _as_stored(rows, columns), {"columns": list(columns.values()), "left_out": left_out}
    )


def choose_place(rows: pd.DataFrame, given: Place) -> Place:
    """What nobody names: the usual names, else the first columns that can be."""
    columns = [str(name) for name in rows.columns]
    moments = [name for name in columns if pd.api.types.is_datetime64_any_dtype(rows[name])]
    timestamp = given.timestamp or _first([TIMESTAMP, *moments], columns)
    available = given.available or _first([AVAILABLE], columns)
    others = [name for name in columns if name not in (timestamp, available)]
    ids = [name for name in others if name == "id" or name.endswith("_id")]
    keys = given.keys or tuple(filter(None, [_first([*ids, *others], columns)]))
    return Place(keys, timestamp, "" if available == timestamp else available)


def describe_view(rows: pd.DataFrame, *, source: str, place: Place) -> TableSample:
    """What a feature view takes from its rows, and how a sample of such rows is made up.

    Raises:
        InputError: a column cannot place a row, or there is no other.
    """
    check_names(rows, source)
    options = {"--key": place.keys, "--timestamp": [place.timestamp]}
    check_chosen(rows, source, options | {"--available": list(place.moments[1:])})
    naive = tuple(name for name in place.moments if _check_moment(rows[name], source))
    rows = rows.assign(**{name: rows[name].dt.tz_localize("UTC") for name in naive})
    for name in place.keys:
        _check_key(rows[name], source)
    columns, left_out = _read(rows, source)
    if not columns.keys() - {*place.keys, *place.moments}:
        raise InputError(f"{source}: no column is left that would be a feature.")
    for name, answers in columns.items():
        answers["drawn"] = _drawn(rows[name], answers)
        if name in place.keys:
            _draw_few(answers["drawn"])
            answers["says"] = "Identifies what the row is about"
            # What the sample holds of them is no limit.
            answers |= {"low": None, "high": None, "choices": []}
    columns[place.timestamp]["says"] = "When what the row tells happened, UTC"
    if place.available:
        columns[place.available]["says"] = "When the row became known to us, UTC"
        columns[place.available]["drawn"] = _delayed(rows, place)
    answers = {
        "columns": list(columns.values()),
        "left_out": left_out,
        "keys": [columns[name]["name"] for name in place.keys],
        "timestamp": columns[place.timestamp]["name"],
        "available": columns[place.available]["name"] if place.available else "",
    }
    return TableSample(_as_stored(rows, columns), answers, naive)


def _read(rows: pd.DataFrame, source: str) -> tuple[dict[str, Answers], list[Answers]]:
    # Whole numbers that are floating-point would be inexact beyond 2^53.
    reader = Reader(Names(), _unsayable, {}, whole_and_missing="pd.Int64Dtype")
    columns, left_out = reader.read(rows)
    if not columns:
        raise InputError(f"{source}: no column is left: each has {left_out[0]['reason']}.")
    return columns, left_out


def _unsayable(column: pd.Series[Any]) -> str:
    return "bytes as values" if column.dtype == "object" else ""


def _as_stored(rows: pd.DataFrame, columns: Mapping[str, Answers]) -> pd.DataFrame:
    return rows[list(columns)]


def _identifies(column: pd.Series[Any]) -> bool:
    """Whether each row has a value of its own, of a type that identifies things."""
    whole = pd.api.types.is_integer_dtype(column)
    return bool((is_text(column) or whole) and len(column) >= LEAST_UNIQUE and column.is_unique)


def _shown(column: pd.Series[Any], answers: Answers) -> list[str]:
    """Two values, the least and the greatest: numbers and choices that the contract has anyway."""
    role = answers["role"]
    if role == "number":
        return [answers["low"] or "0", answers["high"] or "1"]
    if role == "boolean":
        return ["False", "True"]
    if role == "category":
        choices = answers["choices"]
        return [choices[0], choices[-1]] if choices else ['"one"', '"another"']
    return [literal(text) for text in _span(column)]


def _span(column: pd.Series[Any]) -> tuple[str, str]:
    """The first and the last day."""
    ends = column.min(), column.max()
    if any(pd.isna(end) for end in ends):
        ends = pd.Timestamp("2024-01-01"), pd.Timestamp("2024-12-31")
    low, high = (f"{end:%Y-%m-%d}{'T00:00Z' if end.tzinfo else ''}" for end in ends)
    return low, high


def _slip(answers: Answers) -> str:
    """A value that the contract refuses; empty where it has nothing to refuse."""
    if answers["choices"]:
        return '"none of them"' if '"none of them"' not in answers["choices"] else '""'
    if answers["high"] is None:
        return ""
    whole = answers["type"] != "float"
    high = (int if whole else float)(answers["high"])
    beyond = high + max(1, abs(high))
    return "" if beyond > _LARGEST or not math.isfinite(beyond) else repr(beyond)


def _check_moment(column: pd.Series[Any], source: str) -> bool:
    """Refuse what is no moment in each row; whether it has no time zone."""
    where = f"{source}: column {column.name!r}"
    if not pd.api.types.is_datetime64_any_dtype(column):
        raise InputError(
            f"{where}: expected moments such as 2024-01-31 or 2024-01-31T10:00:00Z, got "
            f"{column.dtype}. Name another column with --timestamp or --available."
        )
    if column.isna().any():
        raise InputError(f"{where}: expected a moment in each row, got none in {_missing(column)}.")
    return not isinstance(column.dtype, pd.DatetimeTZDtype)


def _check_key(column: pd.Series[Any], source: str) -> None:
    where = f"{source}: --key: column {column.name!r}"
    if column.isna().any():
        raise InputError(f"{where}: expected a value in each row, got none in {_missing(column)}.")
    if not (is_text(column) or pd.api.types.is_integer_dtype(column)):
        raise InputError(f"{where}: expected text or whole numbers, got {column.dtype}.")


def _missing(column: pd.Series[Any]) -> str:
    return f"{column.isna().sum():,} of {len(column):,}"


def _drawn(column: pd.Series[Any], answers: Answers) -> dict[str, Any]:
    """How values of a column are made up: a method of `Draw`, what it takes, what is missing."""
    share = max(0.01, round(float(column.isna().mean()), 2)) if answers["nullable"] else 0
    return {"missing": share, **_method(column, answers)}


def _method(column: pd.Series[Any], answers: Answers) -> dict[str, Any]:
    role, low, high = answers["role"], answers["low"], answers["high"]
    if role == "number":
        whole = answers["type"] != "float"
        given = [low or "0", high or "1"]
        return {"method": "integers" if whole else "numbers", "given": given}
    if role == "boolean":
        return {"method": "flags", "given": []}
    if role == "category":
        if answers["choices"]:
            return {"method": "choices", "given": list(answers["choices"])}
        return {"method": "texts", "given": [repr(max(1, min(int(column.nunique()), MOST_TEXTS)))]}
    return {"method": "timestamps", "given": [literal(text) for text in _span(column)]}


def _delayed(rows: pd.DataFrame, place: Place) -> dict[str, Any]:
    delay = (rows[place.available] - rows[place.timestamp]).max() / pd.Timedelta(days=1)
    days = max(1, math.ceil(delay))
    return {"missing": 0, "method": "later", "given": [literal(place.timestamp), str(days)]}


def _draw_few(drawn: dict[str, Any]) -> None:
    """Entities few enough to have several rows each."""
    if drawn["method"] == "integers":
        low, high = map(int, drawn["given"])
        drawn["given"] = [str(low), str(min(high, low + MOST_TEXTS - 1))]


def _first(wanted: Sequence[str], columns: Sequence[str]) -> str:
    return next((name for name in wanted if name in columns), "")
