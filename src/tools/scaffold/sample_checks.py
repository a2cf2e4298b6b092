"""Check that a sample can become a table, and that a model can learn from it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cli.errors import InputError
from tools.scaffold.code_names import MAX_LENGTH, USABLE, is_usable
from tools.scaffold.columns import is_text

# 70 % of the rows train, in five folds that must each have every class.
MIN_ROWS_PER_CLASS = 10
MIN_ROWS = 30
MAX_CLASSES = 30
# Begins the names of the probability columns that a model adds (modelling.evaluation.metrics).
PROBABILITY = "probability_"


def check_chosen(rows: pd.DataFrame, source: str, chosen: Mapping[str, Sequence[str]]) -> None:
    """Check the columns that options name; `chosen` maps each option to its columns.

    Raises:
        InputError: a column does not exist, or two options name it.
    """
    columns = [str(name) for name in rows.columns]
    options: dict[str, str] = {}
    for option, names in chosen.items():
        for name in names:
            if name not in columns:
                close = difflib.get_close_matches(name, columns, n=1)
                hint = f"Did you mean {close[0]!r}?" if close else f"Columns: {', '.join(columns)}."
                raise InputError(f"{source}: {option}: there is no column {name!r}. {hint}")
            if name in options:
                raise InputError(f"{source}: {name!r} cannot be both {options[name]} and {option}.")
            options[name] = option


def check_names(rows: pd.DataFrame, source: str) -> None:
    """Check that every column has a name that generated code can contain.

    Raises:
        InputError: a name is missing, too long or not printable.
    """
    for number, name in enumerate(map(str, rows.columns), start=1):
        if not name.strip():
            raise InputError(
                f"{source}: column {number} has no name. Name it. If it is an index that pandas "
                "wrote, leave it out: to_csv(…, index=False)."
            )
        if not is_usable(name):
            raise InputError(
                f"{source}: column {name[:MAX_LENGTH]!r}: expected a name of {USABLE}. Rename it."
            )


def check_label(label: pd.Series[Any], source: str) -> None:
    """Check that the label has different values.

    Raises:
        InputError: it has no values, or only one.
    """
    where = f"{source}: --target: column {label.name!r}"
    if label.empty:
        raise InputError(f"{where} has no values. Expected a label in each row to learn from.")
    if label.nunique() == 1:
        raise InputError(
            f"{where} is {label.iloc[0]!r} in each row that has a label. Expected at least two "
            "different labels."
        )


def convert_to_classes(rows: pd.DataFrame, target: str, source: str) -> pd.DataFrame:
    """Convert the label to strings, and check that each class has enough rows.

    Raises:
        InputError: there are too many classes, or too few rows of one.
    """
    where = f"{source}: --target: column {target!r}"
    if PROBABILITY in target:
        raise InputError(
            f"{where}: names with {PROBABILITY} are reserved for the model's outputs. Rename the "
            "column."
        )
    classes = rows[target].astype("str")
    counts = classes.value_counts()
    if len(counts) > MAX_CLASSES:
        raise InputError(
            f"{where} has {len(counts):,} different values, expected at most {MAX_CLASSES} "
            "classes. Choose another column, or --kind regression for a number."
        )
    for name, count in counts.items():
        if count < MIN_ROWS_PER_CLASS:
            raise InputError(
                f"{where}: expected at least {MIN_ROWS_PER_CLASS} rows of each class, got {count} "
                f"of {name!r}. Add rows, or leave the class out."
            )
        if not is_usable(str(name)):
            raise InputError(
                f"{where}: expected classes of {USABLE}, got {str(name)[:MAX_LENGTH]!r}."
            )
    return rows.assign(**{target: classes})


def convert_to_numbers(rows: pd.DataFrame, target: str, source: str) -> pd.DataFrame:
    """Convert the label to floating-point numbers.

    Raises:
        InputError: it is not a finite number, or there are too few rows.
    """
    where = f"{source}: --target: column {target!r}"
    label = rows[target]
    if not pd.api.types.is_numeric_dtype(label) or pd.api.types.is_bool_dtype(label):
        raise InputError(
            f"{where}: expected numbers, got e.g. {label.iloc[0]!r}. Choose another column, or "
            "--kind classification."
        )
    if len(rows) < MIN_ROWS:
        raise InputError(f"{where}: expected at least {MIN_ROWS} labels, got {len(rows)}.")
    numbers = label.astype("float64")
    if not np.isfinite(numbers).all():
        raise InputError(f"{where}: expected finite numbers, got an infinite one.")
    return rows.assign(**{target: numbers})


def check_identifier(column: pd.Series[Any], source: str) -> None:
    """Check that a column can identify rows.

    Raises:
        InputError: it has missing values, is neither text nor integers, or hardly varies.
    """
    where = f"{source}: --id: column {column.name!r}"
    if column.isna().any():
        raise InputError(f"{where}: expected no missing values, got {column.isna().sum():,}.")
    if not (is_text(column) or pd.api.types.is_integer_dtype(column)):
        raise InputError(f"{where}: expected text or integers, got {column.dtype}.")
    if column.nunique() < MIN_ROWS_PER_CLASS:
        raise InputError(
            f"{where}: expected at least {MIN_ROWS_PER_CLASS} different values, got "
            f"{column.nunique()}."
        )
