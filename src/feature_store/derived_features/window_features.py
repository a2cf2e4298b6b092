"""Columns that compare a row with its group, or with earlier rows of its entity.

Use a library where one does the job (compared with pandas 3.1 and Python 3.13):

- `feature_engine.outliers.Winsorizer` and `sklego.preprocessing.ColumnCapper` limit all rows alike.
  For limits per group, `sklego.meta.GroupedTransformer(ColumnCapper(), ["country"])` works for a
  few groups without nulls. It refuses null keys, skops cannot store it, and a million rows in
  10,000 groups take it 20 s to fit and 30 s to transform.
- `sklearn.preprocessing.QuantileTransformer` ranks among all rows, not within a group.
- `feature_engine.timeseries.forecasting.LagFeatures` lags one series whose times are the frame's
  index (pass `sort_index=False`: pandas 3.1 warns of how it sorts). It refuses several entities,
  which make the index ambiguous.

All transformers learn in `fit`: a row's result does not depend on the other rows of a batch. The
one exception is described in `LagFeatures`.
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.utils._param_validation import Interval

from feature_store.derived_features.aggregated_features import group_statistics
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
    comparable_values,
    find_columns,
    look_up,
    require_columns,
    statistics_by_level,
    to_numbers,
)

# Pass these to `skops.io.load(..., trusted=...)` to load the transformers.
TRUSTED_TYPES = (
    "feature_store.derived_features.groups.Groups",
    "feature_store.derived_features.window_features.GroupPercentileRank",
    "feature_store.derived_features.window_features.GroupWinsorizer",
    "feature_store.derived_features.window_features.LagFeatures",
)


class GroupWinsorizer(GroupColumnTransformer):
    r"""Values limited to the usual range of their group.

    :math:`x_i` becomes :math:`\min(\max(x_i, l_g), u_g)`, where :math:`l_g` and :math:`u_g` are
    the percentiles `lower` and `upper` of its group's values in `fit` (`numpy.percentile`, linear).
    Groups not seen in `fit`, or with fewer than `min_rows` values, use the limits of all rows, or
    of a parent group. Nulls stay null. The columns keep their names and become floats.

    Parameters
    ----------
    group_cols : str, int or sequence of them
        Columns to group by (names or positions), parents first if `fallback="parent"`.
    columns : str, int or sequence of them
        The columns to limit.
    lower, upper : float or None, default=5 and 95
        Percentiles, from 0 to 100. None sets no limit on that side.
    min_rows, fallback
        As in `aggregated_features.GroupFeatureGenerator`.

    Examples:
    --------
    >>> import pandas as pd
    >>> from feature_store.derived_features.window_features import GroupWinsorizer
    >>> rows = pd.DataFrame({"country": ["NL"] * 3 + ["BE"] * 3, "revenue": [1, 2, 3, 40, 50, 60]})
    >>> limited = GroupWinsorizer("country", "revenue", lower=0, upper=50).fit(rows)
    >>> limited.transform(rows)["revenue"].tolist()
    [1.0, 2.0, 2.0, 40.0, 50.0, 50.0]
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **GROUP_CONSTRAINTS,
        "columns": COLUMN_NAMES,
        "lower": [Interval(Real, 0, 100, closed="both"), None],
        "upper": [Interval(Real, 0, 100, closed="both"), None],
    }

    def __init__(
        self,
        group_cols: Column | Sequence[Column],
        columns: Column | Sequence[Column],
        *,
        lower: float | None = 5,
        upper: float | None = 95,
        min_rows: int = 1,
        fallback: Fallback = "all",
    ) -> None:
        self.group_cols = group_cols
        self.columns = columns
        self.lower = lower
        self.upper = upper
        self.min_rows = min_rows
        self.fallback = fallback

    def _learn(self, groups: Groups, levels: Sequence[Codes], columns: Sequence[Floats]) -> None:
        if self.lower is not None and self.upper is not None and self.lower > self.upper:
            raise GroupFeatureError(
                f"lower={self.lower!r} is greater than upper={self.upper!r}: swap them."
            )
        self.lower_limits_ = [self._limits(groups, levels, each, self.lower) for each in columns]
        self.upper_limits_ = [self._limits(groups, levels, each, self.upper) for each in columns]

    def _compute_column(self, place: int, values: Floats, levels: Sequence[Codes]) -> Floats:
        limited = values
        # fmin and fmax ignore a limit that is NaN, that of a group without values.
        if lowest := self.lower_limits_[place]:
            limited = np.fmax(limited, look_up(lowest, levels))
        if highest := self.upper_limits_[place]:
            limited = np.fmin(limited, look_up(highest, levels))
        return np.where(np.isnan(values), np.nan, limited)

    def _limits(
        self, groups: Groups, levels: Sequence[Codes], values: Floats, q: float | None
    ) -> list[Floats]:
        """The limits of each level's groups; empty if that side has no limit."""
        if q is None:
            return []
        return group_statistics(
            groups,
            levels,
            values,
            "percentile",
            q / 100,
            min_rows=self.min_rows,
            fallback=self.fallback,
        )

    def _names_out(self) -> list[str]:
        return [str(column) for column in self.columns_]


class GroupPercentileRank(GroupColumnTransformer):
    r"""The percentile rank of a value among its group's values in `fit`, from 0 to 1.

    .. math:: \frac{\#\{j \in G: x_j < x_i\} + \frac{1}{2} \#\{j \in G: x_j = x_i\}}{\# G}

    This is `scipy.stats.percentileofscore(..., kind="mean") / 100`. `transform` compares with the
    distribution learned in `fit`, so a row gets the same rank alone and in a batch. Groups not seen
    in `fit`, or with fewer than `min_rows` values, are ranked among all rows, or in a parent group.
    Nulls stay null.

    Parameters
    ----------
    group_cols : str, int or sequence of them
        Columns to group by (names or positions), parents first if `fallback="parent"`.
    columns : str, int or sequence of them
        The columns to rank; each gives one column.
    n_quantiles : int, default=1000
        How many values to keep of a larger group, evenly spaced in ascending order. Ranks are exact
        in groups up to that size, and accurate to about `1 / n_quantiles` in larger ones.
    min_rows, fallback
        As in `aggregated_features.GroupFeatureGenerator`.

    Examples:
    --------
    >>> import pandas as pd
    >>> from feature_store.derived_features.window_features import GroupPercentileRank
    >>> rows = pd.DataFrame({"country": ["NL"] * 4 + ["BE"], "revenue": [1, 2, 3, 4, 500]})
    >>> GroupPercentileRank("country", "revenue").fit(rows).transform(rows)
       revenue_percentile_rank_by_country
    0                               0.125
    1                               0.375
    2                               0.625
    3                               0.875
    4                               0.500
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **GROUP_CONSTRAINTS,
        "columns": COLUMN_NAMES,
        "n_quantiles": [Interval(Integral, 2, None, closed="left")],
    }

    def __init__(
        self,
        group_cols: Column | Sequence[Column],
        columns: Column | Sequence[Column],
        *,
        n_quantiles: int = 1000,
        min_rows: int = 1,
        fallback: Fallback = "all",
    ) -> None:
        self.group_cols = group_cols
        self.columns = columns
        self.n_quantiles = n_quantiles
        self.min_rows = min_rows
        self.fallback = fallback

    def _learn(self, groups: Groups, levels: Sequence[Codes], columns: Sequence[Floats]) -> None:
        learned = [self._distributions(groups, levels, values) for values in columns]
        self.segments_ = [segments for segments, _, _ in learned]
        self.values_ = [values for _, values, _ in learned]
        self.starts_ = [starts for _, _, starts in learned]

    def _compute_column(self, place: int, values: Floats, levels: Sequence[Codes]) -> Floats:
        segments = look_up(self.segments_[place], levels)
        return _percentile_rank(self.values_[place], self.starts_[place], segments, values)

    def _distributions(
        self, groups: Groups, levels: Sequence[Codes], values: Floats
    ) -> tuple[list[Codes], Floats, Codes]:
        """For each level, each group's segment; the sorted values of all segments; their starts."""
        known = ~np.isnan(values)
        rows, values = [codes[known] for codes in levels], values[known]
        parts: list[Floats] = []
        counts: list[Codes] = []

        def add_segments(codes: Codes, size: int) -> Codes:
            first = sum(map(len, counts))
            kept, kept_counts = _keep_evenly_spaced(values, codes, size, self.n_quantiles)
            parts.append(kept)
            counts.append(kept_counts)
            return np.arange(first, first + size)

        segments = statistics_by_level(
            groups, rows, add_segments, min_rows=self.min_rows, fallback=self.fallback
        )
        starts = np.concatenate([[0], np.cumsum(np.concatenate(counts))]).astype(np.int64)
        return segments, np.concatenate(parts), starts

    def _names_out(self) -> list[str]:
        by = "_".join(map(str, self.groups_.columns))
        return [f"{column}_percentile_rank_by_{by}" for column in self.columns_]


class LagFeatures(GroupTransformer):
    """The values of columns one, two, ... rows earlier, of the same entity.

    A lag of `p` is the value of the `p`-th earlier row of the same entity, in time order. It counts
    rows, not days. It is NaN if there is no such row, or its value is null.

    `transform` looks in its own batch and in each entity's last `max(periods)` rows of `fit`, so
    the first new row of an entity has its lags, even if it comes alone. If a row of `fit` comes
    again, with the same entity and time, the new one counts, so `fit(X).transform(X)` equals
    `fit_transform(X)`. Rows in neither place are unknown: pass an entity's rows without gaps.

    Parameters
    ----------
    entity : str, int or sequence of them
        Columns that identify the entity, such as `company_id`; null is an entity, too.
    time : str or int
        A time or an increasing number, without nulls, and unique within an entity. Times with a
        zone are compared as points in time.
    columns : str, int or sequence of them
        The columns to lag.
    periods : int or sequence of int, default=1
        Numbers of rows to look back, each at least 1, because a row must not see the future.

    Examples:
    --------
    >>> import pandas as pd
    >>> from feature_store.derived_features.window_features import LagFeatures
    >>> past = pd.DataFrame({"id": [1, 1, 2], "year": [2023, 2024, 2024], "revenue": [10, 20, 7]})
    >>> lags = LagFeatures("id", "year", "revenue", periods=[1, 2]).fit(past)
    >>> now = pd.DataFrame({"id": [1, 2, 3], "year": 2025, "revenue": [30, 8, 1]})
    >>> lags.transform(now)
       revenue_lag_1  revenue_lag_2
    0           20.0           10.0
    1            7.0            NaN
    2            NaN            NaN
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "entity": COLUMN_NAMES,
        "time": [str, Integral],
        "columns": COLUMN_NAMES,
        "periods": [Interval(Integral, 1, None, closed="left"), "array-like"],
    }

    def __init__(
        self,
        entity: Column | Sequence[Column],
        time: Column,
        columns: Column | Sequence[Column],
        periods: int | Sequence[int] = 1,
    ) -> None:
        self.entity = entity
        self.time = time
        self.columns = columns
        self.periods = periods

    def fit(self, X: Any, y: Any = None) -> LagFeatures:
        """Remember the last rows of each entity."""
        frame = self._frame_to_fit(X)
        periods = self._check_periods()
        groups = Groups(find_columns(frame, self.entity, "entity"))
        columns = find_columns(frame, self.columns, "columns")
        time = find_columns(frame, self.time, "time")[0]
        entities = groups.learn(frame)[-1]
        self.kind_, times = self._times(frame, time)
        order = _sort_by_time(entities, times)
        self._refuse_duplicates(frame, order, entities, times, [*groups.columns, time])
        # Numbered from the end: the last row of an entity is 0.
        last = order[_places_from_end(entities[order]) < max(periods)]
        self.groups_, self.columns_, self.time_, self.periods_ = groups, columns, time, periods
        self.entities_, self.times_ = entities[last], times[last]
        self.values_ = _matrix(frame, columns)[last]
        return self

    def _compute(self, frame: pd.DataFrame) -> Floats:
        require_columns(frame, [*self.groups_.columns, self.time_, *self.columns_], "columns")
        result = np.full((len(frame), len(self.columns_) * len(self.periods_)), np.nan)
        if not len(frame):
            return result
        times = self._times_to_transform(frame)
        entities, remembered = self._entities(frame)
        first = len(remembered)
        all_entities = np.concatenate([remembered, entities])
        all_times = np.concatenate([self.times_, times])
        values = np.concatenate([self.values_, _matrix(frame, self.columns_)])
        order = _sort_by_time(all_entities, all_times)
        # Remembered entities that are not in this batch are -1.
        order = order[(order >= first) | (all_entities[order] >= 0)]
        self._refuse_duplicates(
            frame,
            order[order >= first] - first,
            entities,
            times,
            [*self.groups_.columns, self.time_],
        )
        # A remembered row sorts before a new one of the same time, and the new one replaces it.
        order = order[~_is_same_as_next(order, all_entities, all_times)]
        new = order >= first
        for place, period in enumerate(self.periods_):
            lagged = _shift(values[order], all_entities[order], period)
            result[order[new] - first, place :: len(self.periods_)] = lagged[new]
        return result

    def _entities(self, frame: pd.DataFrame) -> tuple[Codes, Codes]:
        """Number the entities of `frame`, and of the remembered rows (-1 if not in `frame`)."""
        batch = Groups(self.groups_.columns).learn(frame)[-1]
        fitted = self.groups_.find(frame)[-1]
        number = np.full(self.groups_.sizes()[-1], -1, dtype=np.int64)
        number[fitted[fitted >= 0]] = batch[fitted >= 0]
        return batch, number[self.entities_]

    def _times_to_transform(self, frame: pd.DataFrame) -> npt.NDArray[Any]:
        kind, times = self._times(frame, self.time_)
        if kind != self.kind_:
            raise GroupFeatureError(
                f"Column {self.time_!r}: expected {self.kind_} values as in fit, got {kind} "
                "values. Pass values of the same kind."
            )
        return times

    def _times(self, frame: pd.DataFrame, time: Column) -> tuple[str, npt.NDArray[Any]]:
        if nulls := int(frame[time].isna().sum()):
            raise GroupFeatureError(
                f"Column {time!r}: expected a time in each row, got {nulls} null(s). Remove or "
                "fill them."
            )
        kind, times = comparable_values(pd.Index(frame[time]), time)
        if kind == "text":
            raise GroupFeatureError(
                f"Column {time!r}: expected times or numbers, got strings, which may not sort by "
                "time. Convert them with pandas.to_datetime."
            )
        return kind, times

    def _check_periods(self) -> list[int]:
        periods = (
            [self.periods] if isinstance(self.periods, int | np.integer) else list(self.periods)
        )
        valid = all(isinstance(period, int | np.integer) and period >= 1 for period in periods)
        if not periods or not valid or len(set(periods)) < len(periods):
            raise GroupFeatureError(
                f"periods={self.periods!r}: expected different whole numbers of at least 1."
            )
        return [int(period) for period in periods]

    def _refuse_duplicates(
        self,
        frame: pd.DataFrame,
        order: Codes,
        entities: Codes,
        times: npt.NDArray[Any],
        columns: list[Column],
    ) -> None:
        duplicates = _is_same_as_next(order, entities, times)
        if duplicates.any():
            row = frame.iloc[int(order[np.flatnonzero(duplicates)[0]])]
            shown = ", ".join(f"{column}={row[column]!s}" for column in columns)
            raise GroupFeatureError(
                f"{int(duplicates.sum())} row(s) have the entity and time of another row, for "
                f"example {shown}, so their order is unknown. Keep one of each."
            )

    def _names_out(self) -> list[str]:
        return [f"{c}_lag_{period}" for c in self.columns_ for period in self.periods_]


def _keep_evenly_spaced(
    values: Floats, codes: Codes, groups: int, most: int
) -> tuple[Floats, Codes]:
    """Each group's values in ascending order, at most `most` of each, and their counts."""
    order = np.lexsort((values, codes))
    counts = np.bincount(codes, minlength=groups)
    kept = np.minimum(counts, most)
    starts = np.cumsum(counts) - counts
    within = np.arange(kept.sum()) - np.repeat(np.cumsum(kept) - kept, kept)
    step = (counts - 1) / np.maximum(kept - 1, 1)
    positions = np.repeat(starts, kept) + np.rint(within * np.repeat(step, kept)).astype(np.int64)
    return values[order[positions]], kept


def _percentile_rank(known: Floats, starts: Codes, segments: Codes, values: Floats) -> Floats:
    """The percentile rank of each value in its segment, from 0 to 1."""
    if not len(known):
        return np.full(len(values), np.nan)
    # A segment and the rank of a value form one key, so a single search covers all segments.
    distinct, sizes = np.unique(known, return_inverse=True)
    slots = len(distinct) + 1
    lengths = np.diff(starts)
    keys = np.repeat(np.arange(len(lengths)), lengths) * slots + sizes
    below = np.searchsorted(keys, segments * slots + np.searchsorted(distinct, values, "left"))
    not_above = np.searchsorted(keys, segments * slots + np.searchsorted(distinct, values, "right"))
    middle = (below + not_above) / 2 - starts[segments]
    return np.where(np.isnan(values), np.nan, middle / np.maximum(lengths[segments], 1))


def _matrix(frame: pd.DataFrame, columns: Sequence[Column]) -> Floats:
    return np.column_stack([to_numbers(frame[column], column) for column in columns])


def _sort_by_time(entities: Codes, times: npt.NDArray[Any]) -> Codes:
    """The order by entity, then time, then position: lexsort is stable."""
    return np.asarray(np.lexsort((times, entities)), dtype=np.int64)


def _is_same_as_next(
    order: Codes, entities: Codes, times: npt.NDArray[Any]
) -> npt.NDArray[np.bool_]:
    """Which rows, in order, precede a row of the same entity and time."""
    same = np.zeros(len(order), dtype=np.bool_)
    e, t = entities[order], times[order]
    same[:-1] = (e[1:] == e[:-1]) & (t[1:] == t[:-1])
    return same


def _places_from_end(entities: Codes) -> Codes:
    """For sorted entities, the number of later rows of the same entity."""
    ends = np.searchsorted(entities, entities, side="right")
    return np.asarray(ends - 1 - np.arange(len(entities)), dtype=np.int64)


def _shift(values: Floats, entities: Codes, period: int) -> Floats:
    """Values `period` places earlier, NaN where that row is of another entity."""
    result = np.full(values.shape, np.nan)
    if period < len(values):
        same = entities[period:] == entities[:-period]
        result[period:][same] = values[:-period][same]
    return result
