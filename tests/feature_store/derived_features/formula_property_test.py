"""Random formulas on random rows, compared with plain Python that computes one row at a time.

Only operations whose results IEEE 754 fixes to the last bit take part, so the two must be equal.
"""

import contextlib
import math
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.errors import InputError
from feature_store.derived_features import formula_program
from feature_store.derived_features.formula import FormulaError
from feature_store.derived_features.row_features import FormulaTransformer

type Row = dict[str, float]
type Part = tuple[str, Callable[[Row], float]]

nan = math.nan


def divided(a: float, b: float) -> float:
    if b:
        return a / b
    return nan if a == 0 or math.isnan(a) else math.copysign(math.inf, a) * math.copysign(1, b)


def remainder(a: float, b: float) -> float:
    return nan if b == 0 or math.isinf(a) else a % b


def floored(a: float) -> float:
    return a if math.isinf(a) else float(math.floor(a))


def arithmetic(function: Callable[..., float]) -> Callable[..., float]:
    return lambda *given: nan if any(math.isnan(value) for value in given) else function(*given)


ARITHMETIC: dict[str, Callable[..., float]] = {
    "({} + {})": arithmetic(lambda a, b: a + b),
    "({} - {})": arithmetic(lambda a, b: a - b),
    "({} * {})": arithmetic(lambda a, b: a * b),
    "({} / {})": arithmetic(divided),
    "({} % {})": arithmetic(remainder),
    "({}) ** 2": arithmetic(lambda a: a * a),
    "-({})": lambda a: -a,
    "abs({})": abs,
    "floor({})": arithmetic(floored),
    "sign({})": arithmetic(lambda a: float((a > 0) - (a < 0))),
    "min({}, {})": arithmetic(min),
    "max({}, {})": arithmetic(max),
    "clip({}, {}, {})": arithmetic(lambda a, low, high: min(max(a, low), high)),
    "coalesce({}, {})": lambda a, b: b if math.isnan(a) else a,
}
COMPARISONS: dict[str, Callable[..., float]] = {
    "({} < {})": lambda a, b: a < b,
    "({} <= {})": lambda a, b: a <= b,
    "({} == {})": lambda a, b: a == b,
    "({} != {})": lambda a, b: a != b,
    "({} > {} >= {})": lambda a, b, c: a > b >= c,
    "isna({})": math.isnan,
    "({} in [1, 2])": lambda a: a in (1, 2),
}
LOGIC: dict[str, Callable[..., float]] = {
    "({} and {})": lambda a, b: a and b,
    "({} | {})": lambda a, b: a or b,
    "(not {})": lambda a: not a,
}


def joined(template: str, function: Callable[..., float], parts: tuple[Part, ...]) -> Part:
    text = template.format(*(part[0] for part in parts))
    return text, lambda row: function(*(part[1](row) for part in parts))


def operations(
    table: Mapping[str, Callable[..., float]], operands: st.SearchStrategy[Part]
) -> st.SearchStrategy[Part]:
    return st.one_of(
        [
            st.tuples(*[operands] * template.count("{}")).map(partial(joined, template, function))
            for template, function in table.items()
        ]
    )


def column(name: str) -> Part:
    return name, lambda row: row[name]


def constant(value: float) -> Part:
    return repr(value), lambda row: value


leaves = st.sampled_from([column(name) for name in "abn"]) | st.sampled_from(
    [constant(value) for value in (0, 1, 2.5, 3, 0.1)]
)


def extended(numbers: st.SearchStrategy[Part]) -> st.SearchStrategy[Part]:
    conditions = operations(COMPARISONS, numbers)
    conditions |= operations(LOGIC, conditions)
    choice = st.tuples(conditions, numbers, numbers).map(
        lambda parts: joined("where({}, {}, {})", lambda c, a, b: a if c else b, parts)
    )
    counted = conditions.map(lambda part: joined("({} + 0)", float, (part,)))
    return operations(ARITHMETIC, numbers) | choice | counted


expressions = st.recursive(leaves, extended, max_leaves=12)
number = st.sampled_from([nan, 0.0, -0.0, 1.0, 2.0, -3.0, 0.1, 2.5, 1e300, math.inf, -math.inf])
rows = st.lists(
    st.fixed_dictionaries({"a": number, "b": number, "n": st.none() | st.integers(-3, 3)}),
    min_size=1,
    max_size=7,
)


@pytest.fixture(autouse=True, scope="module")
def small_chunks() -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(formula_program, "CHUNK_ROWS", 3)
        yield


@settings(max_examples=120, deadline=None)
@given(expressions, expressions, rows)
def test_formulas_compute_what_plain_python_does(
    first: Part, second: Part, given_rows: list[Row]
) -> None:
    frame = pd.DataFrame(given_rows).astype({"n": "Int64"})
    formula = [f"x = {first[0]}", f"y = ({second[0]}) - x"]
    result = FormulaTransformer(formula).fit_transform(frame)
    plain = [
        {name: nan if value is None else float(value) for name, value in row.items()}
        for row in given_rows
    ]
    x = [float(first[1](row)) for row in plain]
    y = [arithmetic(lambda a, b: a - b)(second[1](row), x[at]) for at, row in enumerate(plain)]
    assert np.array_equal(result["x"].to_numpy(), x, equal_nan=True)
    assert np.array_equal(result["y"].to_numpy(), y, equal_nan=True)


@settings(max_examples=120, deadline=None)
@given(st.text(st.sampled_from("ab=+-*/%<>()[]{}'\"`;\n\\.,: #&|~!@é\x00123_")))
def test_any_text_is_a_formula_or_refused(text: str) -> None:
    with contextlib.suppress(FormulaError, InputError):
        FormulaTransformer("x = " + text).fit_transform(pd.DataFrame({"a": [1], "b": [2.0]}))
