"""Columns computed row by row from formulas: `revenue_per_employee = revenue / employees`.

The language is Python's, cut down, and nothing of a text is ever run:

- columns by name, or between backticks where the name is no Python name: `` `net income` ``;
  numbers, True and False, text between quotes, nan, inf and pi;
- `+ - * / // % **`, comparisons (`0 < x <= 1` too; `in` and `not in` a list of constants), `and`,
  `or`, `not` (or `&`, `|`, `~`, which bind tighter than a comparison: put that into parentheses);
- `where(condition, a, b)`; isna, notna, fillna(x, y), coalesce(x, y, ...);
- abs, sign, floor, ceil, round (halves to the even number), sqrt, exp, expm1, log, log1p, log2,
  log10, clip(x, lower, upper), min(x, y, ...), max(x, y, ...);
- of dates: year, quarter, month, day, hour, minute, dayofweek (Monday is 0), dayofyear, all in the
  date's own time zone, and days_between(start, end), with fractions, of the time that passed. A
  date is written out as text: `founded >= "2000-01-01"`.

What comes out, whatever storage goes in (numpy, pandas' nullable types, Arrow, objects):

- **Numbers are float64.** Integers are turned into it first, so nothing overflows unseen; beyond
  2**53 they lose their last digits. Conditions are bool, and count as 1 and 0 in arithmetic.
- **A missing number stays missing** (NaN) in arithmetic and functions, in `min`, `max` and `**`
  too; say otherwise with fillna or coalesce.
- **A comparison with something missing does not hold; `!=` does**, so `not a == b` is `a != b`. A
  missing condition does not hold. `where` thus gives its last argument there.
- **Division by zero gives inf or -inf, and 0 / 0 is missing**; so are the logarithm and square
  root of a negative number, `x % 0` and `0 // 0`; log(0) is -inf. `//` rounds down, `%` has the
  sign of the divisor. inf is not missing: isna(1 / 0) does not hold, isna(0 / 0) does.

A text has at most 10,000 characters, nested at most 100 deep.

For other columns of a row, use these (all work with the pandas and skops
here; trust their types in skops):
feature_engine.creation.CyclicalFeatures (sine and cosine of a period), feature_engine.creation's
MathFeatures and RelativeFeatures (one operation over many columns),
feature_engine.datetime.DatetimeSubtraction, and scikit-learn's KBinsDiscretizer, SplineTransformer
and PolynomialFeatures. feature_engine.datetime.DatetimeFeatures warns with pandas 3.1; take the
date parts above.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self, cast

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
from feature_store.derived_features.formula_program import Program, compiled
from feature_store.derived_features.formula_types import kind_of

TRUSTED_TYPES = ("feature_store.derived_features.row_features.FormulaTransformer",)


class FormulaTransformer(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Columns computed row by row from formulas: those alone, or behind the columns that come in.

    A frame in gives a frame out, with its index; an array of numbers, whose columns are called x0,
    x1, ..., gives an array.

    Args:
        formula: `name = expression`, or several of them, in a list, on lines of their own or parted
            by semicolons; each may use the columns that those before it give. The module's
            docstring has the language.
        keep_inputs: whether the columns that come in are given, too, before the computed ones.

    Attributes:
        n_features_in_: the number of columns seen by `fit`.
        feature_names_in_: their names, where `fit` saw names.

    Examples:
        >>> import pandas as pd
        >>> companies = pd.DataFrame({"revenue": [100, 200, 300], "employees": [1, 2, 3]})
        >>> per_head = FormulaTransformer("revenue_per_employee = revenue / employees")
        >>> per_head.fit_transform(companies)
           revenue_per_employee
        0                 100.0
        1                 100.0
        2                 100.0

        Several at once, behind the columns that come in:

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

        A mistake is marked:

        >>> FormulaTransformer("ratio = revenue / employes").fit(companies)
        Traceback (most recent call last):
        feature_store.derived_features.formula.FormulaError: formula: unknown column 'employes' \
(did you mean 'employees'?); there are employees, revenue.
          ratio = revenue / employes
                            ^^^^^^^^
    """

    def __init__(self, formula: str | Sequence[str], *, keep_inputs: bool = False) -> None:
        self.formula = formula
        self.keep_inputs = keep_inputs

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take what was stored before `keep_inputs`, too: `drop_inputs` was its opposite."""
        kept = {name: value for name, value in state.items() if name != "drop_inputs"}
        if "drop_inputs" in state:
            kept["keep_inputs"] = not state["drop_inputs"]
        super().__setstate__(kept)

    def fit(self, X: Any, y: object = None) -> Self:
        """Learn which columns come in, and hold the formulas against them.

        Raises:
            FormulaError: a formula breaks the language's rules or does not fit the columns.
        """
        self._program(self._frame(X, reset=True))
        return self

    def transform(self, X: Any) -> Any:
        """The computed columns, behind those of `X` if they are kept; `X` stays as it is."""
        check_is_fitted(self)
        frame = self._frame(X, reset=False)
        computed = self._program(frame).run(frame)
        result = pd.concat([frame, computed], axis="columns") if self.keep_inputs else computed
        return result if isinstance(X, pd.DataFrame) else result.to_numpy(dtype=np.float64)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """The names of the columns that `transform` gives."""
        check_is_fitted(self)
        inputs = _check_feature_names_in(self, input_features)
        computed = [formula.name for formula in parse_formulas(self.formula)]
        return np.asarray([*inputs, *computed] if self.keep_inputs else computed, dtype=object)

    def __sklearn_tags__(self) -> Any:
        """Missing values, text and categories are welcome."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags

    def _frame(self, X: Any, *, reset: bool) -> pd.DataFrame:
        if isinstance(X, pd.DataFrame):
            twice = X.columns[X.columns.duplicated()]
            if len(twice):
                raise InputError(f"formula: the column {twice[0]!r} is there twice; rename one.")
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
            # Refuses what is not a list of texts, and so what has no hash.
            parse_formulas(formula)
            formula = tuple(formula)
        kinds = ((str(name), kind_of(column)) for name, column in frame.items())
        return compiled(formula, tuple(kinds))
