"""Filters: conditions that select rows of a view, as a string or as a list.

As a string, in Python syntax (parsed, never run):

    revenue > 1e6 and country in ("NL", "DE")
    not (industry is None or 10 <= employees < 250)
    event_timestamp >= "2024-01-01"

As a list, as in pandas and pyarrow: `[("country", "==", "NL"), ("revenue", ">", 1e6)]`, where all
conditions must be true, or a list of such lists, where one list must be true.

As in SQL, a missing value passes only `is None`. A timestamp is a string with a time zone, or a
date, which means its 00:00 UTC.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from itertools import product
from numbers import Real
from typing import Any

import pandas as pd

from feature_store.errors import FeatureStoreError, unknown_names
from feature_store.timestamps import to_timestamp

type Condition = tuple[str, str, Any]
type Alternatives = list[list[Condition]]
type Filter = str | Sequence[Condition] | Sequence[Sequence[Condition]]

_MOST_ALTERNATIVES = 256
_NEGATED = {
    "==": "!=",
    "!=": "==",
    "<": ">=",
    ">=": "<",
    ">": "<=",
    "<=": ">",
    "in": "not in",
    "not in": "in",
    "is": "is not",
    "is not": "is",
}
_MIRRORED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "==": "==", "!=": "!="}
_OPERATORS: Mapping[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.In: "in",
    ast.NotIn: "not in",
    ast.Is: "is",
    ast.IsNot: "is not",
}


def parse_filter(given: Filter | None, dtypes: Mapping[str, Any], what: str) -> Alternatives | None:
    """Parse a filter to alternatives, each a list of conditions; None for no filter.

    `dtypes` maps the columns to their pandas dtypes. `what` names their owner in errors.

    Raises:
        FeatureStoreError: the filter cannot be parsed, names an unknown column, or compares a
            column with a value of another kind.
    """
    if given is None:
        return None
    alternatives = _parse(given) if isinstance(given, str) else _to_alternatives(given)
    if alternatives is None:
        return None
    names = {name for conditions in alternatives for name, _, _ in conditions}
    if not names <= set(dtypes):
        raise unknown_names(
            f"{what}: the filter has no column", sorted(names - set(dtypes)), dtypes
        )
    return [
        [_check(condition, dtypes[condition[0]]) for condition in conditions]
        for conditions in alternatives
    ]


def _to_alternatives(given: Sequence[Any]) -> Alternatives | None:
    if not given:
        return None
    several = all(isinstance(part, list) for part in given)
    alternatives = [list(part) for part in given] if several else [list(given)]
    for condition in (part for conditions in alternatives for part in conditions):
        if not (isinstance(condition, tuple) and len(condition) == 3):
            raise FeatureStoreError(
                f"filter: expected tuples such as ('revenue', '>', 1e6), got {condition!r}."
            )
        if condition[1] not in _NEGATED:
            raise unknown_names("filter: no operator", [str(condition[1])], _NEGATED)
    return alternatives


def _parse(text: str) -> Alternatives:
    text = text.strip()
    try:
        return _alternatives(ast.parse(text, mode="eval").body, text, negated=False)
    except SyntaxError as error:
        offset = error.offset - 1 if error.offset else len(text)
        hint = " (use == for equality)" if text[offset : offset + 1] == "=" else ""
        raise _error(text, offset, f"cannot be parsed from here on{hint}") from None
    except (ValueError, RecursionError, MemoryError):
        raise _error(text, 0, "cannot be parsed") from None


def _alternatives(node: ast.expr, text: str, *, negated: bool) -> Alternatives:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return _alternatives(node.operand, text, negated=not negated)
    if isinstance(node, ast.BoolOp):
        parts = [_alternatives(value, text, negated=negated) for value in node.values]
        return _combine(parts, isinstance(node.op, ast.And) != negated, text, node)
    if not isinstance(node, ast.Compare):
        raise _error(text, node.col_offset, "expected a comparison such as revenue > 1e6")
    values = [node.left, *node.comparators]
    conditions = [
        _condition(left, operator, right, text, negated=negated)
        for left, operator, right in zip(values, node.ops, values[1:], strict=False)
    ]
    return _combine([[[condition]] for condition in conditions], not negated, text, node)


def _combine(parts: list[Alternatives], every: bool, text: str, node: ast.expr) -> Alternatives:
    if not every:
        return [conditions for part in parts for conditions in part]
    count = 1
    for part in parts:
        count *= len(part)
    if count > _MOST_ALTERNATIVES:
        raise _error(text, node.col_offset, f"expands to {count:,} alternatives; simplify it")
    return [[each for conditions in choice for each in conditions] for choice in product(*parts)]


def _condition(
    left: ast.expr, operator: ast.cmpop, right: ast.expr, text: str, *, negated: bool
) -> Condition:
    symbol = _OPERATORS[type(operator)]
    if isinstance(right, ast.Name) and not isinstance(left, ast.Name) and symbol in _MIRRORED:
        left, right, symbol = right, left, _MIRRORED[symbol]
    if not isinstance(left, ast.Name):
        raise _error(text, left.col_offset, "expected the name of a column")
    return left.id, _NEGATED[symbol] if negated else symbol, _literal(right, text)


def _literal(node: ast.expr, text: str) -> Any:
    if isinstance(node, ast.Tuple | ast.List):
        return [_literal(element, text) for element in node.elts]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _literal(node.operand, text)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return -value
    elif isinstance(node, ast.Constant) and isinstance(node.value, str | int | float | None):
        return node.value
    raise _error(text, node.col_offset, 'expected a value such as 1e6, "NL" or ("NL", "DE")')


def _error(text: str, offset: int, problem: str) -> FeatureStoreError:
    line = text.strip().splitlines()[0] if text.strip() else ""
    return FeatureStoreError(f"filter: {problem}:\n  {line}\n  {' ' * offset}^")


def _check(condition: Condition, dtype: Any) -> Condition:
    column, operator, value = condition
    if operator in ("is", "is not"):
        if value is not None:
            raise FeatureStoreError(
                f"filter: column {column!r}: `{operator}` tests for missing values only; write "
                f"`{column} {operator} None`, or use == and != for other values."
            )
        return condition
    if operator in ("in", "not in"):
        if isinstance(value, str) or not isinstance(value, list | tuple | set | frozenset):
            raise FeatureStoreError(
                f"filter: column {column!r}: `{operator}` expects several values, got {value!r}."
            )
        return column, operator, [_value(column, each, dtype) for each in value]
    return column, operator, _value(column, value, dtype)


def _value(column: str, value: Any, dtype: Any) -> Any:
    """The value, if it has the column's kind; timestamps in UTC."""
    expected = "a value"
    if value is not None:
        if isinstance(dtype, pd.DatetimeTZDtype):
            return to_timestamp(value, f"filter: column {column!r}")
        if pd.api.types.is_bool_dtype(dtype):
            if isinstance(value, bool):
                return value
            expected = "True or False"
        elif pd.api.types.is_numeric_dtype(dtype):
            if isinstance(value, Real) and not isinstance(value, bool):
                return value
            expected = "a number"
        elif isinstance(value, str):
            return value
        else:
            expected = "a string"
    raise FeatureStoreError(
        f"filter: column {column!r}: expected {expected}, got {value!r}."
        + (f" Write `{column} is None` for missing values." if value is None else "")
    )
