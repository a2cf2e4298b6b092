import doctest
import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import skops.io
from pandas.testing import assert_frame_equal, assert_series_equal
from sklearn.base import BaseEstimator, clone
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from cli.errors import InputError
from feature_store.derived_features import formula_program, row_features
from feature_store.derived_features.formula import FUNCTIONS, FormulaError
from feature_store.derived_features.row_features import TRUSTED_TYPES, FormulaTransformer

nan, inf = math.nan, math.inf


def computed(formula: str | list[str], frame: pd.DataFrame | Mapping[str, object]) -> pd.Series:
    """The column of the last formula."""
    last: pd.Series[Any] = (
        FormulaTransformer(formula).fit_transform(pd.DataFrame(frame)).iloc[:, -1]
    )
    return last


def values(formula: str | list[str], **columns: object) -> list[object]:
    return list(
        computed(formula, columns).astype(object).where(lambda column: column.notna(), None)
    )


# Of scikit-learn's own checks, those that do not apply, and why.
EXPECTED_FAILED_CHECKS: dict[str, str] = {}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks(  # type: ignore[untyped-decorator]
    [FormulaTransformer("y = x0 / 2"), FormulaTransformer("y = x0 > 1; z = y", keep_inputs=True)],
    expected_failed_checks=lambda _: EXPECTED_FAILED_CHECKS,
)
def test_scikit_learns_checks(estimator: BaseEstimator, check: Any) -> None:
    if check.func.__name__ == "check_array_api_input":
        pytest.skip("runs only where SCIPY_ARRAY_API is set; formulas take frames and numpy arrays")
    check(estimator)


@pytest.mark.parametrize("module", [row_features])
def test_examples_of_the_documentation(module: ModuleType) -> None:
    result = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.attempted > 3
    assert not result.failed


def test_every_function_is_documented() -> None:
    assert row_features.__doc__ is not None
    for name, (_, _, does) in FUNCTIONS.items():
        assert name in row_features.__doc__, f"{name}: {does}"


def test_the_example_of_the_article() -> None:
    frame = pd.DataFrame({"revenue": [100, 200, 300], "employees": [1, 2, 3]})
    transformer = FormulaTransformer(formula="revenue_per_capita = revenue / employees")
    computed = pd.DataFrame({"revenue_per_capita": [100.0, 100.0, 100.0]})
    assert_frame_equal(transformer.fit_transform(frame), computed)
    assert list(transformer.get_feature_names_out()) == ["revenue_per_capita"]
    both = clone(transformer).set_params(keep_inputs=True)
    assert_frame_equal(both.fit_transform(frame), pd.concat([frame, computed], axis="columns"))
    assert list(both.get_feature_names_out()) == ["revenue", "employees", "revenue_per_capita"]
    assert (both.n_features_in_, list(both.feature_names_in_)) == (2, ["revenue", "employees"])


@pytest.mark.parametrize("drop_inputs", [True, False])
def test_a_version_stored_with_drop_inputs_still_works(drop_inputs: bool) -> None:
    frame = pd.DataFrame({"a": [1.0]})
    fitted = FormulaTransformer("b = a + 1").fit(frame)
    del fitted.__dict__["keep_inputs"]
    fitted.__dict__["drop_inputs"] = drop_inputs
    stored = skops.io.dumps(fitted)
    expected = ["b"] if drop_inputs else ["a", "b"]
    assert list(skops.io.loads(stored, trusted=list(TRUSTED_TYPES)).transform(frame)) == expected


def test_formulas_use_those_before() -> None:
    frame = pd.DataFrame({"a": [1, 2]}, index=["x", "y"])
    result = FormulaTransformer("b = a + 1; c = b * b; d = c > 4").fit_transform(frame)
    expected = pd.DataFrame({"b": [2.0, 3.0], "c": [4.0, 9.0], "d": [False, True]}, frame.index)
    assert_frame_equal(result, expected)


def test_no_computed_column_is_the_input_itself() -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0]})
    result = FormulaTransformer("b = a; c = b").fit_transform(frame)
    result.loc[0, "b"] = 9
    assert frame["a"].tolist() == [1.0, 2.0]
    frame.loc[1, "a"] = 7
    assert result.to_dict("list") == {"b": [9.0, 2.0], "c": [1.0, 2.0]}


def test_neither_frame_changes_with_the_other() -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0]})
    before = frame.copy()
    result = FormulaTransformer("b = a; c = b", keep_inputs=True).fit_transform(frame)
    assert_frame_equal(frame, before)
    result.loc[0, "a"] = 9
    result.loc[0, "b"] = 9
    assert_frame_equal(frame, before)
    frame.loc[1, "a"] = 7
    assert result["a"].tolist() == [9.0, 2.0]
    assert result["b"].tolist() == [9.0, 2.0]
    assert result["c"].tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("y = a / b", [inf, -inf, None, 3.5, None]),
        ("y = a // b", [inf, -inf, None, 3.0, None]),
        ("y = a % b", [None, None, None, 1.0, None]),
        ("y = -a % 3", [2.0, 1.0, 0.0, 2.0, None]),
        ("y = a ** 0", [1.0, 1.0, 1.0, 1.0, None]),
        ("y = 1 ** a", [1.0, 1.0, 1.0, 1.0, None]),
        ("y = a == a", [True, True, True, True, False]),
        ("y = a != a", [False, False, False, False, True]),
        ("y = not (a < 1)", [True, False, False, True, True]),
        ("y = 0 < a <= 7", [True, False, False, True, False]),
        ("y = a in [1, 7]", [True, False, False, True, False]),
        ("y = a not in [1, 7]", [False, True, True, False, True]),
        ("y = where(a > 0, a, -1)", [1.0, -1.0, -1.0, 7.0, -1.0]),
        ("y = where(a > 0, a, nan)", [1.0, None, None, 7.0, None]),
        ("y = min(a, b, 1)", [0.0, -1.0, 0.0, 1.0, None]),
        ("y = max(a, b)", [1.0, 0.0, 0.0, 7.0, None]),
        ("y = clip(a, 0, 5)", [1.0, 0.0, 0.0, 5.0, None]),
        ("y = isna(a / b)", [False, False, True, False, True]),
        ("y = notna(a)", [True, True, True, True, False]),
        ("y = fillna(a, b)", [1.0, -1.0, 0.0, 7.0, 2.0]),
        ("y = coalesce(a / b, a, 5)", [inf, -inf, 0.0, 3.5, 5.0]),
        ("y = sqrt(a)", [1.0, None, 0.0, math.sqrt(7), None]),
        ("y = log(a)", [0.0, None, -inf, math.log(7), None]),
        ("y = round(a / 2)", [0.0, 0.0, 0.0, 4.0, None]),
        ("y = (a > 0) + (a > 1)", [1.0, 0.0, 0.0, 2.0, 0.0]),
        ("y = a > 0 and b > 0 or isna(a)", [False, False, False, True, True]),
        ("y = (a > 0) & ~(b > 0)", [True, False, False, False, False]),
        ("y = 2 ** 3 ** 2", [512.0] * 5),
        ("y = 9 ** 9 ** 9", [inf] * 5),
        # Where a processor has AVX-512, NumPy's power of an array gives 0.01.
        ("y = 0.1 ** 2", [0.1 * 0.1] * 5),
        ("y = a ** 9 ** 9 ** 9 * 0", [0.0, 0.0, 0.0, None, None]),
    ],
)
def test_missing_values_and_zeros(formula: str, expected: list[object]) -> None:
    assert values(formula, a=[1, -1, 0, 7, None], b=[0, 0, 0, 2, 2]) == expected


NUMBERS: dict[str, list[Any]] = {
    "int64": [1, 2],
    "int8": [1, 2],
    "uint64": [1, 2],
    "float32": [1, 2],
    "float16": [1, 2],
    "Int64": [1, None],
    "UInt8": [1, None],
    "Float64": [1, None],
    "int64[pyarrow]": [1, None],
    "double[pyarrow]": [1, None],
    "object": [1, None],
    "boolean": [True, None],
    "bool": [True, False],
    "bool[pyarrow]": [True, None],
    "Sparse[float64]": [1, nan],
}


@pytest.mark.parametrize("dtype", NUMBERS)
def test_every_storage_of_numbers_computes_the_same(dtype: str) -> None:
    column = pd.Series(NUMBERS[dtype], dtype=dtype)
    assert_series_equal(
        computed("y = x + 0.5", {"x": column}),
        pd.Series([float(v) + 0.5 if v is not None else nan for v in NUMBERS[dtype]], name="y"),
    )
    assert computed("y = x > 0; z = y or isna(x)", {"x": column}).dtype == bool


def test_numbers_that_are_objects() -> None:
    decimals = pd.Series([Decimal("0.5"), None])
    assert values("y = x * 2", x=decimals) == [1.0, None]
    stored = decimals.astype(pd.ArrowDtype(pa.decimal128(5, 2)))
    assert values("y = x * 2", x=stored) == [1.0, None]
    assert values("y = x * 2", x=[True, None]) == [2.0, None]


def test_integers_do_not_overflow() -> None:
    big = np.array([2**62, -(2**63)])
    assert values("y = x * 4 + x ** 3", x=big) == [2.0**64 + 2.0**186, -(2.0**65) - 2.0**189]
    assert values("y = x * 100", x=np.array([100], dtype=np.int8)) == [10_000.0]
    assert values("y = -x", x=np.array([3], dtype=np.uint8)) == [-3.0]


@pytest.mark.parametrize("dtype", ["boolean", "bool[pyarrow]", "object"])
def test_a_missing_condition_is_false(dtype: str) -> None:
    flag = pd.Series([True, False, None], dtype=dtype)
    assert values("y = x", x=flag) == [True, False, False]
    assert values("y = not x", x=flag) == [False, True, True]
    assert values("y = isna(x)", x=flag) == [False, False, True]
    assert values("y = fillna(x, True)", x=flag) == [True, False, True]
    assert values("y = x + 1", x=flag) == [2.0, 1.0, None]
    assert values("y = x == True", x=flag) == [True, False, False]


@pytest.mark.parametrize("dtype", ["str", "string", "object", "category", "string[pyarrow]"])
def test_text(dtype: str) -> None:
    country = pd.Series(["NL", "BE", None], dtype=dtype)
    assert values("y = x == 'NL'", x=country) == [True, False, False]
    assert values("y = 'NL' != x", x=country) == [False, True, True]
    assert values("y = x in ['BE', 'FR']", x=country) == [False, True, False]
    assert values("y = x not in ('BE', 'FR')", x=country) == [True, False, True]
    assert values("y = x == z", x=country, z=["NL", "NL", None]) == [True, False, False]
    assert values("y = where(x == 'NL', 'home', x)", x=country) == ["home", "BE", None]
    assert values("y = coalesce(x, 'none'); z = y == 'none'", x=country) == [False, False, True]
    assert values("y = isna(x) + 0", x=country) == [0.0, 0.0, 1.0]
    assert values("y = x", x=country) == ["NL", "BE", None]


STORED_DATES = {
    "datetime64[s]": "datetime64[s]",
    "datetime64[ns]": "datetime64[ns]",
    "zoned": "datetime64[us, Europe/Amsterdam]",
    "arrow": "timestamp[us][pyarrow]",
    "arrow zoned": pd.ArrowDtype(pa.timestamp("us", "Europe/Amsterdam")),
}


@pytest.mark.parametrize("storage", STORED_DATES)
def test_dates(storage: str) -> None:
    dates = pd.Series(pd.to_datetime(["2024-02-29 23:30", "NaT"]))
    if "zoned" in storage:
        dates = dates.dt.tz_localize("Europe/Amsterdam")
    x = dates.astype(STORED_DATES[storage])  # type: ignore[call-overload]
    parts = {"year": 2024, "quarter": 1, "month": 2, "day": 29, "hour": 23, "minute": 30}
    for part, expected in {**parts, "dayofweek": 3, "dayofyear": 60}.items():
        assert values(f"y = {part}(x)", x=x) == [float(expected), None]
    assert values("y = days_between('2024-02-28 23:30', x)", x=x) == [1.0, None]
    assert values("y = days_between(x, x)", x=x) == [0.0, None]
    assert values("y = x >= '2024-02-29'", x=x) == [True, False]
    assert values("y = x != '2024-02-29'", x=x) == [True, True]
    assert values("y = isna(x)", x=x) == [False, True]
    assert values("y = fillna(x, '2020-01-01'); z = year(y)", x=x) == [2024.0, 2020.0]
    assert values("y = where(year(x) > 2000, x, x); z = y == x", x=x) == [True, False]
    gaps = pd.Series([None, None], dtype=object)
    assert values("y = coalesce(gaps, x); z = year(y)", x=x, gaps=gaps) == [2024.0, None]


def test_python_dates_are_dates() -> None:
    assert values("y = year(x) + (x < '2025-01-01')", x=[date(2024, 5, 1), None]) == [2025.0, None]


def test_dates_with_and_without_a_zone_do_not_mix() -> None:
    naive = pd.Series(pd.to_datetime(["2024-01-01"]))
    for formula in ("y = days_between(a, b)", "y = a < b", "y = coalesce(a, b)"):
        with pytest.raises(InputError, match="one date has a time zone and the other has none"):
            values(formula, a=naive, b=naive.dt.tz_localize("UTC"))


def test_a_column_without_values_has_any_kind() -> None:
    x = pd.Series([None, None], dtype=object)
    assert values("y = x + 1", x=x) == [None, None]
    assert values("y = x == 'a'", x=x) == [False, False]
    assert values("y = where(x, 1, 2)", x=x) == [2.0, 2.0]
    assert values("y = coalesce(x, 'a')", x=x) == ["a", "a"]
    assert values("y = year(x)", x=x) == [None, None]
    assert values("y = x in ['a']", x=x) == [False, False]
    assert values("y = isna(x)", x=x) == [True, True]
    assert values("y = x", x=x) == [None, None]


@pytest.mark.parametrize(
    ("formula", "problem", "part"),
    [
        (
            "y = numbr + 1",
            "unknown column 'numbr' (did you mean 'number'?). Known columns: ",
            "numbr",
        ),
        ("number = 1", "'number' is a column already; choose another name.", "number"),
        ("y = z; z = 1", "unknown column 'z'", "z"),
        ("y = text + 1", "`+` takes numbers, this is a string.", "text"),
        ("y = log(text)", "log() takes numbers, this is a string.", "text"),
        ("y = date - date", "`-` takes numbers, this is a date: use days_between", "date"),
        ("y = text < 'a'", "compare strings with ==, != and in only.", "text < 'a'"),
        ("y = text == 1", "this compares a string with a number.", "text == 1"),
        ("y = number > 1 & number < 3", "`and` takes conditions, this is a number", "1"),
        ("y = not number", "`not` takes conditions, this is a number", "number"),
        ("y = where(number, 1, 2)", "where() takes a condition first, this is a number.", "number"),
        ("y = where(number > 1, 1, 'a')", "where() mixes", "where(number > 1, 1, 'a')"),
        ("y = year(number)", "year() takes a date, this is a number.", "number"),
        ("y = date > 'soon'", "'soon' is not a date", "date > 'soon'"),
        ("y = other + 1", "column 'other': expected numbers, conditions", "other"),
    ],
)
def test_fit_refuses_a_formula_that_does_not_fit_the_columns(
    formula: str, problem: str, part: str
) -> None:
    frame = pd.DataFrame(
        {"number": [1], "text": ["a"], "date": pd.to_datetime(["2024-01-01"]), "other": [[1]]}
    )
    with pytest.raises(FormulaError) as caught:
        FormulaTransformer(formula).fit(frame)
    assert caught.value.problem.startswith(problem)
    *_, line, carets = str(caught.value).split("\n")
    assert line[carets.index("^") :][: carets.count("^")] == part


@pytest.mark.parametrize(
    "text", ["now", "today", "10:30", "Dec 31", "12/31/2024", "20241231", "2024", "2024-13-01", "1"]
)
@pytest.mark.parametrize("formula", ["y = date > {}", "y = days_between({}, date)"])
def test_a_date_in_a_formula_is_an_iso_literal(formula: str, text: str) -> None:
    """Anything else may depend on the day on which it is read."""
    frame = pd.DataFrame({"date": pd.to_datetime(["2024-01-01"])})
    with pytest.raises(FormulaError, match=f"'{text}' is not a date; write one as"):
        FormulaTransformer(formula.format(repr(text))).fit(frame)


@pytest.mark.parametrize("text", ["2023-12-31", "2023-12-31 23:59", "2023-12-31T23:59:59.123"])
def test_iso_literals_are_dates(text: str) -> None:
    frame = pd.DataFrame({"date": pd.to_datetime(["2024-01-01", "2023-01-01"])})
    fitted = FormulaTransformer(f"y = date > {text!r}").fit(frame)
    assert list(fitted.transform(frame)["y"]) == [1, 0]


def test_other_columns_at_transform_are_refused() -> None:
    fitted = FormulaTransformer("y = x + 1").fit(pd.DataFrame({"x": [1]}))
    with pytest.raises(ValueError, match="feature names should match"):
        fitted.transform(pd.DataFrame({"z": [1]}))
    with pytest.raises(FormulaError, match="takes numbers, this is a string"):
        fitted.transform(pd.DataFrame({"x": ["a"]}))


def test_a_duplicate_column_is_refused() -> None:
    frame = pd.DataFrame([[1, 2]], columns=["x", "x"])
    with pytest.raises(InputError, match="'x' exists more than once"):
        FormulaTransformer("y = x").fit(frame)


def test_chunks_give_the_same_result_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pd.DataFrame(
        {
            "x": np.arange(10.0),
            "n": pd.array([*range(9), None], dtype="Int64"),
            "t": pd.date_range("2024-01-01", periods=10, freq="D"),
            "c": list("abcdefghij"),
        },
        index=np.arange(10) * 3,
    )
    formula = """a = x / 4; b = a % 2 + n; c2 = where(b > 1, c, 'few')
        d = coalesce(t, '2020-01-01')
        e = day(d) + (c2 == 'few'); f = isna(b); g = 1; h = 'text'; i = a; j = x"""
    whole = FormulaTransformer(formula).fit_transform(frame)
    monkeypatch.setattr(formula_program, "CHUNK_ROWS", 3)
    assert_frame_equal(FormulaTransformer(formula).fit_transform(frame), whole)
    assert whole["e"].tolist()[:3] == [2.0, 2.0, 3.0]


def test_no_rows_give_the_same_columns() -> None:
    frame = pd.DataFrame({"x": [1], "c": ["a"], "t": pd.to_datetime(["2024-01-01"])})
    formula = (
        "a = x / 2; b = a > 1; d = where(b, c, 'none'); e = fillna(t, '2020-01-01'); f = 1; g = 'a'"
    )
    fitted = FormulaTransformer(formula).fit(frame)
    assert_series_equal(fitted.transform(frame.head(0)).dtypes, fitted.transform(frame).dtypes)


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("y = not ('a' == 'b')", True),
        ("y = ('a' in ['a']) + a", 2.0),
        ("y = (0 in [1, 2]) + 0", 0.0),
        ("y = where('a' == 'a', 'p', 'q')", "p"),
        ("y = year('2024-01-01') + 1", 2025.0),
        ("y = days_between('2024-01-01', '2024-01-03') > 1", True),
        ("y = isna('a') + 0", 0.0),
        ("y = coalesce('a', c)", "a"),
        ("y = where(a > 0, 'p', 'q') in ['p']", True),
    ],
)
def test_constant_parts(formula: str, expected: object) -> None:
    frame = pd.DataFrame({"a": [1, 1], "c": ["x", "y"]})
    fitted = FormulaTransformer(formula).fit(frame)
    assert fitted.transform(frame)["y"].tolist() == [expected, expected]
    assert fitted.transform(frame.head(0))["y"].tolist() == []


def test_programs_too_large_for_numexpr_are_split() -> None:
    frame = pd.DataFrame({f"c{i}": [float(i)] for i in range(90)})
    assert computed("y = " + " + ".join(frame.columns), frame).tolist() == [sum(range(90))]
    assert computed(f"y = max({', '.join(frame.columns)})", frame).tolist() == [89.0]
    power = "c1"
    for _ in range(40):
        power = f"({power}) ** c1"
    assert computed(f"y = {power}", frame).tolist() == [1.0]
    nested = "c1"
    for _ in range(40):
        nested = f"coalesce({nested}, c2, c3)"
    assert computed(f"y = {nested}", frame).tolist() == [1.0]
    chained = "c1"
    for _ in range(30):
        chained = f"(c0 < ({chained}) + 0 < c2)"
    assert computed(f"y = {chained}", frame).tolist() == [True]


def test_in_a_pipeline_with_names_and_frames_out() -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0, 4.0], "b": [2.0, 2.0, 2.0]})
    ratio = FormulaTransformer("ratio = a / b", keep_inputs=True)
    pipeline = make_pipeline(ratio, StandardScaler())
    pipeline.set_output(transform="pandas")
    assert list(pipeline.fit_transform(frame).columns) == ["a", "b", "ratio"]
    assert list(pipeline.get_feature_names_out()) == ["a", "b", "ratio"]
    regression = make_pipeline(clone(pipeline), LinearRegression()).fit(frame, [0.5, 1.0, 2.0])
    assert np.allclose(regression.predict(frame), [0.5, 1.0, 2.0])


def test_in_a_column_transformer() -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [2.0, 2.0], "c": ["x", "y"]})
    columns = ColumnTransformer(
        [("ratio", FormulaTransformer("ratio = a / b"), ["a", "b"])],
        remainder="passthrough",
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")
    assert_frame_equal(
        columns.fit_transform(frame), pd.DataFrame({"ratio": [0.5, 1.0], "c": ["x", "y"]})
    )


def test_arrays_have_columns_x0_x1() -> None:
    transformer = FormulaTransformer("y = x0 > x1", keep_inputs=True)
    assert transformer.fit_transform(np.array([[1, 2], [4, 3]])).tolist() == [[1, 2, 0], [4, 3, 1]]
    assert list(transformer.get_feature_names_out()) == ["x0", "x1", "y"]
    transformer.set_output(transform="pandas")
    assert list(transformer.fit_transform(np.array([[1, 2]])).columns) == ["x0", "x1", "y"]
    alone = FormulaTransformer("y = x0 > x1")
    assert alone.fit_transform(np.array([[1, 2], [4, 3]])).tolist() == [[0], [1]]
    assert list(alone.get_feature_names_out()) == ["y"]


@pytest.mark.parametrize("formula", ["y = a + 1", ["y = a + 1", "z = y * 2"], ("y = a + 1",)])
def test_skops_keeps_it(formula: Any) -> None:
    frame = pd.DataFrame({"a": [1, 2]})
    fitted = FormulaTransformer(formula).fit(frame)
    stored = skops.io.dumps(fitted)
    assert set(skops.io.get_untrusted_types(data=stored)) == set(TRUSTED_TYPES)
    loaded = skops.io.loads(stored, trusted=list(TRUSTED_TYPES))
    assert_frame_equal(loaded.transform(frame), fitted.transform(frame))


def test_threads_may_transform_at_the_same_time() -> None:
    random = np.random.default_rng(0)
    frames = [
        pd.DataFrame({"x": random.random(rows), "y": random.random(rows)})
        for rows in random.integers(1, 3_000, size=200)
    ]
    transformer = FormulaTransformer(["a = log1p(x) + y * y", "b = where(x > y, x / y, 0.5)"])
    expected = [transformer.fit_transform(frame) for frame in frames]
    for _ in range(5):
        with ThreadPoolExecutor(8) as threads:
            for given, wanted in zip(
                threads.map(transformer.transform, frames), expected, strict=True
            ):
                assert_frame_equal(given, wanted)
