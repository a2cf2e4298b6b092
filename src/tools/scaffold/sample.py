"""Describe a model from a sample of labelled rows: its columns, its label, its classes.

The description consists of plain values, which the template of a model renders and Copier stores.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from cli.errors import InputError
from cli.task import TaskContext
from data_access_layer.open import open_source, read_plain
from tools.scaffold.code_names import MISSING_COLUMNS, AttributeNames, literal, snake_case
from tools.scaffold.columns import MAX_CATEGORIES, ColumnReader, TemplateData, is_text, name_data
from tools.scaffold.sample_checks import (
    MIN_ROWS_PER_CLASS,
    PROBABILITY,
    check_chosen,
    check_identifier,
    check_label,
    check_names,
    convert_to_classes,
    convert_to_numbers,
)

type Kind = Literal["classification", "regression"]

# How many rows of a sample the model's folder keeps.
KEPT_ROWS = 1_000
_COMPUTED = {"boolean": ("number",), "date": ("year", "month")}


@dataclass(frozen=True)
class Sample:
    """Rows to start a model with, and the data that its template renders."""

    rows: pd.DataFrame
    template_data: TemplateData
    target: str
    total: int
    unlabelled: int = 0


def read_sample(location: str, texts: Sequence[str] = ()) -> pd.DataFrame:
    """Read a sample with few different dtypes; columns of text files named in `texts` as strings.

    Raises:
        InputError: it cannot be read, has no rows, or a column has a type that tables do not
            support.
    """
    dtypes = dict.fromkeys(texts, "str")
    with ExitStack() as stack:
        context = TaskContext(stack=stack)
        return read_plain(open_source(location, context, dtypes=dtypes, texts_as="numbers"))


def read_rows(data: str, make_example: Callable[[], pd.DataFrame]) -> tuple[pd.DataFrame, str]:
    """Read the sample, or make an example if there is none; with its name for error messages."""
    return (read_sample(data), data) if data else (make_example(), "the example")


def choose_target(columns: Sequence[str], model: str) -> str:
    """The default label: the column with the model's name, otherwise the last one."""
    return model if model in columns else columns[-1]


def describe_sample(
    rows: pd.DataFrame, *, source: str, kind: Kind, target: str, identifier: str = ""
) -> Sample:
    """Check that a model can learn from the rows, and describe them for its template.

    Raises:
        InputError: the label or the identifier is missing or not usable, or no column is left.
    """
    labelled = _labelled_rows(rows, source, kind, target, identifier)
    names = AttributeNames()
    label = _label_data(labelled[target], names)
    # As in numpy, integers with missing values are floating-point.
    reader = ColumnReader(names, _reason_to_skip, _COMPUTED, nullable_integer="float")
    identifiers = [identifier] if identifier else []
    columns, left_out = reader.read(labelled.drop(columns=[target, *identifiers]))
    if not columns:
        why = ", ".join(f"{one['name']} has {one['reason']}" for one in left_out)
        raise InputError(
            f"{source}: no column is left to learn from: {why or 'there are no others'}."
        )
    _check_computed(columns, labelled, source)
    template_data = {
        "kind": kind,
        "target": label,
        "columns": list(columns.values()),
        "identifier": _identifier_data(labelled[identifier], names) if identifier else None,
        "classes": _class_data(labelled[target]) if kind == "classification" else [],
        "left_out": left_out,
    }
    kept = labelled[[*columns, *identifiers, target]].astype(_float_dtypes(columns))
    few = _downsample(kept, target, kind)
    return Sample(few, template_data, target, len(rows), len(rows) - len(labelled))


def _labelled_rows(
    rows: pd.DataFrame, source: str, kind: Kind, target: str, identifier: str
) -> pd.DataFrame:
    """The rows with a label that a model can learn from."""
    check_chosen(rows, source, {"--target": [target], "--id": [identifier] if identifier else []})
    check_names(rows, source)
    labelled = rows[rows[target].notna()].reset_index(drop=True)
    check_label(labelled[target], source)
    convert = convert_to_classes if kind == "classification" else convert_to_numbers
    labelled = convert(labelled, target, source)
    if identifier:
        check_identifier(labelled[identifier], source)
    return labelled


def _check_computed(columns: Mapping[str, TemplateData], rows: pd.DataFrame, source: str) -> None:
    for name in rows.columns:
        base, _, ending = str(name).rpartition("_")
        computed = base in columns and ending in _COMPUTED.get(columns[base]["role"], ())
        if computed or name == MISSING_COLUMNS:
            raise InputError(
                f"{source}: column {name!r}: the model computes a feature with this name. Rename "
                "the column."
            )


def _label_data(label: pd.Series[Any], names: AttributeNames) -> TemplateData:
    name = str(label.name)
    data = name_data(name, names.add(name, ("lower", "upper")))
    if not is_text(label):
        data |= {"low": repr(float(label.min())), "high": repr(float(label.max()))}
    return data | {end: literal(f"{name}_{end}") for end in ("lower", "upper")}


def _reason_to_skip(column: pd.Series[Any]) -> str:
    """Why a model cannot learn from a column; empty if it can."""
    different = column.nunique()
    if column.dtype == "object":
        return "bytes as values"
    if not different:
        return "no values"
    if different == 1 and column.notna().all():
        return "the same value in all rows"
    if is_text(column) and different > MAX_CATEGORIES:
        return f"{different:,} different texts"
    if pd.api.types.is_float_dtype(column) and np.isinf(column).any():
        return "infinite values"
    return ""


def _float_dtypes(columns: Mapping[str, TemplateData]) -> dict[str, Any]:
    return {name: "float64" for name, data in columns.items() if data["type"] == "float"}


def _identifier_data(column: pd.Series[Any], names: AttributeNames) -> TemplateData:
    name = str(column.name)
    return name_data(name, names.add(name)) | {
        "type": "str" if is_text(column) else "int",
        "unique": bool(column.is_unique),
    }


def _class_data(label: pd.Series[Any]) -> list[TemplateData]:
    names = AttributeNames({snake_case(str(label.name))})
    found = []
    for name in sorted(label.unique()):
        probability = f"{PROBABILITY}{name}"
        attribute = names.add(probability)
        found.append(
            {
                "name": literal(name),
                "attribute": attribute,
                "alias": attribute != probability,
                "probability": literal(probability),
            }
        )
    return found


def _downsample(rows: pd.DataFrame, target: str, kind: Kind) -> pd.DataFrame:
    """Keep about `KEPT_ROWS` rows at most, in their order, with some of each class."""
    if len(rows) <= KEPT_ROWS:
        return rows
    share = KEPT_ROWS / len(rows)
    groups = [group for _, group in rows.groupby(target)] if kind == "classification" else [rows]
    drawn = [
        group.sample(
            min(len(group), max(MIN_ROWS_PER_CLASS, round(len(group) * share))), random_state=0
        )
        for group in groups
    ]
    return pd.concat(drawn).sort_index().reset_index(drop=True)
