"""What the columns of a sample are, in plain values that templates take.

Literals are written as they stand in code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tools.scaffold.code_names import Names, literal

type Answers = dict[str, Any]

UTC = 'Annotated[pd.DatetimeTZDtype, "us", "UTC"]'
MOST_CATEGORIES = 30
LISTED_CHARACTERS = 80


@dataclass(frozen=True)
class Reader:
    """How columns become answers.

    Attributes:
        names: gives each column its attribute.
        left_out: why a column is not taken; empty where it is.
        computed: endings of what is computed from a column, by its role.
        whole_and_missing: the type of whole numbers that may be missing.
    """

    names: Names
    left_out: Callable[[pd.Series[Any]], str]
    computed: Mapping[str, Sequence[str]]
    whole_and_missing: str

    def read(self, rows: pd.DataFrame) -> tuple[dict[str, Answers], list[Answers]]:
        """The columns that are taken, by their names, and why the others are not."""
        taken: dict[str, Answers] = {}
        left_out: list[Answers] = []
        for name in map(str, rows.columns):
            if reason := self.left_out(rows[name]):
                left_out.append({"name": literal(name), "reason": reason})
            else:
                taken[name] = self._column(rows[name])
        return taken, left_out

    def _column(self, column: pd.Series[Any]) -> Answers:
        role, name = role_of(column), str(column.name)
        endings = self.computed.get(role, ())
        type_ = self._type(column, role)
        low, high = _range(column, type_) if role == "number" else (None, None)
        answers = named(name, self.names.attribute(name, endings)) | {
            "role": role,
            "type": type_,
            "nullable": bool(column.isna().any()),
            "low": low,
            "high": high,
            "choices": _choices(column) if role == "category" else [],
        }
        return answers | {ending: literal(f"{name}_{ending}") for ending in endings}

    def _type(self, column: pd.Series[Any], role: str) -> str:
        """How a contract says it."""
        if role == "number":
            if pd.api.types.is_float_dtype(column):
                return "float"
            return "int" if column.dtype == "int64" else self.whole_and_missing
        if role == "boolean":
            return "bool" if column.dtype == "bool" else "pd.BooleanDtype"
        if role == "date":
            return UTC if isinstance(column.dtype, pd.DatetimeTZDtype) else "pd.Timestamp"
        return "str"


def named(name: str, attribute: str) -> Answers:
    """A column's name, and that of its attribute."""
    return {"name": literal(name), "attribute": attribute, "alias": attribute != name}


def role_of(column: pd.Series[Any]) -> str:
    """What can be done with a column's values."""
    if pd.api.types.is_bool_dtype(column):
        return "boolean"
    if pd.api.types.is_numeric_dtype(column):
        return "number"
    return "category" if is_text(column) else "date"


def is_text(column: pd.Series[Any]) -> bool:
    """Whether a column holds text."""
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
    if len(values) > MOST_CATEGORIES:
        return []
    literals = [literal(value) for value in values]
    return literals if len(", ".join(literals)) <= LISTED_CHARACTERS else []
