"""Describe a table or a feature view from a sample of its rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cli.errors import InputError
from tools.scaffold.code_names import AttributeNames, literal
from tools.scaffold.columns import ColumnReader, TemplateData, is_text
from tools.scaffold.sample_checks import check_chosen, check_names

TIMESTAMP, AVAILABLE = "event_timestamp", "arrived_at"
# In a smaller sample, most columns would seem to identify rows.
MIN_UNIQUE = 10
# In a made-up column.
MAX_TEXTS = 200
_LARGEST = np.iinfo("int64").max


@dataclass(frozen=True)
class TableSample:
    """Rows as the contract has them, and the data that the template renders.

    Attributes:
        assumed_utc: columns whose timestamps had no time zone.
    """

    rows: pd.DataFrame
    template_data: TemplateData
    assumed_utc: tuple[str, ...] = ()


@dataclass(frozen=True)
class RowKey:
    """The columns that say who a row is about, when it happened, and when it became known."""

    keys: tuple[str, ...]
    timestamp: str
    available: str = ""

    @property
    def timestamps(self) -> tuple[str, ...]:
        """The columns that hold timestamps."""
        return (self.timestamp, *([self.available] if self.available else []))


def describe_table(rows: pd.DataFrame, *, source: str) -> TableSample:
    """Describe the rows for the template of a dataset.

    Raises:
        InputError: a column's name is not usable, or no column can be in a contract.
    """
    check_names(rows, source)
    columns, left_out = _read_columns(rows, source)
    for name, data in columns.items():
        data["identifies"] = _identifies(rows[name])
        data |= {"extremes": _extremes(rows[name], data), "refused": _refused_value(data)}
    template_data = {"columns": list(columns.values()), "left_out": left_out}
    return TableSample(rows[list(columns)], template_data)


def choose_row_key(rows: pd.DataFrame, given: RowKey) -> RowKey:
    """Complete the given columns by the usual names, otherwise by the first suitable columns."""
    columns = [str(name) for name in rows.columns]
    times = [name for name in columns if pd.api.types.is_datetime64_any_dtype(rows[name])]
    timestamp = given.timestamp or _first([TIMESTAMP, *times], columns)
    available = given.available or _first([AVAILABLE], columns)
    others = [name for name in columns if name not in (timestamp, available)]
    ids = [name for name in others if name == "id" or name.endswith("_id")]
    keys = given.keys or tuple(filter(None, [_first([*ids, *others], columns)]))
    return RowKey(keys, timestamp, "" if available == timestamp else available)


def describe_view(rows: pd.DataFrame, *, source: str, row_key: RowKey) -> TableSample:
    """Describe the rows for the template of a feature view, and how to make up similar rows.

    Raises:
        InputError: a column of the row key is not usable, or there is no other column.
    """
    check_names(rows, source)
    options = {"--key": row_key.keys, "--timestamp": [row_key.timestamp]}
    check_chosen(rows, source, options | {"--available": list(row_key.timestamps[1:])})
    for name in row_key.timestamps:
        _check_timestamps(rows[name], source)
    naive = tuple(name for name in row_key.timestamps if not _has_time_zone(rows[name]))
    rows = rows.assign(**{name: rows[name].dt.tz_localize("UTC") for name in naive})
    for name in row_key.keys:
        _check_key(rows[name], source)
    columns, left_out = _read_columns(rows, source)
    if not columns.keys() - {*row_key.keys, *row_key.timestamps}:
        raise InputError(f"{source}: no column is left that could be a feature.")
    for name, data in columns.items():
        data["draw"] = _draw_data(rows[name], data)
    _describe_row_key(columns, rows, row_key)
    template_data = {
        "columns": list(columns.values()),
        "left_out": left_out,
        "keys": [columns[name]["name"] for name in row_key.keys],
        "timestamp": columns[row_key.timestamp]["name"],
        "available": columns[row_key.available]["name"] if row_key.available else "",
    }
    return TableSample(rows[list(columns)], template_data, naive)


def _describe_row_key(
    columns: dict[str, TemplateData], rows: pd.DataFrame, row_key: RowKey
) -> None:
    for name in row_key.keys:
        _limit_entities(columns[name]["draw"])
        columns[name]["description"] = "Identifies what the row is about."
        # Other rows may have other keys than the sample's.
        columns[name] |= {"low": None, "high": None, "choices": []}
    columns[row_key.timestamp]["description"] = "When the event happened, UTC."
    if row_key.available:
        columns[row_key.available]["description"] = "When the row became known, UTC."
        columns[row_key.available]["draw"] = _delay_data(rows, row_key)


def _read_columns(
    rows: pd.DataFrame, source: str
) -> tuple[dict[str, TemplateData], list[TemplateData]]:
    # As floating-point numbers, integers beyond 2^53 would be inexact.
    reader = ColumnReader(AttributeNames(), _reason_to_skip, {}, nullable_integer="pd.Int64Dtype")
    columns, left_out = reader.read(rows)
    if not columns:
        raise InputError(f"{source}: no column is left: each has {left_out[0]['reason']}.")
    return columns, left_out


def _reason_to_skip(column: pd.Series[Any]) -> str:
    return "bytes as values" if column.dtype == "object" else ""


def _identifies(column: pd.Series[Any]) -> bool:
    """Whether each row has a different value, of a type that identifiers have."""
    integers = pd.api.types.is_integer_dtype(column)
    return bool((is_text(column) or integers) and len(column) >= MIN_UNIQUE and column.is_unique)


def _extremes(column: pd.Series[Any], data: TemplateData) -> list[str]:
    """The smallest and the largest valid value; texts only if the contract lists them anyway."""
    role = data["role"]
    if role == "number":
        return [data["low"] or "0", data["high"] or "1"]
    if role == "boolean":
        return ["False", "True"]
    if role == "category":
        choices = data["choices"]
        return [choices[0], choices[-1]] if choices else ['"one"', '"another"']
    return [literal(text) for text in _first_and_last_day(column)]


def _first_and_last_day(column: pd.Series[Any]) -> tuple[str, str]:
    ends = column.min(), column.max()
    if any(pd.isna(end) for end in ends):
        ends = pd.Timestamp("2024-01-01"), pd.Timestamp("2024-12-31")
    low, high = (f"{end:%Y-%m-%d}{'T00:00Z' if end.tzinfo else ''}" for end in ends)
    return low, high


def _refused_value(data: TemplateData) -> str:
    """A value that the contract refuses; empty if it limits nothing."""
    if data["choices"]:
        other = literal("none of them")
        return other if other not in data["choices"] else '""'
    if data["high"] is None:
        return ""
    number = float if data["type"] == "float" else int
    high = number(data["high"])
    too_large = high + max(1, abs(high))
    return "" if too_large > _LARGEST or not math.isfinite(too_large) else repr(too_large)


def _check_timestamps(column: pd.Series[Any], source: str) -> None:
    where = f"{source}: column {column.name!r}"
    if not pd.api.types.is_datetime64_any_dtype(column):
        raise InputError(
            f"{where}: expected timestamps such as 2024-01-31 or 2024-01-31T10:00:00Z, got "
            f"{column.dtype}. Choose another column with --timestamp or --available."
        )
    _check_no_missing(column, where)


def _has_time_zone(column: pd.Series[Any]) -> bool:
    return isinstance(column.dtype, pd.DatetimeTZDtype)


def _check_key(column: pd.Series[Any], source: str) -> None:
    where = f"{source}: --key: column {column.name!r}"
    _check_no_missing(column, where)
    if not (is_text(column) or pd.api.types.is_integer_dtype(column)):
        raise InputError(f"{where}: expected text or integers, got {column.dtype}.")


def _check_no_missing(column: pd.Series[Any], where: str) -> None:
    if missing := column.isna().sum():
        raise InputError(
            f"{where} has missing values in {missing:,} of {len(column):,} rows. Expected none."
        )


def _draw_data(column: pd.Series[Any], data: TemplateData) -> TemplateData:
    """How to make up values of a column: a method of `Draw`, its arguments, the missing share."""
    share = max(0.01, round(float(column.isna().mean()), 2)) if data["nullable"] else 0
    method, arguments = _draw_call(column, data)
    return {"missing": share, "method": method, "arguments": arguments}


def _draw_call(column: pd.Series[Any], data: TemplateData) -> tuple[str, list[str]]:
    role = data["role"]
    if role == "number":
        method = "numbers" if data["type"] == "float" else "integers"
        return method, [data["low"] or "0", data["high"] or "1"]
    if role == "boolean":
        return "flags", []
    if role == "category":
        if data["choices"]:
            return "choices", list(data["choices"])
        return "texts", [repr(max(1, min(int(column.nunique()), MAX_TEXTS)))]
    return "timestamps", [literal(text) for text in _first_and_last_day(column)]


def _delay_data(rows: pd.DataFrame, row_key: RowKey) -> TemplateData:
    delay = (rows[row_key.available] - rows[row_key.timestamp]).max() / pd.Timedelta(days=1)
    days = max(1, math.ceil(delay))
    return {"missing": 0, "method": "later", "arguments": [literal(row_key.timestamp), str(days)]}


def _limit_entities(draw: TemplateData) -> None:
    """Limit the number of different keys, so that each has several rows."""
    if draw["method"] == "integers":
        low, high = map(int, draw["arguments"])
        draw["arguments"] = [str(low), str(min(high, low + MAX_TEXTS - 1))]


def _first(wanted: Sequence[str], columns: Sequence[str]) -> str:
    return next((name for name in wanted if name in columns), "")
