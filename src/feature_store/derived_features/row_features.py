"""Columns computed row by row from formulas: `revenue_per_employee = revenue / employees`.

A formula is a subset of Python, and is parsed but never run as Python:

- columns by name, in backticks if the name is not a Python name: `` `net income` ``; numbers, True
  and False, quoted strings, nan, inf and pi;
- `+ - * / // % **`, comparisons (also `0 < x <= 1`, and `in` or `not in` a list of constants),
  `and`, `or`, `not` (or `&`, `|`, `~`, which bind tighter than comparisons: use parentheses);
- `where(condition, a, b)`; isna, notna, fillna(x, y), coalesce(x, y, ...);
- abs, sign, floor, ceil, round (halves to the even number), sqrt, exp, expm1, log, log1p, log2,
  log10, clip(x, lower, upper), min(x, y, ...), max(x, y, ...);
- of dates: year, quarter, month, day, hour, minute, dayofweek (Monday is 0), dayofyear, all in the
  date's own time zone, and days_between(start, end), the elapsed days with fractions. Write a date
  as a string: `founded >= "2000-01-01"`.

The results do not depend on how the input is stored (numpy, pandas' nullable types, Arrow,
objects):

- **Numbers are float64.** Integers are converted first, so they cannot overflow; beyond 2**53 they
  lose their last digits. Conditions are bool, and count as 1 and 0 in arithmetic.
- **A missing number stays missing** (NaN) in arithmetic and functions, including `min`, `max` and
  `**`. Use fillna or coalesce to replace it.
- **A comparison with a missing value is False; `!=` is True**, so `not a == b` equals `a != b`. A
  missing condition is False, so `where` gives its last argument.
- **Division by zero gives inf or -inf; 0 / 0 is missing**, as are the logarithm and square root of
  a negative number, `x % 0` and `0 // 0`. log(0) is -inf. `//` rounds down, `%` has the sign of
  the divisor. inf is not missing: isna(1 / 0) is False, isna(0 / 0) is True.

A formula has at most 10,000 characters and 100 levels of nesting.

For other columns computed from one row, use these (they work with the locked pandas and skops; add
their types to skops' trusted types): feature_engine.creation's CyclicalFeatures (sine and cosine of
a period), MathFeatures and RelativeFeatures (one operation on many columns),
feature_engine.datetime.DatetimeSubtraction, and scikit-learn's KBinsDiscretizer, SplineTransformer
and PolynomialFeatures. feature_engine.datetime.DatetimeFeatures warns with pandas 3.1; use the date
parts above instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import (
    _check_feature_names_in,
    check_is_fitted,
    validate_data,
)

from cli.errors import InputError
from feature_store.derived_features.formula import parse_formulas
from feature_store.derived_features.formula_program import Program, compile_formulas
from feature_store.derived_features.formula_types import kind_of

TRUSTED_TYPES = ("feature_store.derived_features.row_features.FormulaTransformer",)


class FormulaTransformer(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Columns computed row by row from formulas.

    A frame gives a frame with its index. An array of numbers gives an array; in formulas, its
    columns are called x0, x1, ...

    Args:
        formula: `name = expression`, or several in a list, on separate lines or separated by
            semicolons. Each may use the columns of earlier formulas. See the module's docstring for
            the syntax.
        keep_inputs: whether the output also has the input columns, before the computed ones.

    Attributes:
        n_features_in_: the number of columns seen by `fit`.
        feature_names_in_: their names, if `fit` saw names.

    Examples:
        >>> import pandas as pd
        >>> companies = pd.DataFrame({"revenue": [100, 200, 300], "employees": [1, 2, 3]})
        >>> per_head = FormulaTransformer("revenue_per_employee = revenue / employees")
        >>> per_head.fit_transform(companies)
           revenue_per_employee
        0                 100.0
        1                 100.0
        2                 100.0

        Several formulas, with the input columns:

        >>> FormulaTransformer(
        ...     [
        ...         "ratio = revenue / employees",
        ...         "is_large = employees >= 2 and ratio > 0",
        ...         "log_ratio = where(is_large, log1p(ratio), 0)",
        ...     ],
        ...     keep_inputs=True,
        ... ).fit_transform(companies).round(3)
           revenue  employees  ratio  is_large  log_ratio
        0      100          1  100.0     False      0.000
        1      200          2  100.0      True      4.615
        2      300          3  100.0      True      4.615

        An error marks the mistake:

        >>> FormulaTransformer("ratio = revenue / employes").fit(companies)
        Traceback (most recent call last):
        feature_store.derived_features.formula.FormulaError: formula: unknown column 'employes' \
(did you mean 'employees'?). Known columns: employees, revenue.
          ratio = revenue / employes
                            ^^^^^^^^
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "formula": [str, list, tuple],
        "keep_inputs": ["boolean"],
    }

    def __init__(self, formula: str | Sequence[str], *, keep_inputs: bool = False) -> None:
        self.formula = formula
        self.keep_inputs = keep_inputs

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Accept versions stored with `drop_inputs`, the opposite of `keep_inputs`."""
        kept = {name: value for name, value in state.items() if name != "drop_inputs"}
        if "drop_inputs" in state:
            kept["keep_inputs"] = not state["drop_inputs"]
        super().__setstate__(kept)

    def fit(self, X: Any, y: object = None) -> Self:
        """Learn the input columns, and check the formulas against them.

        Raises:
            FormulaError: a formula is invalid or does not fit the columns.
        """
        self._validate_params()
        self._program(self._frame(X, reset=True))
        return self

    def transform(self, X: Any) -> Any:
        """Compute the columns; with `keep_inputs`, those of `X` come first."""
        check_is_fitted(self)
        frame = self._frame(X, reset=False)
        computed = self._program(frame).run(frame)
        result = pd.concat([frame, computed], axis="columns") if self.keep_inputs else computed
        return result if isinstance(X, pd.DataFrame) else result.to_numpy(dtype=np.float64)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """The names of the output columns."""
        check_is_fitted(self)
        inputs = _check_feature_names_in(self, input_features)
        computed = [formula.name for formula in parse_formulas(self.formula)]
        return np.asarray([*inputs, *computed] if self.keep_inputs else computed, dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags

    def _frame(self, X: Any, *, reset: bool) -> pd.DataFrame:
        if isinstance(X, pd.DataFrame):
            twice = X.columns[X.columns.duplicated()]
            if len(twice):
                raise InputError(f"formula: column {twice[0]!r} exists more than once; rename one.")
            validate_data(self, X, reset=reset, skip_check_array=True)
        else:
            array = validate_data(self, X, reset=reset, ensure_all_finite=False)
            X = pd.DataFrame(array, copy=False)
        names = getattr(self, "feature_names_in_", None)
        if names is None:
            X = X.set_axis([f"x{position}" for position in range(X.shape[1])], axis="columns")
        return cast("pd.DataFrame", X)

    def _program(self, frame: pd.DataFrame) -> Program:
        formula = self.formula
        if not isinstance(formula, str):
            # Refuses elements that are not strings, which may not be hashable.
            parse_formulas(formula)
            formula = tuple(formula)
        kinds = ((str(name), kind_of(column)) for name, column in frame.items())
        return compile_formulas(formula, tuple(kinds))
