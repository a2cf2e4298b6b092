"""What a sample of labelled rows says about a model: its columns, its label, its classes.

All of it is plain values, which the template of a model (src/tools/templates/model) takes and a
model's folder keeps: literals are written as they stand in code.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pandera.pandas as pa

from config.errors import InputError
from data_access_layer.files import format_of
from data_access_layer.reader import TableFile
from data_access_layer.settings import StoreSettings
from data_access_layer.stores import open_location
from tools.code_names import MISSING_COLUMNS, Names, literal, snake_case
from tools.sample_checks import (
    LEAST_OF_CLASS,
    PROBABILITY,
    check_columns,
    check_identifier,
    check_label,
    is_text,
    with_classes,
    with_numbers,
)

type Kind = Literal["classification", "regression"]
type Answers = dict[str, Any]

# What a model's folder keeps of a sample.
KEPT_ROWS = 1_000
MOST_CATEGORIES = 30
LISTED_CHARACTERS = 80
_COMPUTED = {"boolean": ("number",), "date": ("year", "month")}
_UTC = 'Annotated[pd.DatetimeTZDtype, "us", "UTC"]'


@dataclass(frozen=True)
class Sample:
    """Rows to start a model with, and what its template takes."""

    rows: pd.DataFrame
    answers: Answers
    target: str
    total: int
    unlabelled: int = 0


def read_sample(path: Path, texts: Sequence[str] = ()) -> pd.DataFrame:
    """A file's rows, in the few types that a column has; of a text file, `texts` as they stand.

    Raises:
        InputError: it cannot be read, has no rows, or has a column of a type that tables have not.
    """
    format_of(path)
    table = TableFile(path, dict.fromkeys(texts, "str"), str(path))
    with tempfile.TemporaryDirectory(prefix="sample-") as folder:
        plain = open_location(f"{folder}/sample.parquet", StoreSettings())
        plain.write(table.record_batches())
        rows = plain.read()
    if rows.empty:
        raise InputError(f"{path}: the file has no rows.")
    return rows


def choose_target(columns: Sequence[str], model: str) -> str:
    """The column that is the label where nobody names one: the model's namesake, or the last."""
    return model if model in columns else columns[-1]


def describe(
    rows: pd.DataFrame, *, source: str, kind: Kind, target: str, identifier: str = ""
) -> Sample:
    """Check that a model can learn from these rows, and say what it takes.

    Raises:
        InputError: the label or the identifier is not there or cannot be one, or no column is left.
    """
    check_columns(rows, source, {"--target": target, "--id": identifier})
    labelled = rows[rows[target].notna()].reset_index(drop=True)
    check_label(labelled[target], source)
    check = with_classes if kind == "classification" else with_numbers
    labelled = check(labelled, target, source)
    if identifier:
        check_identifier(labelled[identifier], source)
    names = Names()
    label = _label(labelled[target], names)
    columns, left_out = _columns(labelled.drop(columns=[target]), names, identifier)
    if not columns:
        why = ", ".join(f"{one['name']} has {one['reason']}" for one in left_out)
        raise InputError(f"{source}: no column is left to learn from: {why or 'there is none'}.")
    _check_computed(columns, labelled, source)
    answers = {
        "kind": kind,
        "target": label,
        "columns": list(columns.values()),
        "identifier": _identifier(labelled[identifier], names) if identifier else None,
        "classes": _classes(labelled[target]) if kind == "classification" else [],
        "left_out": left_out,
    }
    kept = [*columns, *([identifier] if identifier else []), target]
    few = _few(labelled[kept].astype(_dtypes(columns)), target, kind)
    return Sample(few, answers, target, len(rows), len(rows) - len(labelled))


def _check_computed(columns: Mapping[str, Answers], rows: pd.DataFrame, source: str) -> None:
    for name in rows.columns:
        base, _, ending = str(name).rpartition("_")
        computed = base in columns and ending in _COMPUTED.get(columns[base]["role"], ())
        if computed or name == MISSING_COLUMNS:
            raise InputError(
                f"{source}: column {name!r}: the model computes one of that name. Rename it."
            )


def _label(label: pd.Series[Any], names: Names) -> Answers:
    name = str(label.name)
    answers = _named(name, names.attribute(name, ("lower", "upper")))
    if not is_text(label):
        answers |= {"low": repr(float(label.min())), "high": repr(float(label.max()))}
    return answers | {end: literal(f"{name}_{end}") for end in ("lower", "upper")}


def _named(name: str, attribute: str) -> Answers:
    return {"name": literal(name), "attribute": attribute, "alias": attribute != name}


def _columns(
    rows: pd.DataFrame, names: Names, identifier: str
) -> tuple[dict[str, Answers], list[Answers]]:
    """What the model takes, by the columns' names, and why it does not take the others."""
    # pandera says which values may be missing, and the range of numbers.
    schema: Any = pa.infer_schema(rows)
    taken: dict[str, Answers] = {}
    left_out: list[Answers] = []
    for name in rows.columns:
        if name == identifier:
            continue
        column = rows[name]
        if reason := _useless(column):
            left_out.append({"name": literal(str(name)), "reason": reason})
        else:
            taken[str(name)] = _column(column, schema.columns[name], names)
    return taken, left_out


def _useless(column: pd.Series[Any]) -> str:
    """Why nothing can be learnt from a column; empty where something can."""
    different = column.nunique()
    if column.dtype == "object":
        return "bytes as values"
    if not different:
        return "no values"
    if different == 1 and column.notna().all():
        return "the same value in all rows"
    if is_text(column) and different > MOST_CATEGORIES:
        return f"{different:,} different texts"
    if pd.api.types.is_float_dtype(column) and np.isinf(column).any():
        return "infinite values"
    return ""


def _column(column: pd.Series[Any], inferred: Any, names: Names) -> Answers:
    role = _role(column)
    name = str(column.name)
    endings = _COMPUTED.get(role, ())
    answers = _named(name, names.attribute(name, endings)) | {
        "role": role,
        "type": _type(column, role),
        "nullable": bool(inferred.nullable),
        "low": None,
        "high": None,
        "choices": [],
    }
    if role == "number":
        checks = {check.name: check.statistics for check in inferred.checks}
        number = int if answers["type"] == "int" else float
        answers["low"] = repr(number(checks["greater_than_or_equal_to"]["min_value"]))
        answers["high"] = repr(number(checks["less_than_or_equal_to"]["max_value"]))
    if role == "category":
        answers["choices"] = _choices(column)
    return answers | {ending: literal(f"{name}_{ending}") for ending in endings}


def _role(column: pd.Series[Any]) -> str:
    if pd.api.types.is_bool_dtype(column):
        return "boolean"
    if pd.api.types.is_numeric_dtype(column):
        return "number"
    return "category" if is_text(column) else "date"


def _type(column: pd.Series[Any], role: str) -> str:
    """How a contract says it. Whole numbers that may be missing are floating-point, as in numpy."""
    if role == "number":
        return "int" if column.dtype == "int64" else "float"
    if role == "boolean":
        return "bool" if column.dtype == "bool" else "pd.BooleanDtype"
    if role == "date":
        return _UTC if isinstance(column.dtype, pd.DatetimeTZDtype) else "pd.Timestamp"
    return "str"


def _choices(column: pd.Series[Any]) -> list[str]:
    values = sorted(column.dropna().unique())
    literals = [literal(value) for value in values]
    return literals if len(", ".join(literals)) <= LISTED_CHARACTERS else []


def _dtypes(columns: Mapping[str, Answers]) -> dict[str, Any]:
    return {name: "float64" for name, answers in columns.items() if answers["type"] == "float"}


def _identifier(column: pd.Series[Any], names: Names) -> Answers:
    name = str(column.name)
    return _named(name, names.attribute(name)) | {
        "type": "str" if is_text(column) else "int",
        "unique": bool(column.is_unique),
    }


def _classes(label: pd.Series[Any]) -> list[Answers]:
    names = Names({snake_case(str(label.name))})
    found = []
    for name in sorted(label.unique()):
        probability = f"{PROBABILITY}{name}"
        attribute = names.attribute(probability)
        found.append(
            {
                "name": literal(name),
                "attribute": attribute,
                "alias": attribute != probability,
                "probability": literal(probability),
            }
        )
    return found


def _few(rows: pd.DataFrame, target: str, kind: Kind) -> pd.DataFrame:
    """At most about `KEPT_ROWS`, in their order, with some of each class."""
    if len(rows) <= KEPT_ROWS:
        return rows
    share = KEPT_ROWS / len(rows)
    parts = [part for _, part in rows.groupby(target)] if kind == "classification" else [rows]
    drawn = [
        part.sample(min(len(part), max(LEAST_OF_CLASS, round(len(part) * share))), random_state=0)
        for part in parts
    ]
    return pd.concat(drawn).sort_index().reset_index(drop=True)
