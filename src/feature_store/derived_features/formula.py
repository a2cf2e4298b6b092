"""The syntax of formulas, and errors that mark where a formula is invalid.

Python's parser reads the formula. Its nodes are then copied into `Term`s, one by one. A node that
is not listed below raises an error, and no part of the formula is ever run.
"""

from __future__ import annotations

import ast
import re
import textwrap
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from cli.errors import InputError

MAX_LENGTH: Final = 10_000
MAX_DEPTH: Final = 100

OPERATORS: Final[dict[type[ast.AST], str]] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.Pow: "**",
    ast.BitAnd: "and",
    ast.BitOr: "or",
    ast.And: "and",
    ast.Or: "or",
    ast.UAdd: "plus",
    ast.USub: "negative",
    ast.Not: "not",
    ast.Invert: "not",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}

# Name: minimum and maximum number of arguments, description.
FUNCTIONS: Final[dict[str, tuple[int, int | None, str]]] = {
    "abs": (1, 1, "absolute value"),
    "ceil": (1, 1, "x rounded up"),
    "clip": (3, 3, "clip(x, lower, upper): x limited to lower and upper"),
    "coalesce": (2, None, "the first argument that is not missing"),
    "day": (1, 1, "day of the month, 1 to 31"),
    "dayofweek": (1, 1, "0 for Monday to 6 for Sunday"),
    "dayofyear": (1, 1, "1 to 366"),
    "days_between": (2, 2, "days_between(start, end): days from start to end, with fractions"),
    "exp": (1, 1, "e to the power of x"),
    "expm1": (1, 1, "exp(x) - 1, exact for small x"),
    "fillna": (2, 2, "fillna(x, y): y where x is missing, else x"),
    "floor": (1, 1, "x rounded down"),
    "hour": (1, 1, "0 to 23"),
    "isna": (1, 1, "True if x is missing"),
    "log": (1, 1, "natural logarithm"),
    "log10": (1, 1, "logarithm to the base 10"),
    "log1p": (1, 1, "log(1 + x), exact for small x"),
    "log2": (1, 1, "logarithm to the base 2"),
    "max": (2, None, "the largest argument, row by row"),
    "min": (2, None, "the smallest argument, row by row"),
    "minute": (1, 1, "0 to 59"),
    "month": (1, 1, "1 to 12"),
    "notna": (1, 1, "True if x is not missing"),
    "quarter": (1, 1, "1 to 4"),
    "round": (1, 1, "x rounded to a whole number, halves to the even one"),
    "sign": (1, 1, "-1, 0 or 1"),
    "sqrt": (1, 1, "square root"),
    "where": (3, 3, "where(condition, a, b): a if the condition is True, else b"),
    "year": (1, 1, "year"),
}
CONSTANTS: Final = {"nan": float("nan"), "inf": float("inf"), "pi": 3.141592653589793}

_PIECES = re.compile(
    r"""(?P<text>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')"""
    r"""|`(?P<quoted>[^`\n]*)`|(?P<comment>\#[^\n]*)"""
)
# An error shows this many characters of a longer line.
_SHOWN = 80
# A name in backticks is replaced by a letter that the formula does not use, padded to its length.
_FIRST_PLACEHOLDER = 0x4E00


class FormulaError(InputError, ValueError):
    """An invalid formula; the message marks where.

    Attributes:
        problem: what is wrong, without the marked line.
        line: the marked line of the formula.
        column: where the marked part starts in that line, from 0.
    """

    def __init__(self, problem: str, text: str, span: Span | None = None) -> None:
        span = span or Span(0, len(text))
        start = min(span.start, len(text))
        first = text.rfind("\n", 0, start) + 1
        self.problem = problem
        self.line = text[first:].split("\n", 1)[0]
        self.column = start - first
        shown, before = self.line, self.column
        if len(shown) > _SHOWN:
            cut = max(0, before - _SHOWN // 2)
            shown, before = shown[cut : cut + _SHOWN], before - cut
        width = max(1, min(span.end - start, len(shown) - before))
        marked = f"\n  {shown}\n  {' ' * before}{'^' * width}" if shown else ""
        super().__init__(f"formula: {problem}{marked}")


@dataclass(frozen=True)
class Span:
    """A part of a formula: the characters from `start` up to, not including, `end`."""

    start: int
    end: int


@dataclass(frozen=True, eq=False)
class Term:
    """One node of a checked formula.

    Attributes:
        operator: one of `OPERATORS`, a name of `FUNCTIONS`, "in", "column" or "constant".
        operands: its arguments.
        value: the column's name, the constant, or the choices of "in".
        span: its position in the formula.
    """

    operator: str
    operands: tuple[Term, ...]
    value: object
    span: Span


@dataclass(frozen=True, eq=False)
class Formula:
    """`name = term`, parsed from `text`."""

    name: str
    term: Term
    text: str
    span: Span


def parse_formulas(formula: str | Sequence[str]) -> tuple[Formula, ...]:
    """Parse one or several formulas `name = expression`.

    Args:
        formula: a string, in which lines or semicolons separate the formulas, or several strings.

    Raises:
        FormulaError: a string is not a formula, or two formulas compute the same column.
    """
    texts = [formula] if isinstance(formula, str) else formula
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
        raise FormulaError(
            'expected a string such as "ratio = a / b", or a list of them.', repr(formula)
        )
    formulas = [parsed for text in texts for parsed in _Parser(text).formulas()]
    if not formulas:
        raise FormulaError('expected at least one, such as "ratio = a / b".', "")
    seen: set[str] = set()
    for parsed in formulas:
        if parsed.name in seen:
            raise FormulaError(
                f"{parsed.name!r} is computed twice; give each formula its own name.",
                parsed.text,
                parsed.span,
            )
        seen.add(parsed.name)
    return tuple(formulas)


class _Parser:
    def __init__(self, text: str) -> None:
        first, *others = "\n".join(text.strip().splitlines()).split("\n", 1)
        self.text = "\n".join([first, *map(textwrap.dedent, others)])
        if len(self.text) > MAX_LENGTH:
            raise self._error(
                f"expected at most {MAX_LENGTH} characters, got {len(self.text)}; use several "
                "formulas.",
                Span(0, 20),
            )
        self.quoted: dict[str, str] = {}
        self.readable = _PIECES.sub(self._replace_quoted, self.text)
        lines = self.readable.split("\n")
        self.starts = [0]
        for line in lines:
            self.starts.append(self.starts[-1] + len(line) + 1)
        self.lines = [line.encode(errors="surrogatepass") for line in lines]

    def formulas(self) -> list[Formula]:
        return [self._formula(statement) for statement in self._statements()]

    def _statements(self) -> list[ast.stmt]:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", SyntaxWarning)
                return ast.parse(self.readable).body
        except SyntaxError as error:
            line, column = error.lineno or 1, error.offset or 1
            start = self.starts[min(line, len(self.starts) - 1) - 1] + max(column - 1, 0)
            raise self._error(f"not a formula: {error.msg}.", Span(start, start + 1)) from None
        except (ValueError, RecursionError, MemoryError):
            raise self._error("not a formula, or too deeply nested.", Span(0, 20)) from None

    def _formula(self, statement: ast.stmt) -> Formula:
        span = self._span(statement)
        match statement:
            case ast.Assign(targets=[ast.Name() as target]):
                name = self.quoted.get(target.id, target.id)
                if not name:
                    raise self._error("a column needs a name.", span)
                return Formula(name, self._term(statement.value, 1), self.text, self._span(target))
        raise self._error("expected `name = expression`.", span)

    def _term(self, node: ast.expr, depth: int) -> Term:
        if depth > MAX_DEPTH:
            raise self._error(
                f"nested more than {MAX_DEPTH} deep (each operator of a long sum counts); "
                "compute parts of it in separate formulas.",
                self._span(node),
            )
        match node:
            case ast.Constant():
                return self._constant(node)
            case ast.Name(id=name):
                return self._name(node, name)
            case ast.BinOp(left, operator, right):
                return self._operation(operator, (left, right), node, depth)
            case ast.UnaryOp(operator, operand):
                return self._operation(operator, (operand,), node, depth)
            case ast.BoolOp(operator, values):
                return self._operation(operator, tuple(values), node, depth)
            case ast.Compare():
                return self._comparison(node, depth)
            case ast.Call(ast.Name(id=name), arguments, []):
                return self._call(node, name, arguments, depth)
            case ast.IfExp():
                problem = "write where(condition, a, b) instead of `a if condition else b`."
            case ast.Attribute():
                problem = "a formula has no attributes or methods, only columns and functions."
            case ast.Call(ast.Name()):
                problem = "functions take their arguments by position only."
            case _:
                problem = "expected columns, numbers, strings, operators and functions only."
        raise self._error(problem, self._span(node))

    def _constant(self, node: ast.Constant) -> Term:
        value, span = node.value, self._span(node)
        if isinstance(value, int) and not isinstance(value, bool):
            try:
                value = float(value)
            except OverflowError:
                raise self._error("this number is too large.", span) from None
        if isinstance(value, str) and self.text[span.start : span.start + 1] not in {"'", '"'}:
            raise self._error("write a string in plain quotes, without a prefix.", span)
        if value is None:
            raise self._error("write nan for a missing number, or test with isna(column).", span)
        if not isinstance(value, bool | float | str):
            raise self._error("expected a number, True, False or a string.", span)
        return Term("constant", (), value, span)

    def _name(self, node: ast.Name, name: str) -> Term:
        if name in self.quoted:
            return Term("column", (), self.quoted[name], self._span(node))
        if name in CONSTANTS:
            return Term("constant", (), CONSTANTS[name], self._span(node))
        return Term("column", (), name, self._span(node))

    def _operation(
        self, operator: ast.AST, operands: tuple[ast.expr, ...], node: ast.expr, depth: int
    ) -> Term:
        span = self._span(node)
        if type(operator) not in OPERATORS:
            raise self._error("this operator is not supported.", span)
        terms = tuple(self._term(operand, depth + 1) for operand in operands)
        return Term(OPERATORS[type(operator)], terms, None, span)

    def _comparison(self, node: ast.Compare, depth: int) -> Term:
        # Both halves of `a < b < c` share the term of `b`.
        lists = (ast.In, ast.NotIn)
        others = zip(node.ops, node.comparators, strict=True)
        terms = [self._term(node.left, depth + 1)] + [
            self._choices(other, depth)
            if isinstance(operator, lists)
            else self._term(other, depth + 1)
            for operator, other in others
        ]
        span = self._span(node)
        halves = []
        for operator, left, right in zip(node.ops, terms, terms[1:], strict=False):
            if isinstance(operator, lists):
                half = Term("in", (left, *right.operands), None, span)
                halves.append(
                    Term("not", (half,), None, span) if type(operator) is ast.NotIn else half
                )
            elif type(operator) in OPERATORS:
                halves.append(Term(OPERATORS[type(operator)], (left, right), None, span))
            else:
                raise self._error("compare with ==, !=, <, <=, > or >=; test with isna().", span)
        if len(halves) > 1 and any(isinstance(operator, lists) for operator in node.ops):
            raise self._error("`in` does not chain: write `(a in [...]) and ...`.", span)
        return halves[0] if len(halves) == 1 else Term("and", tuple(halves), None, span)

    def _choices(self, node: ast.expr, depth: int) -> Term:
        if isinstance(node, ast.List | ast.Tuple | ast.Set) and node.elts:
            terms = tuple(self._term(choice, depth + 1) for choice in node.elts)
            if all(term.operator == "constant" for term in terms):
                return Term("choices", terms, None, self._span(node))
        raise self._error('`in` takes a list of constants, such as ["NL", "BE"].', self._span(node))

    def _call(self, node: ast.Call, name: str, arguments: list[ast.expr], depth: int) -> Term:
        if name not in FUNCTIONS:
            raise self._error(
                f"unknown function {self.quoted.get(name, name)!r}{_close(name, FUNCTIONS)}; "
                f"known functions: {', '.join(FUNCTIONS)}.",
                self._span(node.func),
            )
        least, most, does = FUNCTIONS[name]
        if len(arguments) < least or (most is not None and len(arguments) > most):
            takes = f"{least}" if most == least else f"{least} or more"
            raise self._error(
                f"{name} takes {takes} argument{'s' * (takes != '1')}, "
                f"got {len(arguments)} ({does}).",
                self._span(node),
            )
        terms = tuple(self._term(argument, depth + 1) for argument in arguments)
        return Term(name, terms, None, self._span(node))

    def _replace_quoted(self, piece: re.Match[str]) -> str:
        quoted = piece["quoted"]
        if quoted is None:
            return piece[0]
        letter = next(
            letter
            for letter in map(chr, range(_FIRST_PLACEHOLDER, _FIRST_PLACEHOLDER + 20_000))
            if letter not in self.text and letter not in {name[0] for name in self.quoted}
        )
        # The padding keeps all positions. An empty name, ``, is refused later.
        name = letter + "_" * (len(piece[0]) - 1)
        self.quoted[name] = quoted
        return name

    def _span(self, node: ast.expr | ast.stmt) -> Span:
        start = self._position(node.lineno, node.col_offset)
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return Span(start, self._position(node.end_lineno, node.end_col_offset))

    def _position(self, line: int, byte: int) -> int:
        return self.starts[line - 1] + len(
            self.lines[line - 1][:byte].decode(errors="surrogatepass")
        )

    def _error(self, problem: str, span: Span) -> FormulaError:
        return FormulaError(problem, self.text, span)


def _close(name: str, known: object) -> str:
    matches = get_close_matches(name, list(known), n=1)  # type: ignore[call-overload]
    return f" (did you mean {matches[0]!r}?)" if matches else ""
