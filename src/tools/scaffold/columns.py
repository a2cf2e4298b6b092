"""Describe the columns of a sample in plain values, which templates render.

Names and values of the sample are written as Python literals.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tools.scaffold.code_names import AttributeNames, literal

# What a template renders; Copier stores it with the rendered files.
type TemplateData = dict[str, Any]

UTC = 'Annotated[pd.DatetimeTZDtype, "us", "UTC"]'
MAX_CATEGORIES = 30
MAX_LISTED_CHARACTERS = 80


@dataclass(frozen=True)
class ColumnReader:
    """How the columns of a sample are described.

    Attributes:
        names: gives each column its attribute.
        reason_to_skip: why a column is left out; empty if it is not.
        computed: the endings of names that are computed from a column, by its role.
        nullable_integer: the type of integers with missing values.
    """

    names: AttributeNames
    reason_to_skip: Callable[[pd.Series[Any]], str]
    computed: Mapping[str, Sequence[str]]
    nullable_integer: str

    def read(self, rows: pd.DataFrame) -> tuple[dict[str, TemplateData], list[TemplateData]]:
        """Describe the columns by name, and those that are left out with the reasons."""
        columns: dict[str, TemplateData] = {}
        left_out: list[TemplateData] = []
        for name in map(str, rows.columns):
            if reason := self.reason_to_skip(rows[name]):
                left_out.append({"name": literal(name), "reason": reason})
            else:
                columns[name] = self._describe(rows[name])
        return columns, left_out

    def _describe(self, column: pd.Series[Any]) -> TemplateData:
        role, name = role_of(column), str(column.name)
        endings = self.computed.get(role, ())
        type_ = self._type(column, role)
        low, high = _range(column, type_) if role == "number" else (None, None)
        data = name_data(name, self.names.add(name, endings)) | {
            "role": role,
            "type": type_,
            "nullable": bool(column.isna().any()),
            "low": low,
            "high": high,
            "choices": _choices(column) if role == "category" else [],
        }
        return data | {ending: literal(f"{name}_{ending}") for ending in endings}

    def _type(self, column: pd.Series[Any], role: str) -> str:
        """The annotation of the column in a contract."""
        if role == "number":
            if pd.api.types.is_float_dtype(column):
                return "float"
            return "int" if column.dtype == "int64" else self.nullable_integer
        if role == "boolean":
            return "bool" if column.dtype == "bool" else "pd.BooleanDtype"
        if role == "date":
            return UTC if isinstance(column.dtype, pd.DatetimeTZDtype) else "pd.Timestamp"
        return "str"


def name_data(name: str, attribute: str) -> TemplateData:
    """A column's name and its attribute; `alias` if they differ."""
    return {"name": literal(name), "attribute": attribute, "alias": attribute != name}


def role_of(column: pd.Series[Any]) -> str:
    """How a model can use the values of a column."""
    if pd.api.types.is_bool_dtype(column):
        return "boolean"
    if pd.api.types.is_numeric_dtype(column):
        return "number"
    return "category" if is_text(column) else "date"


def is_text(column: pd.Series[Any]) -> bool:
    """Whether a column holds strings."""
    return isinstance(column.dtype, pd.StringDtype)


def _range(column: pd.Series[Any], type_: str) -> tuple[str | None, str | None]:
    number = float if type_ == "float" else int
    ends = column.min(), column.max()
    if any(pd.isna(end) or not np.isfinite(end) for end in ends):
        return None, None
    low, high = (repr(number(end)) for end in ends)
    return low, high


def _choices(column: pd.Series[Any]) -> list[str]:
    values = sorted(column.dropna().unique())
    if len(values) > MAX_CATEGORIES:
        return []
    literals = [literal(value) for value in values]
    return literals if len(", ".join(literals)) <= MAX_LISTED_CHARACTERS else []
