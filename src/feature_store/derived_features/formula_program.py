"""The computation of typed formulas, chunk by chunk: numexpr if it has the operation, else numpy.

numexpr gets its own expression nodes and never a string, because it would parse a string with
Python's `eval`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
import pandas as pd
from numexpr.expressions import ConstantNode, FuncNode, OpNode, VariableNode
from numexpr.necompiler import NumExpr, double

from feature_store.derived_features.formula import FormulaError, parse_formulas
from feature_store.derived_features.formula_operations import NUMERIC, Kind, operation
from feature_store.derived_features.formula_types import Node, type_formulas

# The intermediate results of a chunk fit in the processor's cache.
CHUNK_ROWS: Final = 1 << 17
# numexpr has 255 registers and up to 32 operands.
MAX_COST: Final = 120
MAX_VARIABLES: Final = 24

# numexpr's names of the operations that give exactly numpy's results; `//` and `%` do not.
_BINARY: Final = {"+": "add", "-": "sub", "*": "mul", "/": "div", "and": "and", "or": "or"}
_COMPARISONS: Final = {"<": "gt", "<=": "ge", ">": "gt", ">=": "ge", "==": "eq", "!=": "ne"}
_UNARY: Final = {"negative": "neg", "not": "invert", "sqrt": "sqrt"}
_FUNCTIONS: Final = {
    "abs": "absolute",
    "max": "maximum",
    "min": "minimum",
    **{
        name: name
        for name in (
            "ceil",
            "exp",
            "expm1",
            "floor",
            "log",
            "log10",
            "log1p",
            "log2",
            "round",
            "sign",
        )
    },
}
_FUSED: Final = {
    *_BINARY,
    *_COMPARISONS,
    *_UNARY,
    *_FUNCTIONS,
    "**",
    "isna",
    "number",
    "where",
}


@dataclass(frozen=True)
class _Step:
    """Computes `slot` from `inputs`: slots or constants."""

    slot: int
    run: Callable[..., Any]
    inputs: tuple[int | Node, ...]
    is_fused: bool = False


@dataclass(frozen=True)
class _Load:
    slot: int
    column: str
    form: str


@dataclass(frozen=True, eq=False)
class _Fused:
    """A part of a numexpr program, with the size of its tree and the slots it reads."""

    expression: Any
    cost: int
    slots: frozenset[int]


class Program:
    """Compiled formulas, for frames whose columns have the expected kinds.

    Attributes:
        results: the name and kind of each new column.
    """

    def __init__(self, nodes: Mapping[str, Node]) -> None:
        self.results = {name: node.kind for name, node in nodes.items()}
        self._loads: list[_Load] = []
        self._steps: list[_Step] = []
        self._slots: dict[Node, int] = {}
        self._forms: dict[tuple[str, str], int] = {}
        self._fused: dict[Node, _Fused] = {}
        self._kinds: dict[int, Kind] = {}
        self._outputs: dict[str, int | Node] = {}
        for name, node in nodes.items():
            self._outputs[name] = node if node.is_constant else self._slot(node)

    def run(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Compute the new columns, with the index of `frame`."""
        rows = len(frame)
        loaders = [_loader(frame[load.column], load.form) for load in self._loads]
        arrays: dict[str, Any] = {}
        pieces: dict[str, list[pd.Series]] = {}
        for name, kind in self.results.items():
            if kind in NUMERIC:
                arrays[name] = np.empty(rows, dtype=bool if kind is Kind.CONDITION else np.float64)
            else:
                pieces[name] = []
        with np.errstate(all="ignore"):
            # Without rows, one empty chunk gives the dtypes.
            for start in range(0, max(rows, 1), CHUNK_ROWS):
                stop = min(start + CHUNK_ROWS, rows)
                outs = {name: array[start:stop] for name, array in arrays.items()}
                self._run_chunk(loaders, slice(start, stop), outs, pieces)
        columns: dict[str, Any] = {
            name: arrays[name]
            if name in arrays
            else pd.concat(pieces[name], ignore_index=True).set_axis(frame.index)
            for name in self.results
        }
        return pd.DataFrame(columns, index=frame.index, copy=False)

    def _run_chunk(
        self,
        loaders: list[Callable[[slice], Any]],
        rows: slice,
        outs: Mapping[str, Any],
        pieces: Mapping[str, list[pd.Series]],
    ) -> None:
        values: dict[int, Any] = {
            load.slot: loader(rows) for load, loader in zip(self._loads, loaders, strict=True)
        }
        targets = {
            slot: outs[name]
            for name, slot in self._outputs.items()
            if name in outs and isinstance(slot, int)
        }
        for step in self._steps:
            inputs = [
                values[given] if isinstance(given, int) else given.value for given in step.inputs
            ]
            if step.is_fused:
                values[step.slot] = step.run(*inputs, out=targets.get(step.slot), ex_uses_vml=False)
            else:
                values[step.slot] = step.run(*inputs)
        for name, source in self._outputs.items():
            value = values[source] if isinstance(source, int) else source.value
            if name not in outs:
                length = rows.stop - rows.start
                pieces[name].append(
                    value if isinstance(value, pd.Series) else _repeat(value, length)
                )
            elif value is not outs[name]:
                outs[name][...] = value

    def _slot(self, node: Node) -> int:
        """The slot of `node`; adds the steps that compute it."""
        if node in self._slots:
            return self._slots[node]
        form = _form(node)
        if form is not None:
            slot = self._load(*form, kind=node.kind)
        elif _is_fusible(node):
            slot = self._add_fused(node)
        else:
            slot = self._add(node)
        self._slots[node] = slot
        return slot

    def _load(self, column: str, form: str, *, kind: Kind) -> int:
        if (column, form) not in self._forms:
            slot = self._new_slot(kind)
            self._forms[column, form] = slot
            self._loads.append(_Load(slot, column, form))
        return self._forms[column, form]

    def _add(self, node: Node) -> int:
        inputs: list[int | Node] = [
            operand if operand.is_constant else self._slot(operand) for operand in node.operands
        ]
        kinds = [operand.kind for operand in node.operands]
        run = operation(node.operator, kinds, node.kind, node.value)
        slot = self._new_slot(node.kind)
        self._steps.append(_Step(slot, run, tuple(inputs)))
        return slot

    def _add_fused(self, node: Node) -> int:
        fused = self._fuse(node)
        inputs = sorted(fused.slots)
        signature = [(f"v{slot}", _TYPES[self._kinds[slot]]) for slot in inputs]
        run = NumExpr(fused.expression, signature=signature)
        slot = self._new_slot(node.kind)
        self._steps.append(_Step(slot, run, tuple(inputs), is_fused=True))
        return slot

    def _fuse(self, node: Node) -> _Fused:
        if node not in self._fused:
            if node.is_constant:
                self._fused[node] = _Fused(_constant(node), 1, frozenset())
            elif node in self._slots or not _is_fusible(node):
                self._fused[node] = self._variable(node)
            else:
                self._fused[node] = self._fused_operation(node)
        return self._fused[node]

    def _fused_operation(self, node: Node) -> _Fused:
        operands = [self._fuse(operand) for operand in node.operands]
        twice = 2 if node.operator == "**" else 1
        for part in sorted(operands, key=lambda operand: -operand.cost):
            slots = frozenset().union(*(operand.slots for operand in operands))
            cost = 4 + twice * sum(operand.cost for operand in operands)
            if cost <= MAX_COST and len(slots) <= MAX_VARIABLES:
                break
            # Too large for one program, so compute the largest part separately.
            at = operands.index(part)
            operands[at] = self._variable(node.operands[at])
            self._fused[node.operands[at]] = operands[at]
        slots = frozenset().union(*(operand.slots for operand in operands))
        cost = 4 + twice * sum(operand.cost for operand in operands)
        return _Fused(_expression(node, [part.expression for part in operands]), cost, slots)

    def _variable(self, node: Node) -> _Fused:
        if node.is_constant:
            return self._fuse(node)
        slot = self._slot(node)
        kind = "bool" if node.kind is Kind.CONDITION else "double"
        return _Fused(VariableNode(f"v{slot}", kind), 1, frozenset({slot}))

    def _new_slot(self, kind: Kind) -> int:
        slot = len(self._kinds)
        self._kinds[slot] = kind
        return slot


_TYPES: Final = {Kind.NUMBER: double, Kind.CONDITION: bool}


def compile_formulas(
    formula: str | tuple[str, ...], kinds: tuple[tuple[str, Kind | None], ...]
) -> Program:
    """The program of formulas for columns of these kinds, for this thread only.

    A numexpr program has one set of registers, so threads must not share one.

    Raises:
        FormulaError: a formula is invalid or does not fit the columns.
    """
    return _compile(formula, kinds, threading.get_ident())


@lru_cache(maxsize=256)
def _compile(
    formula: str | tuple[str, ...], kinds: tuple[tuple[str, Kind | None], ...], _thread: int
) -> Program:
    formulas = parse_formulas(formula)
    try:
        return Program(type_formulas(formulas, dict(kinds)))
    except RecursionError:
        first = formulas[0]
        raise FormulaError("too deeply nested.", first.text, first.span) from None


def _form(node: Node) -> tuple[str, str] | None:
    """The column and form that a node reads, if it computes nothing."""
    if node.operator == "column":
        forms = {Kind.NUMBER: "number", Kind.CONDITION: "condition"}
        return str(node.value), forms.get(node.kind, "object")
    if len(node.operands) == 1 and node.operands[0].operator == "column":
        column = node.operands[0]
        if node.operator == "holds":
            return str(column.value), "condition"
        if node.operator in {"number", "unknown"}:
            return str(column.value), "number"
        if node.operator == "isna" and column.kind is not Kind.NUMBER:
            return str(column.value), "missing"
    return None


def _is_fusible(node: Node) -> bool:
    return (
        node.operator in _FUSED
        and node.kind in NUMERIC
        and all(operand.kind in NUMERIC for operand in node.operands)
        and _form(node) is None
    )


def _constant(node: Node) -> Any:
    value: Any = node.value
    if node.kind is Kind.NUMBER and value == 0 and np.signbit(value):
        # numexpr uses one register for 0.0 and -0.0, which compare equal.
        return OpNode("neg", (_constant(Node("constant", (), Kind.NUMBER, 0.0)),), "double")
    constant = ConstantNode(value)
    constant.astKind = "bool" if node.kind is Kind.CONDITION else "double"
    return constant


def _expression(node: Node, operands: list[Any]) -> Any:
    """One operation as a numexpr node.

    numexpr's operators would turn `x / 10` into `x * 0.1`.
    """
    name = node.operator
    kind = "bool" if node.kind is Kind.CONDITION else "double"
    if name in _BINARY:
        return OpNode(_BINARY[name], operands, kind)
    if name in _COMPARISONS:
        return OpNode(
            _COMPARISONS[name], operands[::-1] if name in {"<", "<="} else operands, "bool"
        )
    if name in _UNARY:
        return OpNode(_UNARY[name], operands, kind)
    if name in _FUNCTIONS:
        return FuncNode(_FUNCTIONS[name], operands, kind)
    if name == "isna":
        if node.operands[0].kind is Kind.CONDITION:
            return ConstantNode(False)
        return FuncNode("isnan", operands, "bool")
    if name == "number":
        return FuncNode("where", [*operands, _one(1.0), _one(0.0)], "double")
    if name == "where":
        return FuncNode("where", operands, kind)
    return _power(node, *operands)


def _one(value: float) -> Any:
    return _constant(Node("constant", (), Kind.NUMBER, value))


def _power(node: Node, base: Any, exponent: Any) -> Any:
    known = node.operands[1].value if node.operands[1].is_constant else None
    if known == 2:
        return OpNode("mul", (base, base), "double")
    power = OpNode("pow", (base, exponent), "double")
    if known is not None and known != 0:
        return power
    missing = OpNode(
        "or",
        (FuncNode("isnan", (base,), "bool"), FuncNode("isnan", (exponent,), "bool")),
        "bool",
    )
    return FuncNode("where", (missing, _one(float("nan")), power), "double")


def _loader(column: pd.Series, form: str) -> Callable[[slice], Any]:
    """A function that reads a slice of a column as one form: number, condition, object, missing."""
    dtype = column.dtype
    if form == "object":
        return lambda rows: column.iloc[rows].reset_index(drop=True)
    if form == "missing":
        return lambda rows: column.iloc[rows].isna().to_numpy()
    wanted: Any = np.float64 if form == "number" else bool
    if isinstance(dtype, np.dtype) and dtype.isnative and np.can_cast(dtype, wanted, "safe"):
        array = column.to_numpy()
        return lambda rows: array[rows]
    gap = np.nan if form == "number" else False
    return lambda rows: column.iloc[rows].to_numpy(dtype=wanted, na_value=gap)


def _repeat(value: Any, rows: int) -> pd.Series:
    return pd.Series([value] * rows, dtype="str" if isinstance(value, str) else None)
