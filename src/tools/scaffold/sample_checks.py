"""What a sample must be: of any table, and so that a model can learn from it at once."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cli.errors import InputError
from tools.scaffold.code_names import FITTING, LONGEST, fits
from tools.scaffold.columns import is_text

# Seven of ten rows train, in five folds that must all have each class.
LEAST_OF_CLASS = 10
LEAST_ROWS = 30
MOST_CLASSES = 30
# What the columns are named that a model gives beside the class (modelling.evaluation.metrics).
PROBABILITY = "probability_"


def check_chosen(rows: pd.DataFrame, source: str, chosen: Mapping[str, Sequence[str]]) -> None:
    """Refuse columns that cannot be chosen; `chosen` has them by the options that name them.

    Raises:
        InputError: one is not there, or is named twice.
    """
    columns = [str(name) for name in rows.columns]
    options: dict[str, str] = {}
    for option, names in chosen.items():
        for name in names:
            if name not in columns:
                close = difflib.get_close_matches(name, columns, n=1)
                hint = (
                    f"did you mean {close[0]!r}?" if close else f"there are {', '.join(columns)}."
                )
                raise InputError(f"{source}: {option}: there is no column {name!r}; {hint}")
            if name in options:
                raise InputError(f"{source}: {name!r} cannot be both {options[name]} and {option}.")
            options[name] = option


def check_names(rows: pd.DataFrame, source: str) -> None:
    """Refuse columns that cannot be named in code.

    Raises:
        InputError: a name is missing, long or not printable.
    """
    for number, name in enumerate(map(str, rows.columns), start=1):
        if not name.strip():
            raise InputError(
                f"{source}: column {number} has no name; pandas writes an index so. Name it, or "
                "leave the index out: to_csv(…, index=False)."
            )
        if not fits(name):
            raise InputError(
                f"{source}: column {name[:LONGEST]!r}: expected a name of {FITTING}. Rename it."
            )


def check_label(label: pd.Series[Any], source: str) -> None:
    """Refuse a label that teaches nothing.

    Raises:
        InputError: it has no values, or only one.
    """
    where = f"{source}: --target: column {label.name!r}"
    if label.empty:
        raise InputError(f"{where} has no values: expected a label in each row to learn from.")
    if label.nunique() == 1:
        raise InputError(
            f"{where} is {label.iloc[0]!r} in each row that has a label: there is nothing to learn."
        )


def with_classes(rows: pd.DataFrame, target: str, source: str) -> pd.DataFrame:
    """The rows with the label as text, each class with as many rows as the training needs.

    Raises:
        InputError: there are too many classes, or too few rows of one.
    """
    where = f"{source}: --target: column {target!r}"
    if PROBABILITY in target:
        raise InputError(f"{where}: the model's outputs are named {PROBABILITY}… Rename it.")
    classes = rows[target].astype("str")
    counts = classes.value_counts()
    if len(counts) > MOST_CLASSES:
        raise InputError(
            f"{where} has {len(counts):,} different values, expected at most {MOST_CLASSES} "
            "classes. Choose another column, or --kind regression for a number."
        )
    for name, count in counts.items():
        if count < LEAST_OF_CLASS:
            raise InputError(
                f"{where}: expected at least {LEAST_OF_CLASS} rows of each class, got {count} of "
                f"{name!r}. Add some, or leave that class out."
            )
        if not fits(str(name)):
            raise InputError(
                f"{where}: expected classes of {FITTING}, got {str(name)[:LONGEST]!r}."
            )
    return rows.assign(**{target: classes})


def with_numbers(rows: pd.DataFrame, target: str, source: str) -> pd.DataFrame:
    """The rows with the label as floating-point numbers.

    Raises:
        InputError: it is no number, or there are too few.
    """
    where = f"{source}: --target: column {target!r}"
    label = rows[target]
    if not pd.api.types.is_numeric_dtype(label) or pd.api.types.is_bool_dtype(label):
        raise InputError(
            f"{where}: expected numbers, got e.g. {label.iloc[0]!r}. Choose another column, or "
            "--kind classification."
        )
    if len(rows) < LEAST_ROWS:
        raise InputError(f"{where}: expected at least {LEAST_ROWS} labels, got {len(rows)}.")
    numbers = label.astype("float64")
    if not np.isfinite(numbers).all():
        raise InputError(f"{where}: expected finite numbers, got an infinite one.")
    return rows.assign(**{target: numbers})


def check_identifier(column: pd.Series[Any], source: str) -> None:
    """Refuse what cannot identify rows.

    Raises:
        InputError: it has missing values, is no text or whole number, or hardly differs.
    """
    where = f"{source}: --id: column {column.name!r}"
    if column.isna().any():
        raise InputError(f"{where}: expected no missing values, got {column.isna().sum():,}.")
    if not (is_text(column) or pd.api.types.is_integer_dtype(column)):
        raise InputError(f"{where}: expected text or whole numbers, got {column.dtype}.")
    if column.nunique() < LEAST_OF_CLASS:
        raise InputError(
            f"{where}: expected at least {LEAST_OF_CLASS} different ones, got {column.nunique()}."
        )
