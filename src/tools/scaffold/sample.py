"""What a sample of labelled rows says about a model: its columns, its label, its classes.

All of it is plain values, which the template of a model (templates/model) takes and a model's
folder keeps.
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
from tools.scaffold.code_names import MISSING_COLUMNS, Names, literal, snake_case
from tools.scaffold.columns import MOST_CATEGORIES, Answers, Reader, is_text, named
from tools.scaffold.sample_checks import (
    LEAST_OF_CLASS,
    PROBABILITY,
    check_chosen,
    check_identifier,
    check_label,
    check_names,
    with_classes,
    with_numbers,
)

type Kind = Literal["classification", "regression"]

# What a model's folder keeps of a sample.
KEPT_ROWS = 1_000
_COMPUTED = {"boolean": ("number",), "date": ("year", "month")}


@dataclass(frozen=True)
class Sample:
    """Rows to start a model with, and what its template takes."""

    rows: pd.DataFrame
    answers: Answers
    target: str
    total: int
    unlabelled: int = 0


def read_sample(place: str, texts: Sequence[str] = ()) -> pd.DataFrame:
    """The rows of a place, in the few types that a column has; of a text file, `texts` as text.

    Raises:
        InputError: it cannot be read, has no rows, or has a column of a type that tables have not.
    """
    dtypes = dict.fromkeys(texts, "str")
    with ExitStack() as stack:
        context = TaskContext(stack=stack)
        return read_plain(open_source(place, context, dtypes=dtypes, texts_as="numbers"))


def read_rows(data: str, example: Callable[[], pd.DataFrame]) -> tuple[pd.DataFrame, str]:
    """The rows of a file, else those of an example; and what an error calls them."""
    return (read_sample(data), data) if data else (example(), "the example")


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
    check_chosen(rows, source, {"--target": [target], "--id": [identifier] if identifier else []})
    check_names(rows, source)
    labelled = rows[rows[target].notna()].reset_index(drop=True)
    check_label(labelled[target], source)
    check = with_classes if kind == "classification" else with_numbers
    labelled = check(labelled, target, source)
    if identifier:
        check_identifier(labelled[identifier], source)
    names = Names()
    label = _label(labelled[target], names)
    # Whole numbers that may be missing are floating-point, as in numpy.
    reader = Reader(names, _useless, _COMPUTED, whole_and_missing="float")
    others = [target, *([identifier] if identifier else [])]
    columns, left_out = reader.read(labelled.drop(columns=others))
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
    answers = named(name, names.attribute(name, ("lower", "upper")))
    if not is_text(label):
        answers |= {"low": repr(float(label.min())), "high": repr(float(label.max()))}
    return answers | {end: literal(f"{name}_{end}") for end in ("lower", "upper")}


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


def _dtypes(columns: Mapping[str, Answers]) -> dict[str, Any]:
    return {name: "float64" for name, answers in columns.items() if answers["type"] == "float"}


def _identifier(column: pd.Series[Any], names: Names) -> Answers:
    name = str(column.name)
    return named(name, names.attribute(name)) | {
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
