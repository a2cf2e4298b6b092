"""What kind of value each part of a formula has, given the kinds of the columns."""

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
            conditions, where what is missing does not hold), "unknown" (missing numbers).
        operands: what it works on.
        kind: what it gives.
        value: the constant, the constants of "in", or the column's name.
    """

    operator: str
    operands: tuple[Node, ...]
    kind: Kind
    value: object = None

    @property
    def constant(self) -> bool:
        """Whether it is the same in all rows."""
        return self.operator == "constant"


def kind_of(column: pd.Series) -> Kind | None:
    """The kind of a column's values; None is what no formula takes (lists, complex numbers)."""
    dtype = column.dtype
    types = pd.api.types
    if isinstance(dtype, pd.CategoricalDtype):
        return kind_of(dtype.categories.to_series())
    if isinstance(dtype, pd.ArrowDtype):
        return _ARROW_KINDS.get(dtype.kind, _inferred(column))
    if types.is_bool_dtype(dtype):
        return Kind.CONDITION
    if types.is_complex_dtype(dtype):
        return None
    if types.is_numeric_dtype(dtype):
        return Kind.NUMBER
    if types.is_datetime64_any_dtype(dtype):
        return Kind.MOMENT
    if isinstance(dtype, pd.StringDtype):
        return Kind.TEXT
    return _inferred(column)


# By `dtype.kind`; a decimal is an object there.
_ARROW_KINDS: Final = {
    **dict.fromkeys("iuf", Kind.NUMBER),
    "b": Kind.CONDITION,
    "M": Kind.MOMENT,
    "U": Kind.TEXT,
}
_INFERRED_KINDS: Final = {
    "string": Kind.TEXT,
    "boolean": Kind.CONDITION,
    "integer": Kind.NUMBER,
    "floating": Kind.NUMBER,
    "mixed-integer-float": Kind.NUMBER,
    "decimal": Kind.NUMBER,
    "datetime": Kind.MOMENT,
    "datetime64": Kind.MOMENT,
    "date": Kind.MOMENT,
    "empty": Kind.UNKNOWN,
}


def _inferred(column: pd.Series) -> Kind | None:
    return _INFERRED_KINDS.get(pd.api.types.infer_dtype(column, skipna=True))


def typed(formulas: Sequence[Formula], kinds: Mapping[str, Kind | None]) -> dict[str, Node]:
    """Each formula's name with its typed steps.

    Raises:
        FormulaError: a column is unknown, a name is taken, or an operator cannot take what it is
            given.
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
            node = _Typing(formula, kinds, results).typed(formula.term)
        except RecursionError:
            raise FormulaError("too deeply nested.", formula.text, formula.span) from None
        if node.kind is Kind.UNKNOWN:
            node = Node("unknown", (node,), Kind.NUMBER)
        results[formula.name] = _condition(node) if node.kind is Kind.CONDITION else node
    return results


def _condition(node: Node) -> Node:
    """A condition without missing values: what is missing does not hold."""
    return Node("holds", (node,), Kind.CONDITION) if node.operator == "column" else node


def _number(node: Node) -> Node:
    if node.kind is Kind.CONDITION:
        if node.constant:
            return Node("constant", (), Kind.NUMBER, float(bool(node.value)))
        return Node("number", (node,), Kind.NUMBER)
    if node.kind is Kind.UNKNOWN:
        return Node("unknown", (node,), Kind.NUMBER)
    return node


class _Typing:
    """One formula's walk; each term is typed once, so that what is shared stays shared."""

    def __init__(
        self, formula: Formula, kinds: Mapping[str, Kind | None], results: Mapping[str, Node]
    ) -> None:
        self._formula = formula
        self._kinds = kinds
        self._results = results
        self._seen: dict[Term, Node] = {}

    def typed(self, term: Term) -> Node:
        if term not in self._seen:
            operands = tuple(self.typed(operand) for operand in term.operands)
            self._seen[term] = _folded(self._node(term, operands))
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
            case "in" if operands[0].kind is Kind.TEXT and all(
                choice.kind is Kind.TEXT for choice in operands[1:]
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
                missing = _folded(Node("isna", operands, Kind.CONDITION))
                return (
                    missing if term.operator == "isna" else Node("not", (missing,), Kind.CONDITION)
                )
            case "coalesce" | "fillna":
                return self._coalesce(term, operands)
            case "days_between":
                return Node("days_between", self._moments(term, operands), Kind.NUMBER)
            case part if part in DATE_PARTS:
                return Node(part, self._moments(term, operands), Kind.NUMBER)
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
            raise self._error(f"unknown column {name!r}{hint}; there are {listed}.", term)
        kind = self._kinds[name]
        if kind is None:
            raise self._error(
                f"the values of column {name!r} are neither numbers, conditions, text nor dates.",
                term,
            )
        return Node("column", (), kind, name)

    def _logic(self, term: Term, operands: tuple[Node, ...]) -> Node:
        for operand, part in zip(operands, term.operands, strict=True):
            if operand.kind not in {Kind.CONDITION, Kind.UNKNOWN}:
                raise self._error(
                    f"`{term.operator}` takes conditions, this is {operand.kind}; compare it "
                    "(and put a comparison beside & or | into parentheses).",
                    part,
                )
        conditions = [_condition(operand) for operand in operands]
        if term.operator == "not":
            return Node("not", tuple(conditions), Kind.CONDITION)
        return _chain(term.operator, conditions, Kind.CONDITION)

    def _comparison(self, term: Term, operator: str, left: Node, right: Node) -> Node:
        kinds = {left.kind, right.kind} - {Kind.UNKNOWN}
        if Kind.MOMENT in kinds and Kind.TEXT in kinds:
            left, right = (self._moment(term, operand) for operand in (left, right))
            kinds = {Kind.MOMENT}
        if kinds <= {Kind.NUMBER, Kind.CONDITION}:
            return _folded(Node(operator, (_number(left), _number(right)), Kind.CONDITION))
        if len(kinds) > 1:
            raise self._error(f"this compares {left.kind} with {right.kind}.", term)
        if kinds == {Kind.TEXT} and operator not in {"==", "!="}:
            raise self._error("text is compared with ==, != and in only.", term)
        return Node(operator, (left, right), Kind.CONDITION)

    def _where(self, term: Term, operands: tuple[Node, ...]) -> Node:
        condition, *branches = operands
        if condition.kind not in {Kind.CONDITION, Kind.UNKNOWN}:
            raise self._error(
                f"where() takes a condition first, this is {condition.kind}.", term.operands[0]
            )
        kind, alike = self._alike(term, branches)
        return Node("where", (_condition(condition), *alike), kind)

    def _coalesce(self, term: Term, operands: tuple[Node, ...]) -> Node:
        kind, alike = self._alike(term, operands)
        node = alike[-1]
        for operand, candidate in zip(operands[-2::-1], alike[-2::-1], strict=True):
            missing = _folded(Node("isna", (operand,), Kind.CONDITION))
            node = _folded(Node("where", (missing, node, candidate), kind))
        return node

    def _alike(self, term: Term, operands: Sequence[Node]) -> tuple[Kind, list[Node]]:
        """The operands as values of one kind."""
        kinds = {operand.kind for operand in operands} - {Kind.UNKNOWN}
        if Kind.MOMENT in kinds and Kind.TEXT in kinds:
            operands = [self._moment(term, operand) for operand in operands]
            kinds = {Kind.MOMENT}
        if kinds == {Kind.CONDITION} and all(node.kind is Kind.CONDITION for node in operands):
            return Kind.CONDITION, [_condition(operand) for operand in operands]
        if kinds <= {Kind.NUMBER, Kind.CONDITION}:
            return Kind.NUMBER, [_number(operand) for operand in operands]
        if len(kinds) > 1:
            raise self._error(f"{term.operator}() mixes {' and '.join(sorted(kinds))}.", term)
        return kinds.pop(), list(operands)

    def _moment(self, term: Term, node: Node) -> Node:
        if node.kind is Kind.TEXT and node.constant:
            text = str(node.value)
            try:
                # Pandas reads much more, such as "now" and "10:30", which is of the day it runs on.
                if _ISO_DATE.fullmatch(text):
                    return Node("constant", (), Kind.MOMENT, pd.Timestamp(text))
            except ValueError:
                pass
            raise self._error(
                f'{node.value!r} is not a date; write one as "2024-12-31", or as '
                '"2024-12-31T23:59:59Z".',
                term,
            )
        return node

    def _moments(self, term: Term, operands: tuple[Node, ...]) -> tuple[Node, ...]:
        moments = tuple(self._moment(term, operand) for operand in operands)
        for moment, part in zip(moments, term.operands, strict=True):
            if moment.kind not in {Kind.MOMENT, Kind.UNKNOWN}:
                raise self._error(f"{term.operator}() takes a date, this is {moment.kind}.", part)
        return moments

    def _arithmetic(self, term: Term, operands: tuple[Node, ...]) -> Node:
        for operand, part in zip(operands, term.operands, strict=True):
            if operand.kind in {Kind.TEXT, Kind.MOMENT}:
                named = (
                    f"`{term.operator}`" if not term.operator.isalnum() else f"{term.operator}()"
                )
                hint = (
                    ": use days_between(start, end), year(date), ..."
                    if operand.kind is Kind.MOMENT
                    else ""
                )
                raise self._error(f"{named} takes numbers, this is {operand.kind}{hint}.", part)
        numbers = tuple(_number(operand) for operand in operands)
        if term.operator == "plus":
            return numbers[0]
        if term.operator in {"min", "max"}:
            return _chain(term.operator, numbers, Kind.NUMBER)
        if term.operator == "clip":
            above = _folded(Node("max", (numbers[0], numbers[1]), Kind.NUMBER))
            return Node("min", (above, numbers[2]), Kind.NUMBER)
        return Node(term.operator, numbers, Kind.NUMBER)

    def _error(self, problem: str, term: Term) -> FormulaError:
        return FormulaError(problem, self._formula.text, term.span)


def _constant_kind(value: object) -> Kind:
    if isinstance(value, bool):
        return Kind.CONDITION
    return Kind.TEXT if isinstance(value, str) else Kind.NUMBER


def _chain(operator: str, operands: Sequence[Node], kind: Kind) -> Node:
    """`a op b op c` as steps of two operands, in a tree as low as it can be."""
    if len(operands) == 1:
        return operands[0]
    half = len(operands) // 2
    sides = (_chain(operator, operands[:half], kind), _chain(operator, operands[half:], kind))
    return _folded(Node(operator, sides, kind))


def _folded(node: Node) -> Node:
    """The step, or its result where all it works on is written out."""
    operands = node.operands
    if not operands or not all(operand.constant for operand in operands):
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
    value = result if node.kind in {Kind.TEXT, Kind.MOMENT} else result.item()
    return Node("constant", (), node.kind, value)
