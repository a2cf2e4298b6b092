"""Columns that say something about the group a row belongs to.

What libraries have, looked at with pandas 3.1 and Python 3.13 before this was written:

- `sklearn.preprocessing.TargetEncoder` (1.9) encodes each column by itself with the shrunken mean
  of y. Where that is what you want, use it: it smooths, where `min_rows` cuts off. It has no other
  statistic, no combination of columns and no target that is a column of X.
- `feature_engine.encoding.MeanEncoder` (1.9.4) has the mean only, too, and no out-of-fold answers.
- `sklego.meta.GroupedTransformer` (0.9.10) fits one transformer per group, in a Python loop (20 s
  for a million rows in 10,000 groups), refuses null keys, and skops cannot store it.

For columns computed from one row, such as a ratio of two columns, see `row_features`; or
`feature_engine.creation.RelativeFeatures(variables=["revenue"], reference=["employees"],
func=["div"])`, which works as it is (a test runs it).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Literal, Protocol

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.model_selection import KFold
from sklearn.utils import Tags
from sklearn.utils.validation import (
    check_array,
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
)

from feature_store.derived_features.groups import (
    Codes,
    Column,
    Floats,
    GroupFeatureError,
    Groups,
    GroupTransformer,
    looked_up,
    named,
    numbers,
    require,
    resolved,
)

type Metric = Literal["mean", "median", "min", "max", "rank", "percentile"]

METRICS = ("mean", "median", "min", "max", "rank", "percentile")

# What `skops.io.load(..., trusted=...)` has to be told to load these.
TRUSTED_TYPES = (
    "feature_store.derived_features.aggregated_features.GroupFeatureGenerator",
    "feature_store.derived_features.aggregated_features.GroupRatio",
    "feature_store.derived_features.groups.Groups",
)


class Splitter(Protocol):
    """Scikit-learn's cross-validators."""

    def split(self, X: Any, y: Any = None) -> Iterable[tuple[Codes, Codes]]:
        """Positions to learn from, and positions to answer."""


class GroupFeatureGenerator(GroupTransformer):
    r"""A statistic of the target in the row's group: one column, the same for all rows of a group.

    With :math:`y_i` the target of row :math:`i`, and :math:`G(g)` the rows of group :math:`g` whose
    target is known, a row of group :math:`g` gets

    - mean: :math:`\frac{1}{|G(g)|} \sum_{i \in G(g)} y_i`; likewise median, min and max;
    - percentile: the smallest value that `percentile_q` percent of the group's lie below, linear
      between two neighbours, as `numpy.percentile` has it;
    - rank: the place of the group's median :math:`m_g` among the medians of all groups, from 1, the
      lowest; equal medians share the average of their places. The median that a row falls back to
      is placed likewise, :math:`(\#\{h: m_h < m\} + \#\{h: m_h \le m\} + 1) / 2`, so half a place
      between two groups.

    Groups never seen, and groups with fewer than `min_rows` known targets, get the statistic of all
    rows, or that of the coarser group they are in. Null is a value like any other: rows without a
    country are a group. Rows without a target teach nothing, but get an answer.

    **Leakage.** A row's own target is part of its group's statistic. A model trained on that learns
    from its own answer, most in small groups. `fit_transform` therefore learns each row's answer
    from other rows: the data is cut into `cv` folds and each is answered from the rest, as
    `sklearn.preprocessing.TargetEncoder` does. So **`fit_transform(X, y)` is not
    `fit(X, y).transform(X)`**: use the former (as a `Pipeline` does) on what the model is trained
    on, and the latter on all else. `cv=None` turns it off, right where the target is not what the
    model predicts.

    Parameters
    ----------
    group_cols : str, int or sequence of them
        Columns to group by, coarse before fine if `coarser` is set; or positions.
    group_metric : {"mean", "median", "min", "max", "rank", "percentile"}, default="mean"
        The statistic.
    percentile_q : float, optional
        For "percentile", and only there: percent from 1 to 100, or a fraction below 1. Both 50 and
        0.5 are the median; 1 is refused, because it could be either.
    target_name : str, optional
        The column whose statistic is learnt. In `fit` it is a column of X, else it is the name of
        `y` (a y without a name is taken for it); afterwards it may be absent. Without a name the
        target is `y`, called by the name of that series; an array, or a series without a name, is
        called "target".
    min_rows : int, default=1
        Groups with fewer known targets have no answer of their own.
    coarser : bool, default=False
        Whether groups without an answer ask the groups of fewer columns, dropping the last one
        first, before all rows: (country, industry), then (country), then all.
    cv : int, splitter or None, default=5
        Folds of `fit_transform`. A splitter may leave rows unanswered, as `TimeSeriesSplit` does
        with the first ones; they get NaN. An int shuffles, and is lowered to the number of rows.
    random_state : int or None, default=0
        Seed of the shuffle.

    Attributes:
    ----------
    groups_ : Groups
        The groups that were seen.
    statistics_ : list of ndarray
        The answers: of all rows, of the groups of the first column, ..., of all columns.
    target_ : str
        What the target is called in the name of the column, `<metric>_<target>_<group columns>`.
    values_by_group_ : mapping
        The answer of each group by its value, a tuple for several columns; a missing value is None.
    feature_names_in_, n_features_in_
        The columns of X in `fit`, as scikit-learn has them. Later only `group_cols` are needed.

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

    def __init__(
        self,
        group_cols: Column | Sequence[Column],
        group_metric: Metric = "mean",
        percentile_q: float | None = None,
        target_name: str | None = None,
        *,
        min_rows: int = 1,
        coarser: bool = False,
        cv: int | Splitter | None = 5,
        random_state: int | None = 0,
    ) -> None:
        self.group_cols = group_cols
        self.group_metric = group_metric
        self.percentile_q = percentile_q
        self.target_name = target_name
        self.min_rows = min_rows
        self.coarser = coarser
        self.cv = cv
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> GroupFeatureGenerator:
        """Learn each group's statistic from all rows."""
        self._learn(X, y)
        return self

    def fit_transform(self, X: Any, y: Any = None) -> Any:
        """Learn from all rows, and answer each row from the folds that it is not in."""
        levels, target = self._learn(X, y)
        if self.cv is None:
            return self._like(X, _column(looked_up(self.statistics_, levels)))
        result = np.full(len(target), np.nan)
        for learnt_from, answered in self._folds(self.cv, len(target)):
            rest = [codes[learnt_from] for codes in levels]
            statistics = self._statistics(rest, target[learnt_from])
            result[answered] = looked_up(statistics, [codes[answered] for codes in levels])
        return self._like(X, _column(result))

    @property
    def values_by_group_(self) -> Mapping[Hashable, float]:
        """What was learnt, by group."""
        check_is_fitted(self)
        return dict(zip(self.groups_.members(), self.statistics_[-1].tolist(), strict=True))

    def _computed(self, frame: pd.DataFrame) -> Floats:
        """The statistic of each row's group; only the group columns are read."""
        require(frame, self.groups_.columns, "group_cols")
        return _column(looked_up(self.statistics_, self.groups_.find(frame)))

    def _learn(self, X: Any, y: Any) -> tuple[list[Codes], Floats]:
        check_metric(self.group_metric, self.percentile_q)
        frame = self._rows_to_learn(X)
        columns = self._groups_of(frame)
        name, target = _target(self.target_name, frame, y, self)
        if not (~np.isnan(target)).any():
            raise GroupFeatureError(
                f"No row has a value of the target {name!r}, so there is nothing to learn."
            )
        groups = Groups(columns)
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
            _fraction(self.percentile_q),
            min_rows=self.min_rows,
            coarser=self.coarser,
        )

    def _folds(self, cv: int | Splitter, rows: int) -> Iterable[tuple[Codes, Codes]]:
        if rows < 2:
            raise GroupFeatureError(
                f"fit_transform answers each row from others, and there is 1 sample only: pass "
                f"more rows, or set cv=None (cv={cv!r})."
            )
        if isinstance(cv, int):
            if cv < 2:
                raise GroupFeatureError(f"cv={cv!r}: expected None, a splitter or at least 2.")
            folds: Splitter = KFold(min(cv, rows), shuffle=True, random_state=self.random_state)
            return folds.split(np.zeros((rows, 1)))
        return cv.split(np.zeros((rows, 1)))

    def _names_out(self) -> list[str]:
        metric: str = self.group_metric
        if metric == "percentile":
            metric = f"percentile_{_percent(self.percentile_q)}"
        return [f"{metric}_{self.target_}_{_joined(self.groups_.columns)}"]

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = self.target_name is None
        return tags


class GroupRatio(GroupTransformer):
    r"""How large a value is beside what is usual in its group: :math:`x_i / s_g`.

    :math:`s_g` is the group's statistic, learnt in `fit` (the median by default, which outliers do
    not move), so a row's answer does not depend on the rows that come with it. Groups never seen,
    or with fewer than `min_rows` values, are compared with all rows, or with a coarser group. A
    statistic of 0 gives NaN and never infinity, which few models take; nulls stay null.

    Parameters
    ----------
    group_cols : str, int or sequence of them
        Columns to group by, coarse before fine if `coarser` is set; or positions.
    columns : str, int or sequence of them
        What to divide; each gives one column.
    group_metric : {"mean", "median", "min", "max", "percentile"}, default="median"
        The statistic to divide by.
    percentile_q, min_rows, coarser
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

    def __init__(
        self,
        group_cols: Column | Sequence[Column],
        columns: Column | Sequence[Column],
        group_metric: Literal["mean", "median", "min", "max", "percentile"] = "median",
        percentile_q: float | None = None,
        *,
        min_rows: int = 1,
        coarser: bool = False,
    ) -> None:
        self.group_cols = group_cols
        self.columns = columns
        self.group_metric = group_metric
        self.percentile_q = percentile_q
        self.min_rows = min_rows
        self.coarser = coarser

    def fit(self, X: Any, y: Any = None) -> GroupRatio:
        """Learn each group's statistic."""
        check_metric(self.group_metric, self.percentile_q, without=("rank",))
        frame = self._rows_to_learn(X)
        columns = named(frame, self.columns, "columns")
        groups = Groups(self._groups_of(frame))
        levels = groups.learn(frame)
        statistics = [
            group_statistics(
                groups,
                levels,
                numbers(frame[column], column),
                self.group_metric,
                _fraction(self.percentile_q),
                min_rows=self.min_rows,
                coarser=self.coarser,
            )
            for column in columns
        ]
        self.groups_, self.columns_, self.statistics_ = groups, columns, statistics
        return self

    def _computed(self, frame: pd.DataFrame) -> Floats:
        """Each value over the statistic of its row's group."""
        require(frame, self.groups_.columns, "group_cols")
        require(frame, self.columns_, "columns")
        levels = self.groups_.find(frame)
        result = np.empty((len(frame), len(self.columns_)))
        for place, (column, tables) in enumerate(zip(self.columns_, self.statistics_, strict=True)):
            usual = looked_up(tables, levels)
            usual[usual == 0] = np.nan
            with np.errstate(over="ignore", invalid="ignore"):
                result[:, place] = numbers(frame[column], column) / usual
        return result

    def _names_out(self) -> list[str]:
        metric: str = self.group_metric
        if metric == "percentile":
            metric = f"p{_percent(self.percentile_q)}"
        by = _joined(self.groups_.columns)
        return [f"{column}_to_{metric}_by_{by}" for column in self.columns_]


def group_statistics(
    groups: Groups,
    levels: Sequence[Codes],
    values: Floats,
    metric: str,
    fraction: float | None,
    *,
    min_rows: int,
    coarser: bool,
) -> list[Floats]:
    """For each level, each group's statistic of `values`; see `resolved` for the fallback.

    `fraction` is for percentiles: the share of values below, from 0 to 1.
    """
    known = ~np.isnan(values)
    rows, count = levels, values
    if not known.all():
        rows, count = [codes[known] for codes in levels], values[known]
    answers = partial(_statistic, count, metric="median" if metric == "rank" else metric)
    tables = resolved(
        groups,
        rows,
        np.ones(len(count), dtype=np.bool_),
        partial(answers, q=fraction),
        min_rows=min_rows,
        coarser=coarser,
    )
    if metric != "rank":
        return tables
    medians = _statistic(count, rows[-1], groups.sizes()[-1], metric="median", q=None)
    enough = np.bincount(rows[-1], minlength=len(medians)) >= max(min_rows, 1)
    ranked = np.sort(medians[enough])
    return [_placed(ranked, table) for table in tables]


def check_metric(metric: str, q: float | None, *, without: Sequence[str] = ()) -> None:
    """The metric is known, and `percentile_q` there when it is needed and only then."""
    known = sorted(set(METRICS) - set(without))
    if metric not in known:
        raise GroupFeatureError(
            f"group_metric={metric!r} is unknown; expected one of {', '.join(known)}."
        )
    if metric != "percentile":
        if q is not None:
            raise GroupFeatureError(
                f"percentile_q={q!r} is for group_metric='percentile' only, and this is "
                f"{metric!r}: leave it out, or change the metric."
            )
        return
    if not is_percentile(q):
        raise GroupFeatureError(
            f"percentile_q={q!r}: group_metric='percentile' needs a number from 0 to 100 "
            "(50 is the median)."
        )
    if q == 1:
        raise GroupFeatureError(
            f"percentile_q={q!r} is the first percentile or the largest value: give 0.01 or 100."
        )


def is_percentile(q: object) -> bool:
    """Whether `q` is a number from 0 to 100."""
    is_number = isinstance(q, int | float | np.number) and not isinstance(q, bool)
    return bool(is_number and 0 <= q <= 100)  # type: ignore[operator]


def _fraction(q: float | None) -> float | None:
    """A percentile as a fraction, whichever of the two it was given as."""
    return q if q is None or q < 1 else q / 100


def _percent(q: float | None) -> str:
    """A percentile as percent, in the name of a column."""
    return f"{100 * (_fraction(q) or 0):g}"


def _statistic(
    values: Floats, codes: Codes, groups: int, *, metric: str, q: float | None
) -> Floats:
    """Of each of so many groups, NaN for those without a value."""
    # Categories are numbered already, and those without a value come out as well.
    numbered: Any = pd.Categorical.from_codes(codes, categories=pd.RangeIndex(groups))
    grouped = pd.Series(values).groupby(numbered, observed=False)
    if metric == "percentile":
        assert q is not None
        return np.asarray(grouped.quantile(q).to_numpy(), dtype=np.float64)
    return np.asarray(grouped.agg(metric).to_numpy(), dtype=np.float64)


def _placed(ranked: Floats, values: Floats) -> Floats:
    """Where each value is, or would be, among sorted ones, from 1."""
    below = np.searchsorted(ranked, values, side="left")
    not_above = np.searchsorted(ranked, values, side="right")
    places: Floats = (below + not_above + 1) / 2
    return places


def _target(
    name: str | None, frame: pd.DataFrame, y: Any, estimator: BaseEstimator
) -> tuple[str, Floats]:
    """What the target is called, and its values."""
    if name is not None and name in frame.columns:
        require(frame, [name], "target_name")
        return name, numbers(frame[name], name)
    if y is None:
        if name is None:
            raise GroupFeatureError(
                f"{type(estimator).__name__} requires y to be passed, but the target y is None: "
                "pass y, or name a column of X in target_name."
            )
        require(frame, [name], "target_name (and there is no y)")
    called = getattr(y, "name", None)
    if name is not None and called is not None and called != name:
        known = ", ".join(sorted(map(repr, frame.columns)))
        raise GroupFeatureError(
            f"target_name={name!r} is neither a column of X nor the name of y, {called!r}; the "
            f"columns are: {known}."
        )
    if not isinstance(y, pd.Series):
        y = check_array(y, dtype=None, ensure_2d=False, ensure_all_finite=False, input_name="y")
        y = pd.Series(column_or_1d(y, warn=True))
    check_consistent_length(frame, y)
    label = str(name if name is not None else called if called is not None else "target")
    return label, numbers(y, label)


def _joined(columns: Sequence[Column]) -> str:
    return "_".join(map(str, columns))


def _column(values: Floats) -> Floats:
    return values.reshape(-1, 1)
