"""The kind of each part of a formula, derived from the kinds of the columns."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

import numpy as np
import pandas as pd

from feature_store.derived_features.formula import Formula, FormulaError, Term
from feature_store.derived_features.formula_operations import (
    COMPARISONS,
    DATE_PARTS,
    Kind,
    operation,
)

_ISO_DATE: Final = re.compile(
    r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?)?", re.ASCII
)


@dataclass(frozen=True, eq=False)
class Node:
    """One step of a typed formula.

    Attributes:
        operator: as in `Term`; or "number" (a condition as 1 or 0), "holds" (a column of
            conditions, where a missing value is False), "unknown" (missing numbers).
        operands: its arguments.
        kind: the kind of its result.
        value: the constant, the choices of "in", or the column's name.
    """

    operator: str
    operands: tuple[Node, ...]
    kind: Kind
    value: object = None

    @property
    def is_constant(self) -> bool:
        """Whether its value is the same in all rows."""
        return self.operator == "constant"


def kind_of(column: pd.Series) -> Kind | None:
    """The kind of a column; None for values that no formula accepts (lists, complex numbers)."""
    dtype = column.dtype
    types = pd.api.types
    if isinstance(dtype, pd.CategoricalDtype):
        return kind_of(dtype.categories.to_series())
    if isinstance(dtype, pd.ArrowDtype):
        return _ARROW_KINDS.get(dtype.kind, _infer_kind(column))
    if types.is_bool_dtype(dtype):
        return Kind.CONDITION
    if types.is_complex_dtype(dtype):
        return None
    if types.is_numeric_dtype(dtype):
        return Kind.NUMBER
    if types.is_datetime64_any_dtype(dtype):
        return Kind.DATE
    if isinstance(dtype, pd.StringDtype):
        return Kind.STRING
    return _infer_kind(column)


# By `dtype.kind`, where a decimal is an object.
_ARROW_KINDS: Final = {
    **dict.fromkeys("iuf", Kind.NUMBER),
    "b": Kind.CONDITION,
    "M": Kind.DATE,
    "U": Kind.STRING,
}
_INFERRED_KINDS: Final = {
    "string": Kind.STRING,
    "boolean": Kind.CONDITION,
    "integer": Kind.NUMBER,
    "floating": Kind.NUMBER,
    "mixed-integer-float": Kind.NUMBER,
    "decimal": Kind.NUMBER,
    "datetime": Kind.DATE,
    "datetime64": Kind.DATE,
    "date": Kind.DATE,
    "empty": Kind.UNKNOWN,
}


def _infer_kind(column: pd.Series) -> Kind | None:
    return _INFERRED_KINDS.get(pd.api.types.infer_dtype(column, skipna=True))


def type_formulas(formulas: Sequence[Formula], kinds: Mapping[str, Kind | None]) -> dict[str, Node]:
    """Each formula's name with its typed steps.

    Raises:
        FormulaError: a column is unknown, a name is taken, or an operator does not accept its
            operands.
    """
    results: dict[str, Node] = {}
    for formula in formulas:
        if formula.name in kinds:
            raise FormulaError(
                f"{formula.name!r} is a column already; choose another name.",
                formula.text,
                formula.span,
            )
        try:
            node = _Typing(formula, kinds, results).type_term(formula.term)
        except RecursionError:
            raise FormulaError("too deeply nested.", formula.text, formula.span) from None
        if node.kind is Kind.UNKNOWN:
            node = Node("unknown", (node,), Kind.NUMBER)
        results[formula.name] = _to_condition(node) if node.kind is Kind.CONDITION else node
    return results


def _to_condition(node: Node) -> Node:
    """A condition without missing values: they become False."""
    return Node("holds", (node,), Kind.CONDITION) if node.operator == "column" else node


def _to_number(node: Node) -> Node:
    if node.kind is Kind.CONDITION:
        if node.is_constant:
            return Node("constant", (), Kind.NUMBER, float(bool(node.value)))
        return Node("number", (node,), Kind.NUMBER)
    if node.kind is Kind.UNKNOWN:
        return Node("unknown", (node,), Kind.NUMBER)
    return node


class _Typing:
    """Types the terms of one formula, each once, so that shared terms stay shared."""

    def __init__(
        self, formula: Formula, kinds: Mapping[str, Kind | None], results: Mapping[str, Node]
    ) -> None:
        self._formula = formula
        self._kinds = kinds
        self._results = results
        self._seen: dict[Term, Node] = {}

    def type_term(self, term: Term) -> Node:
        if term not in self._seen:
            operands = tuple(self.type_term(operand) for operand in term.operands)
            self._seen[term] = _fold(self._node(term, operands))
        return self._seen[term]

    def _node(self, term: Term, operands: tuple[Node, ...]) -> Node:
        match term.operator:
            case "column":
                return self._column(term)
            case "constant":
                return Node("constant", (), _constant_kind(term.value), term.value)
            case "and" | "or" | "not":
                return self._logic(term, operands)
            case operator if operator in COMPARISONS:
                return self._comparison(term, term.operator, operands[0], operands[1])
            case "in" if operands[0].kind is Kind.STRING and all(
                choice.kind is Kind.STRING for choice in operands[1:]
            ):
                choices = tuple(choice.value for choice in operands[1:])
                return Node("in", operands[:1], Kind.CONDITION, choices)
            case "in":
                compared = [
                    self._comparison(term, "==", operands[0], choice) for choice in operands[1:]
                ]
                return _chain("or", compared, Kind.CONDITION)
            case "where":
                return self._where(term, operands)
            case "isna" | "notna":
                missing = _fold(Node("isna", operands, Kind.CONDITION))
                return (
                    missing if term.operator == "isna" else Node("not", (missing,), Kind.CONDITION)
                )
            case "coalesce" | "fillna":
                return self._coalesce(term, operands)
            case "days_between":
                return Node("days_between", self._dates(term, operands), Kind.NUMBER)
            case part if part in DATE_PARTS:
                return Node(part, self._dates(term, operands), Kind.NUMBER)
            case _:
                return self._arithmetic(term, operands)

    def _column(self, term: Term) -> Node:
        name = str(term.value)
        if name in self._results:
            return self._results[name]
        if name not in self._kinds:
            known = [*self._kinds, *self._results]
            close = get_close_matches(name, known, n=1)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            listed = ", ".join(sorted(known)[:30]) + (", ..." if len(known) > 30 else "")
            raise self._error(f"unknown column {name!r}{hint}. Known columns: {listed}.", term)
        kind = self._kinds[name]
        if kind is None:
            raise self._error(
                f"column {name!r}: expected numbers, conditions, strings or dates.",
                term,
            )
        return Node("column", (), kind, name)

    def _logic(self, term: Term, operands: tuple[Node, ...]) -> Node:
        for operand, part in zip(operands, term.operands, strict=True):
            if operand.kind not in {Kind.CONDITION, Kind.UNKNOWN}:
                raise self._error(
                    f"`{term.operator}` takes conditions, this is {operand.kind}; compare it (and "
                    "put a comparison next to & or | in parentheses).",
                    part,
                )
        conditions = [_to_condition(operand) for operand in operands]
        if term.operator == "not":
            return Node("not", tuple(conditions), Kind.CONDITION)
        return _chain(term.operator, conditions, Kind.CONDITION)

    def _comparison(self, term: Term, operator: str, left: Node, right: Node) -> Node:
        kinds = {left.kind, right.kind} - {Kind.UNKNOWN}
        if Kind.DATE in kinds and Kind.STRING in kinds:
            left, right = (self._date(term, operand) for operand in (left, right))
            kinds = {Kind.DATE}
        if kinds <= {Kind.NUMBER, Kind.CONDITION}:
            return _fold(Node(operator, (_to_number(left), _to_number(right)), Kind.CONDITION))
        if len(kinds) > 1:
            raise self._error(f"this compares {left.kind} with {right.kind}.", term)
        if kinds == {Kind.STRING} and operator not in {"==", "!="}:
            raise self._error("compare strings with ==, != and in only.", term)
        return Node(operator, (left, right), Kind.CONDITION)

    def _where(self, term: Term, operands: tuple[Node, ...]) -> Node:
        condition, *branches = operands
        if condition.kind not in {Kind.CONDITION, Kind.UNKNOWN}:
            raise self._error(
                f"where() takes a condition first, this is {condition.kind}.", term.operands[0]
            )
        kind, unified = self._unify(term, branches)
        return Node("where", (_to_condition(condition), *unified), kind)

    def _coalesce(self, term: Term, operands: tuple[Node, ...]) -> Node:
        kind, unified = self._unify(term, operands)
        node = unified[-1]
        for operand, candidate in zip(operands[-2::-1], unified[-2::-1], strict=True):
            missing = _fold(Node("isna", (operand,), Kind.CONDITION))
            node = _fold(Node("where", (missing, node, candidate), kind))
        return node

    def _unify(self, term: Term, operands: Sequence[Node]) -> tuple[Kind, list[Node]]:
        """Convert the operands to one kind."""
        kinds = {operand.kind for operand in operands} - {Kind.UNKNOWN}
        if Kind.DATE in kinds and Kind.STRING in kinds:
            operands = [self._date(term, operand) for operand in operands]
            kinds = {Kind.DATE}
        if kinds == {Kind.CONDITION} and all(node.kind is Kind.CONDITION for node in operands):
            return Kind.CONDITION, [_to_condition(operand) for operand in operands]
        if kinds <= {Kind.NUMBER, Kind.CONDITION}:
            return Kind.NUMBER, [_to_number(operand) for operand in operands]
        if len(kinds) > 1:
            raise self._error(f"{term.operator}() mixes {' and '.join(sorted(kinds))}.", term)
        return kinds.pop(), list(operands)

    def _date(self, term: Term, node: Node) -> Node:
        if node.kind is Kind.STRING and node.is_constant:
            text = str(node.value)
            try:
                # pandas also reads "now" and "10:30", whose meaning depends on the day.
                if _ISO_DATE.fullmatch(text):
                    return Node("constant", (), Kind.DATE, pd.Timestamp(text))
            except ValueError:
                pass
            raise self._error(
                f'{node.value!r} is not a date; write one as "2024-12-31", or as '
                '"2024-12-31T23:59:59Z".',
                term,
            )
        return node

    def _dates(self, term: Term, operands: tuple[Node, ...]) -> tuple[Node, ...]:
        dates = tuple(self._date(term, operand) for operand in operands)
        for date, part in zip(dates, term.operands, strict=True):
            if date.kind not in {Kind.DATE, Kind.UNKNOWN}:
                raise self._error(f"{term.operator}() takes a date, this is {date.kind}.", part)
        return dates

    def _arithmetic(self, term: Term, operands: tuple[Node, ...]) -> Node:
        for operand, part in zip(operands, term.operands, strict=True):
            if operand.kind in {Kind.STRING, Kind.DATE}:
                named = (
                    f"`{term.operator}`" if not term.operator.isalnum() else f"{term.operator}()"
                )
                hint = (
                    ": use days_between(start, end), year(date), ..."
                    if operand.kind is Kind.DATE
                    else ""
                )
                raise self._error(f"{named} takes numbers, this is {operand.kind}{hint}.", part)
        numbers = tuple(_to_number(operand) for operand in operands)
        if term.operator == "plus":
            return numbers[0]
        if term.operator in {"min", "max"}:
            return _chain(term.operator, numbers, Kind.NUMBER)
        if term.operator == "clip":
            above = _fold(Node("max", (numbers[0], numbers[1]), Kind.NUMBER))
            return Node("min", (above, numbers[2]), Kind.NUMBER)
        return Node(term.operator, numbers, Kind.NUMBER)

    def _error(self, problem: str, term: Term) -> FormulaError:
        return FormulaError(problem, self._formula.text, term.span)


def _constant_kind(value: object) -> Kind:
    if isinstance(value, bool):
        return Kind.CONDITION
    return Kind.STRING if isinstance(value, str) else Kind.NUMBER


def _chain(operator: str, operands: Sequence[Node], kind: Kind) -> Node:
    """`a op b op c` as a balanced tree of steps with two operands."""
    if len(operands) == 1:
        return operands[0]
    half = len(operands) // 2
    sides = (_chain(operator, operands[:half], kind), _chain(operator, operands[half:], kind))
    return _fold(Node(operator, sides, kind))


def _fold(node: Node) -> Node:
    """The step, or its result if all operands are constants."""
    operands = node.operands
    if not operands or not all(operand.is_constant for operand in operands):
        return node
    run = operation(node.operator, [operand.kind for operand in operands], node.kind, node.value)
    with np.errstate(all="ignore"):
        values = (
            pd.Series([operand.value])
            if isinstance(operand.value, str | pd.Timestamp)
            else np.array([operand.value])
            for operand in operands
        )
        (result,) = run(*values)
    value = result if node.kind in {Kind.STRING, Kind.DATE} else result.item()
    return Node("constant", (), node.kind, value)
