"""Columns that describe the group a row belongs to.

Use a library where one does the job (compared with pandas 3.1 and Python 3.13):

- `sklearn.preprocessing.TargetEncoder` (1.9) encodes each column separately with the shrunken mean
  of y. Prefer it if that is what you need: it smooths, while `min_rows` cuts off. It has no other
  statistic, no combination of columns, and no target that is a column of X.
- `feature_engine.encoding.MeanEncoder` (1.9.4) also has the mean only, and no out-of-fold values.
- `sklego.meta.GroupedTransformer` (0.9.10) fits one transformer per group in a Python loop (20 s
  for a million rows in 10,000 groups). It refuses null keys, and skops cannot store it.

For columns computed from one row, such as a ratio of two columns, see `row_features`, or use
`feature_engine.creation.RelativeFeatures(variables=["revenue"], reference=["employees"],
func=["div"])`.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, Protocol, cast

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.model_selection import KFold
from sklearn.utils import Tags
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import (
    check_array,
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
)

from feature_store.derived_features.groups import (
    COLUMN_NAMES,
    GROUP_CONSTRAINTS,
    Codes,
    Column,
    Fallback,
    Floats,
    GroupColumnTransformer,
    GroupFeatureError,
    Groups,
    GroupTransformer,
    find_group_columns,
    look_up,
    require_columns,
    statistics_by_level,
    to_numbers,
)

type Metric = Literal["mean", "median", "min", "max", "rank", "percentile"]

METRICS = ("mean", "median", "min", "max", "rank", "percentile")

# Pass these to `skops.io.load(..., trusted=...)` to load the transformers.
TRUSTED_TYPES = (
    "feature_store.derived_features.aggregated_features.GroupFeatureGenerator",
    "feature_store.derived_features.aggregated_features.GroupRatio",
    "feature_store.derived_features.groups.Groups",
)


class Splitter(Protocol):
    """The method that scikit-learn's cross-validators have."""

    def split(self, X: Any, y: Any = None) -> Iterable[tuple[Codes, Codes]]:
        """Yield the positions of the training rows and of the held-out rows."""


class GroupFeatureGenerator(GroupTransformer):
    r"""A statistic of the target in the row's group: one column, equal for all rows of a group.

    Let :math:`y_i` be the target of row :math:`i`, and :math:`G(g)` the rows of group :math:`g`
    whose target is not missing. A row of group :math:`g` gets

    - mean: :math:`\frac{1}{|G(g)|} \sum_{i \in G(g)} y_i`; likewise median, min and max;
    - percentile: the `percentile_q` percentile of the group's targets, as `numpy.percentile`
      interpolates it;
    - rank: the rank of the group's median :math:`m_g` among the medians of all groups, starting at
      1 for the lowest. Equal medians share the average of their ranks. The median that a row falls
      back to is ranked as :math:`(\#\{h: m_h < m\} + \#\{h: m_h \le m\} + 1) / 2`, halfway
      between two groups.

    Groups not seen in `fit`, and groups with fewer than `min_rows` targets, get the statistic of
    all rows, or of a parent group (see `fallback`). Null is a value like any other: rows without a
    country form a group. Rows without a target do not count, but get a value.

    **Leakage.** A row's own target is part of its group's statistic. A model trained on that
    statistic sees its own target, most clearly in small groups. `fit_transform` therefore computes
    each row's value from other rows: it splits the data into `cv` folds and computes each from the
    rest, as `sklearn.preprocessing.TargetEncoder` does. So **`fit_transform(X, y)` differs from
    `fit(X, y).transform(X)`**: use `fit_transform` (as a `Pipeline` does) for the training rows,
    and `transform` for all others. Set `cv=None` only if the model does not predict the target.

    Parameters
    ----------
    group_cols : str, int or sequence of them
        Columns to group by (names or positions), parents first if `fallback="parent"`.
    group_metric : {"mean", "median", "min", "max", "rank", "percentile"}, default="mean"
        The statistic.
    percentile_q : float, optional
        Required for "percentile", and not allowed otherwise: percent from 1 to 100, or a fraction
        below 1. Both 50 and 0.5 are the median. 1 is ambiguous and raises an error.
    target_name : str, optional
        The column whose statistic is computed: in `fit` a column of X, else the name of `y` (a y
        without a name is accepted). In `transform` it may be absent. Without `target_name`, the
        target is `y`, called by its name, or "target" if it has none.
    min_rows : int, default=1
        Groups with fewer targets use the fallback.
    fallback : {"all", "parent"}, default="all"
        Where unseen and small groups get their statistic: from all rows, or from the nearest
        parent, the group of fewer columns: (country, industry), then (country), then all rows.
    cv : int, splitter or None, default=5
        Folds of `fit_transform`. A splitter may leave rows out, as `TimeSeriesSplit` does with the
        first ones; they get NaN. An int shuffles, and is limited to the number of rows.
    random_state : int or None, default=0
        Seed of the shuffle.

    Attributes:
    ----------
    groups_ : Groups
        The groups seen in `fit`.
    statistics_ : list of ndarray
        The statistics: of all rows, of the groups of the first column, ..., of all columns.
    target_ : str
        The target's name in the name of the column, `<metric>_<target>_<group columns>`.
    values_by_group_ : mapping
        The statistic of each group by its value, a tuple for several columns; a missing value is
        None.
    feature_names_in_, n_features_in_
        The columns of X in `fit`. `transform` needs only `group_cols`.

    See Also:
    --------
    sklearn.preprocessing.TargetEncoder : the shrunken mean of y, one column at a time.

    References:
    ----------
    D. Micci-Barreca (2001), "A preprocessing scheme for high-cardinality categorical attributes in
    classification and prediction problems", SIGKDD Explorations 3 (1).

    Examples:
    --------
    >>> import pandas as pd
    >>> from feature_store.derived_features.aggregated_features import GroupFeatureGenerator
    >>> companies = pd.DataFrame(
    ...     {"country": ["NL", "NL", "BE", None], "revenue": [100.0, 300.0, 50.0, 70.0]}
    ... )
    >>> by_country = GroupFeatureGenerator("country", "median", target_name="revenue")
    >>> by_country.fit(companies).values_by_group_
    {'BE': 50.0, 'NL': 200.0, None: 70.0}
    >>> by_country.transform(pd.DataFrame({"country": ["NL", None, "FR"]}))
       median_revenue_country
    0                   200.0
    1                    70.0
    2                    85.0
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **GROUP_CONSTRAINTS,
        "group_metric": [StrOptions(set(METRICS))],
        "percentile_q": [Interval(Real, 0, 100, closed="both"), None],
        "target_name": [str, Integral, None],
        "cv": [Interval(Integral, 2, None, closed="left"), HasMethods(["split"]), None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        group_cols: Column | Sequence[Column],
        group_metric: Metric = "mean",
        percentile_q: float | None = None,
        target_name: str | None = None,
        *,
        min_rows: int = 1,
        fallback: Fallback = "all",
        cv: int | Splitter | None = 5,
        random_state: int | None = 0,
    ) -> None:
        self.group_cols = group_cols
        self.group_metric = group_metric
        self.percentile_q = percentile_q
        self.target_name = target_name
        self.min_rows = min_rows
        self.fallback = fallback
        self.cv = cv
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> GroupFeatureGenerator:
        """Learn each group's statistic from all rows."""
        self._learn(X, y)
        return self

    def fit_transform(self, X: Any, y: Any = None) -> Any:
        """Learn from all rows; compute each row's value from the folds that do not hold it."""
        levels, target = self._learn(X, y)
        if self.cv is None:
            return self._like(X, _as_column(look_up(self.statistics_, levels)))
        result = np.full(len(target), np.nan)
        for training, held_out in self._folds(self.cv, len(target)):
            rest = [codes[training] for codes in levels]
            statistics = self._statistics(rest, target[training])
            result[held_out] = look_up(statistics, [codes[held_out] for codes in levels])
        return self._like(X, _as_column(result))

    @property
    def values_by_group_(self) -> Mapping[Hashable, float]:
        """The learned statistics, by group."""
        check_is_fitted(self)
        return dict(zip(self.groups_.members(), self.statistics_[-1].tolist(), strict=True))

    def _compute(self, frame: pd.DataFrame) -> Floats:
        require_columns(frame, self.groups_.columns, "group_cols")
        return _as_column(look_up(self.statistics_, self.groups_.find(frame)))

    def _learn(self, X: Any, y: Any) -> tuple[list[Codes], Floats]:
        """Set the fitted attributes; return each row's group numbers and its target."""
        frame = self._frame_to_fit(X)
        check_percentile(self.group_metric, self.percentile_q)
        groups = Groups(find_group_columns(frame, self.group_cols))
        name, target = _find_target(self.target_name, frame, y, self)
        if np.isnan(target).all():
            raise GroupFeatureError(f"Target {name!r}: expected at least one value, all are null.")
        levels = groups.learn(frame)
        self.groups_ = groups
        self.target_ = name
        self.statistics_ = self._statistics(levels, target)
        return levels, target

    def _statistics(self, levels: Sequence[Codes], target: Floats) -> list[Floats]:
        return group_statistics(
            self.groups_,
            levels,
            target,
            self.group_metric,
            _as_fraction(self.percentile_q),
            min_rows=self.min_rows,
            fallback=self.fallback,
        )

    def _folds(self, cv: int | Splitter, rows: int) -> Iterable[tuple[Codes, Codes]]:
        if rows < 2:
            raise GroupFeatureError(
                f"fit_transform computes each row's value from other rows, and X has 1 sample "
                f"only: pass more rows, or set cv=None (cv={cv!r})."
            )
        if isinstance(cv, int | np.integer):
            cv = KFold(min(int(cv), rows), shuffle=True, random_state=self.random_state)
        return cast("Splitter", cv).split(np.zeros((rows, 1)))

    def _names_out(self) -> list[str]:
        metric: str = self.group_metric
        if metric == "percentile":
            metric = f"percentile_{_as_percent(self.percentile_q)}"
        return [f"{metric}_{self.target_}_{_join(self.groups_.columns)}"]

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = self.target_name is None
        return tags


class GroupRatio(GroupColumnTransformer):
    r"""The ratio of a value to a typical value of its group: :math:`x_i / s_g`.

    :math:`s_g` is the group's statistic, learned in `fit` (by default the median, which outliers do
    not move), so a row's result does not depend on the other rows of a batch. Groups not seen in
    `fit`, or with fewer than `min_rows` values, use the statistic of all rows, or of a parent
    group. A statistic of 0 gives NaN instead of infinity, which few models accept. Nulls stay null.

    Parameters
    ----------
    group_cols : str, int or sequence of them
        Columns to group by (names or positions), parents first if `fallback="parent"`.
    columns : str, int or sequence of them
        The columns to divide; each gives one column.
    group_metric : {"mean", "median", "min", "max", "percentile"}, default="median"
        The statistic to divide by.
    percentile_q, min_rows, fallback
        As in `GroupFeatureGenerator`.

    Examples:
    --------
    >>> import pandas as pd
    >>> from feature_store.derived_features.aggregated_features import GroupRatio
    >>> companies = pd.DataFrame({"country": ["NL", "NL", "BE"], "revenue": [100.0, 300.0, 50.0]})
    >>> ratio = GroupRatio("country", "revenue").fit(companies)
    >>> ratio.transform(pd.DataFrame({"country": ["NL", "FR"], "revenue": [500.0, 500.0]}))
       revenue_to_median_by_country
    0                           2.5
    1                           5.0
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **GROUP_CONSTRAINTS,
        "columns": COLUMN_NAMES,
        "group_metric": [StrOptions(set(METRICS) - {"rank"})],
        "percentile_q": [Interval(Real, 0, 100, closed="both"), None],
    }

    def __init__(
        self,
        group_cols: Column | Sequence[Column],
        columns: Column | Sequence[Column],
        group_metric: Literal["mean", "median", "min", "max", "percentile"] = "median",
        percentile_q: float | None = None,
        *,
        min_rows: int = 1,
        fallback: Fallback = "all",
    ) -> None:
        self.group_cols = group_cols
        self.columns = columns
        self.group_metric = group_metric
        self.percentile_q = percentile_q
        self.min_rows = min_rows
        self.fallback = fallback

    def _learn(self, groups: Groups, levels: Sequence[Codes], columns: Sequence[Floats]) -> None:
        check_percentile(self.group_metric, self.percentile_q)
        self.statistics_ = [
            group_statistics(
                groups,
                levels,
                values,
                self.group_metric,
                _as_fraction(self.percentile_q),
                min_rows=self.min_rows,
                fallback=self.fallback,
            )
            for values in columns
        ]

    def _compute_column(self, place: int, values: Floats, levels: Sequence[Codes]) -> Floats:
        typical: Floats = look_up(self.statistics_[place], levels)
        typical[typical == 0] = np.nan
        with np.errstate(over="ignore", invalid="ignore"):
            return values / typical

    def _names_out(self) -> list[str]:
        metric: str = self.group_metric
        if metric == "percentile":
            metric = f"p{_as_percent(self.percentile_q)}"
        by = _join(self.groups_.columns)
        return [f"{column}_to_{metric}_by_{by}" for column in self.columns_]


def group_statistics(
    groups: Groups,
    levels: Sequence[Codes],
    values: Floats,
    metric: str,
    fraction: float | None,
    *,
    min_rows: int,
    fallback: Fallback,
) -> list[Floats]:
    """For each level, each group's statistic of `values`; see `statistics_by_level`.

    `fraction` is for percentiles: the share of values below, from 0 to 1.
    """
    known = ~np.isnan(values)
    if not known.all():
        levels, values = [codes[known] for codes in levels], values[known]
    compute = partial(
        _compute_statistic, values, metric="median" if metric == "rank" else metric, q=fraction
    )
    tables = statistics_by_level(groups, levels, compute, min_rows=min_rows, fallback=fallback)
    if metric != "rank":
        return tables
    medians = compute(levels[-1], groups.sizes()[-1])
    enough = np.bincount(levels[-1], minlength=len(medians)) >= min_rows
    ranked = np.sort(medians[enough])
    return [_rank(ranked, table) for table in tables]


def check_percentile(metric: str, q: float | None) -> None:
    """Refuse a `percentile_q` that does not fit `metric`, or is ambiguous."""
    if metric != "percentile" and q is not None:
        raise GroupFeatureError(
            f"percentile_q={q!r} requires group_metric='percentile', got group_metric={metric!r}: "
            "remove percentile_q, or change group_metric."
        )
    if metric == "percentile" and q is None:
        raise GroupFeatureError(
            "group_metric='percentile' requires percentile_q, a number from 0 to 100 (50 is the "
            "median)."
        )
    if q == 1:
        raise GroupFeatureError(
            f"percentile_q={q!r} is ambiguous: use 0.01 for the first percentile, or 100 for the "
            "largest value."
        )


def _as_fraction(q: float | None) -> float | None:
    """Convert percent to a fraction; keep a fraction."""
    return q if q is None or q < 1 else q / 100


def _as_percent(q: float | None) -> str:
    """The percentile in percent, for the name of a column."""
    return f"{100 * (_as_fraction(q) or 0):g}"


def _compute_statistic(
    values: Floats, codes: Codes, groups: int, *, metric: str, q: float | None
) -> Floats:
    """The statistic of each group, NaN for a group without values."""
    # Codes are category numbers already, and categories without values stay in the result.
    numbered: Any = pd.Categorical.from_codes(codes, categories=pd.RangeIndex(groups))
    grouped = pd.Series(values).groupby(numbered, observed=False)
    if metric == "percentile":
        assert q is not None
        return np.asarray(grouped.quantile(q).to_numpy(), dtype=np.float64)
    return np.asarray(grouped.agg(metric).to_numpy(), dtype=np.float64)


def _rank(ranked: Floats, values: Floats) -> Floats:
    """The rank of each value among sorted ones, starting at 1."""
    below = np.searchsorted(ranked, values, side="left")
    not_above = np.searchsorted(ranked, values, side="right")
    ranks: Floats = (below + not_above + 1) / 2
    return ranks


def _find_target(
    name: str | None, frame: pd.DataFrame, y: Any, estimator: BaseEstimator
) -> tuple[str, Floats]:
    """The target's name and values."""
    if name is not None and name in frame.columns:
        require_columns(frame, [name], "target_name")
        return name, to_numbers(frame[name], name)
    if y is None:
        if name is None:
            raise GroupFeatureError(
                f"{type(estimator).__name__} requires y to be passed, but the target y is None: "
                "pass y, or set target_name to a column of X."
            )
        require_columns(frame, [name], "target_name (y is None)")
    called = getattr(y, "name", None)
    if name is not None and called is not None and called != name:
        known = ", ".join(sorted(map(repr, frame.columns)))
        raise GroupFeatureError(
            f"target_name={name!r} is neither a column of X nor the name of y, {called!r}. Columns "
            f"of X: {known}."
        )
    if not isinstance(y, pd.Series):
        y = check_array(y, dtype=None, ensure_2d=False, ensure_all_finite=False, input_name="y")
        y = pd.Series(column_or_1d(y, warn=True))
    check_consistent_length(frame, y)
    label = str(name if name is not None else called if called is not None else "target")
    return label, to_numbers(y, label)


def _join(columns: Sequence[Column]) -> str:
    return "_".join(map(str, columns))


def _as_column(values: Floats) -> Floats:
    return values.reshape(-1, 1)
