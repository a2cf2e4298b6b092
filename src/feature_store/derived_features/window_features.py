"""Columns that say where a row stands in its group, or what came before it.

What libraries have, looked at with pandas 3.1 and Python 3.13 before this was written:

- `feature_engine.outliers.Winsorizer` and `sklego.preprocessing.ColumnCapper` cap all rows at the
  same limits. Per group there is `sklego.meta.GroupedTransformer(ColumnCapper(), ["country"])`,
  right for few groups without nulls (a test runs it); it refuses null keys, skops cannot store it,
  and a million rows in 10,000 groups take it 20 s to fit and 30 s to transform.
- `sklearn.preprocessing.QuantileTransformer` ranks among all rows, not within a group.
- `feature_engine.timeseries.forecasting.LagFeatures` lags one series, whose times are the frame's
  index. There it works as it is (a test runs it, with `sort_index=False`: pandas 3.1 warns of how
  it sorts); several entities make the index ambiguous, and it refuses that.

Everything here is learnt in `fit`: what a row gets does not depend on the rows that come with it,
with the one exception that `LagFeatures` documents.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from feature_store.derived_features.aggregated_features import group_statistics, is_percentile
from feature_store.derived_features.groups import (
    Codes,
    Column,
    Floats,
    GroupFeatureError,
    Groups,
    GroupTransformer,
    comparable,
    looked_up,
    named,
    numbers,
    require,
    resolved,
)

# What `skops.io.load(..., trusted=...)` has to be told to load these.
TRUSTED_TYPES = (
    "feature_store.derived_features.groups.Groups",
    "feature_store.derived_features.window_features.GroupPercentileRank",
    "feature_store.derived_features.window_features.GroupWinsorizer",
    "feature_store.derived_features.window_features.LagFeatures",
)


class GroupWinsorizer(GroupTransformer):
    r"""Values beyond the usual of their group, moved to its limits.

    :math:`x_i` becomes :math:`\min(\max(x_i, l_g), u_g)`, with :math:`l_g` and :math:`u_g` the
    percentiles `lower` and `upper` of its group's values in `fit` (`numpy.percentile`, linear).
    Groups never seen, or with fewer than `min_rows` values, have the limits of all rows, or of a
    coarser group. Nulls stay null. The columns keep their names and come out as floats.

    Parameters
    ----------
    group_cols : str, int or sequence of them
        Columns to group by, coarse before fine if `coarser` is set; or positions.
    columns : str, int or sequence of them
        What to limit.
    lower, upper : float or None, default=5 and 95
        Percentiles, from 0 to 100; None leaves that side as it is.
    min_rows, coarser
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

    def __init__(
        self,
        group_cols: Column | Sequence[Column],
        columns: Column | Sequence[Column],
        *,
        lower: float | None = 5,
        upper: float | None = 95,
        min_rows: int = 1,
        coarser: bool = False,
    ) -> None:
        self.group_cols = group_cols
        self.columns = columns
        self.lower = lower
        self.upper = upper
        self.min_rows = min_rows
        self.coarser = coarser

    def fit(self, X: Any, y: Any = None) -> GroupWinsorizer:
        """Learn each group's limits."""
        self._check_limits()
        frame = self._rows_to_learn(X)
        columns = named(frame, self.columns, "columns")
        groups = Groups(self._groups_of(frame))
        levels = groups.learn(frame)
        values = [numbers(frame[column], column) for column in columns]
        self.lower_limits_ = [self._limits(groups, levels, each, self.lower) for each in values]
        self.upper_limits_ = [self._limits(groups, levels, each, self.upper) for each in values]
        self.groups_, self.columns_ = groups, columns
        return self

    def _computed(self, frame: pd.DataFrame) -> Floats:
        require(frame, self.groups_.columns, "group_cols")
        require(frame, self.columns_, "columns")
        levels = self.groups_.find(frame)
        result = np.empty((len(frame), len(self.columns_)))
        for place, column in enumerate(self.columns_):
            values = numbers(frame[column], column)
            # fmin and fmax: where a limit is not known, there is none.
            limited = values
            if lowest := self.lower_limits_[place]:
                limited = np.fmax(limited, looked_up(lowest, levels))
            if highest := self.upper_limits_[place]:
                limited = np.fmin(limited, looked_up(highest, levels))
            result[:, place] = np.where(np.isnan(values), np.nan, limited)
        return result

    def _limits(
        self, groups: Groups, levels: Sequence[Codes], values: Floats, q: float | None
    ) -> list[Floats]:
        """One table per level; none where that side is open."""
        if q is None:
            return []
        return group_statistics(
            groups,
            levels,
            values,
            "percentile",
            q / 100,
            min_rows=self.min_rows,
            coarser=self.coarser,
        )

    def _check_limits(self) -> None:
        for name, q in (("lower", self.lower), ("upper", self.upper)):
            if q is not None and not is_percentile(q):
                raise GroupFeatureError(
                    f"{name}={q!r}: expected a percentile from 0 to 100, or None."
                )
        if self.lower is not None and self.upper is not None and self.lower > self.upper:
            raise GroupFeatureError(
                f"lower={self.lower!r} lies above upper={self.upper!r}: swap them."
            )

    def _names_out(self) -> list[str]:
        return [str(column) for column in self.columns_]


class GroupPercentileRank(GroupTransformer):
    r"""Where a value stands among the values of its group in `fit`, from 0 to 1.

    .. math:: \frac{\#\{j \in G: x_j < x_i\} + \frac{1}{2} \#\{j \in G: x_j = x_i\}}{\# G}

    which is `scipy.stats.percentileofscore(..., kind="mean") / 100`. The distribution is the one
    learnt, not that of the rows that come together: a row alone gets what it gets in a crowd.
    Groups never seen, or with fewer than `min_rows` values, are ranked among all rows, or in a
    coarser group. Nulls stay null.

    Parameters
    ----------
    group_cols : str, int or sequence of them
        Columns to group by, coarse before fine if `coarser` is set; or positions.
    columns : str, int or sequence of them
        What to rank; each gives one column.
    n_quantiles : int, default=1000
        Of larger groups so many values are kept, evenly spaced in their order: ranks are exact up
        to that size, and to within about `1 / n_quantiles` beyond.
    min_rows, coarser
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

    def __init__(
        self,
        group_cols: Column | Sequence[Column],
        columns: Column | Sequence[Column],
        *,
        n_quantiles: int = 1000,
        min_rows: int = 1,
        coarser: bool = False,
    ) -> None:
        self.group_cols = group_cols
        self.columns = columns
        self.n_quantiles = n_quantiles
        self.min_rows = min_rows
        self.coarser = coarser

    def fit(self, X: Any, y: Any = None) -> GroupPercentileRank:
        """Learn each group's distribution."""
        if self.n_quantiles < 2:
            raise GroupFeatureError(f"n_quantiles={self.n_quantiles!r}: expected at least 2.")
        frame = self._rows_to_learn(X)
        columns = named(frame, self.columns, "columns")
        groups = Groups(self._groups_of(frame))
        levels = groups.learn(frame)
        learnt = [self._learn(groups, levels, numbers(frame[c], c)) for c in columns]
        self.segments_ = [segments for segments, _, _ in learnt]
        self.values_ = [values for _, values, _ in learnt]
        self.starts_ = [starts for _, _, starts in learnt]
        self.groups_, self.columns_ = groups, columns
        return self

    def _computed(self, frame: pd.DataFrame) -> Floats:
        require(frame, self.groups_.columns, "group_cols")
        require(frame, self.columns_, "columns")
        levels = self.groups_.find(frame)
        result = np.empty((len(frame), len(self.columns_)))
        for place, column in enumerate(self.columns_):
            segments = looked_up(self.segments_[place], levels)
            values = numbers(frame[column], column)
            result[:, place] = _ranked(self.values_[place], self.starts_[place], segments, values)
        return result

    def _learn(
        self, groups: Groups, levels: Sequence[Codes], values: Floats
    ) -> tuple[list[Codes], Floats, Codes]:
        """For each level, each group's segment; all segments' sorted values; where each starts."""
        known = ~np.isnan(values)
        rows, values = [codes[known] for codes in levels], values[known]
        parts: list[Floats] = []
        counts: list[Codes] = []

        def answers(codes: Codes, size: int) -> Codes:
            first = sum(map(len, counts))
            kept, kept_counts = _evenly_spaced(values, codes, size, self.n_quantiles)
            parts.append(kept)
            counts.append(kept_counts)
            return np.arange(first, first + size)

        segments = resolved(
            groups,
            rows,
            np.ones(len(values), dtype=np.bool_),
            answers,
            min_rows=self.min_rows,
            coarser=self.coarser,
        )
        starts = np.concatenate([[0], np.cumsum(np.concatenate(counts))]).astype(np.int64)
        return segments, np.concatenate(parts), starts

    def _names_out(self) -> list[str]:
        by = "_".join(map(str, self.groups_.columns))
        return [f"{column}_percentile_rank_by_{by}" for column in self.columns_]


class LagFeatures(GroupTransformer):
    """What a column was one, two, ... rows earlier, of the same entity.

    A lag of `p` is the value of the `p`-th row before, in the order of time, of those of the same
    entity: earlier rows, not earlier days. NaN where there is none, and where it was null.

    Known are the rows that come together and, from `fit`, each entity's last `max(periods)` rows:
    so the first new row of an entity has its lags, even if it comes alone. Where a row from `fit`
    comes again, with the same entity and time, the one that comes is taken, so
    `fit(X).transform(X)` gives what `fit_transform(X)` does. Rows that are neither remembered nor
    handed in cannot be known of: hand in an entity's rows from some time on without gaps.

    Parameters
    ----------
    entity : str, int or sequence of them
        What the rows are about, as `company_id`; rows with a null here are an entity, too.
    time : str or int
        A time, or a number that grows. No nulls, and no time twice for an entity. Times with a zone
        are compared as moments.
    columns : str, int or sequence of them
        What to look back on.
    periods : int or sequence of int, default=1
        How many rows back, each at least 1; a look ahead would tell the future.

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
        periods = self._checked_periods()
        frame = self._rows_to_learn(X)
        groups = Groups(named(frame, self.entity, "entity"))
        columns = named(frame, self.columns, "columns")
        time = named(frame, self.time, "time")[0]
        entities = groups.learn(frame)[-1]
        self.kind_, times = self._times(frame, time)
        order = _in_order(entities, times)
        self._refuse_twice(frame, order, entities, times, [*groups.columns, time])
        # Numbered from the end: the last row of an entity is 0.
        last = order[_places_from_end(entities[order]) < max(periods)]
        self.groups_, self.columns_, self.time_, self.periods_ = groups, columns, time, periods
        self.entities_, self.times_ = entities[last], times[last]
        self.values_ = _matrix(frame, columns)[last]
        return self

    def _computed(self, frame: pd.DataFrame) -> Floats:
        require(frame, [*self.groups_.columns, self.time_, *self.columns_], "columns")
        result = np.full((len(frame), len(self.columns_) * len(self.periods_)), np.nan)
        if not len(frame):
            return result
        kind, times = self._times(frame, self.time_)
        if kind != self.kind_:
            raise GroupFeatureError(
                f"Column {self.time_!r} held {self.kind_} values when it was learnt from, and "
                f"holds {kind} values now. Hand in the same kind."
            )
        entities, known = self._entities(frame)
        all_entities = np.concatenate([known, entities])
        kept = known >= 0
        all_times = np.concatenate([self.times_, times])
        values = np.concatenate([self.values_, _matrix(frame, self.columns_)])
        order = _in_order(all_entities, all_times)
        order = order[np.concatenate([kept, np.ones(len(frame), dtype=np.bool_)])[order]]
        came = order >= len(known)
        self._refuse_twice(
            frame,
            order[came] - len(known),
            entities,
            times,
            [*self.groups_.columns, self.time_],
        )
        # What is remembered sorts before what came at the same time, and gives way to it.
        order = order[~_same_as_next(order, all_entities, all_times)]
        came = order >= len(known)
        rows = order[came] - len(known)
        for place, period in enumerate(self.periods_):
            lagged = _shifted(values[order], all_entities[order], period)
            result[rows, place :: len(self.periods_)] = lagged[came]
        return result

    def _entities(self, frame: pd.DataFrame) -> tuple[Codes, Codes]:
        """Number the entities of `frame`; and so those of the remembered rows, -1 if not there."""
        batch = Groups(self.groups_.columns).learn(frame)[-1]
        fitted = self.groups_.find(frame)[-1]
        number = np.full(self.groups_.sizes()[-1], -1, dtype=np.int64)
        number[fitted[fitted >= 0]] = batch[fitted >= 0]
        return batch, number[self.entities_]

    def _times(self, frame: pd.DataFrame, time: Column) -> tuple[str, npt.NDArray[Any]]:
        if nulls := int(frame[time].isna().sum()):
            raise GroupFeatureError(
                f"Column {time!r} has {nulls} null(s), and rows without a time have no order: "
                "remove or fill them."
            )
        kind, times = comparable(pd.Index(frame[time]), time)
        if kind == "text":
            raise GroupFeatureError(
                f"Column {time!r} holds text, whose order need not be that of time: convert it "
                "with pandas.to_datetime."
            )
        return kind, times

    def _checked_periods(self) -> list[int]:
        periods = [self.periods] if isinstance(self.periods, int) else list(self.periods)
        whole = all(isinstance(p, int | np.integer) and p >= 1 for p in periods)
        if not periods or not whole or len(set(periods)) < len(periods):
            raise GroupFeatureError(
                f"periods={self.periods!r}: expected whole numbers from 1 (rows back), each once."
            )
        return [int(period) for period in periods]

    def _refuse_twice(
        self,
        frame: pd.DataFrame,
        order: Codes,
        entities: Codes,
        times: npt.NDArray[Any],
        columns: list[Column],
    ) -> None:
        twice = _same_as_next(order, entities, times)
        if twice.any():
            row = frame.iloc[int(order[np.flatnonzero(twice)[0]])]
            shown = ", ".join(f"{column}={row[column]!s}" for column in columns)
            raise GroupFeatureError(
                f"{int(twice.sum())} row(s) have the entity and time of another one, as {shown}, "
                "so which comes first is not known: keep one of each."
            )

    def _names_out(self) -> list[str]:
        return [f"{c}_lag_{period}" for c in self.columns_ for period in self.periods_]


def _evenly_spaced(values: Floats, codes: Codes, groups: int, most: int) -> tuple[Floats, Codes]:
    """Each group's values in order, at most so many of each, and how many they are."""
    order = np.lexsort((values, codes))
    counts = np.bincount(codes, minlength=groups)
    kept = np.minimum(counts, most)
    starts = np.cumsum(counts) - counts
    within = np.arange(kept.sum()) - np.repeat(np.cumsum(kept) - kept, kept)
    step = (counts - 1) / np.maximum(kept - 1, 1)
    positions = np.repeat(starts, kept) + np.rint(within * np.repeat(step, kept)).astype(np.int64)
    return values[order[positions]], kept


def _ranked(known: Floats, starts: Codes, segments: Codes, values: Floats) -> Floats:
    """The mid-rank of each value in its segment, from 0 to 1."""
    if not len(known):
        return np.full(len(values), np.nan)
    # Numbered by size, values and segments make one key, sorted by segment and then by value.
    distinct, sizes = np.unique(known, return_inverse=True)
    slots = len(distinct) + 1
    lengths = np.diff(starts)
    keys = np.repeat(np.arange(len(lengths)), lengths) * slots + sizes
    below = np.searchsorted(keys, segments * slots + np.searchsorted(distinct, values, "left"))
    not_above = np.searchsorted(keys, segments * slots + np.searchsorted(distinct, values, "right"))
    middle = (below + not_above) / 2 - starts[segments]
    return np.where(np.isnan(values), np.nan, middle / np.maximum(lengths[segments], 1))


def _matrix(frame: pd.DataFrame, columns: Sequence[Column]) -> Floats:
    return np.column_stack([numbers(frame[column], column) for column in columns])


def _in_order(entities: Codes, times: npt.NDArray[Any]) -> Codes:
    """By entity, then time, then place: lexsort is stable."""
    return np.asarray(np.lexsort((times, entities)), dtype=np.int64)


def _same_as_next(order: Codes, entities: Codes, times: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """The rows, in order, that are followed by one of the same entity and time."""
    same = np.zeros(len(order), dtype=np.bool_)
    e, t = entities[order], times[order]
    same[:-1] = (e[1:] == e[:-1]) & (t[1:] == t[:-1])
    return same


def _places_from_end(entities: Codes) -> Codes:
    """Of sorted entities, how many rows of the same entity come after each."""
    ends = np.searchsorted(entities, entities, side="right")
    return np.asarray(ends - 1 - np.arange(len(entities)), dtype=np.int64)


def _shifted(values: Floats, entities: Codes, period: int) -> Floats:
    """Values `period` places earlier, NaN where that is another entity."""
    result = np.full(values.shape, np.nan)
    if period < len(values):
        same = entities[period:] == entities[:-period]
        result[period:][same] = values[:-period][same]
    return result
