"""The groups that rows belong to, learned in `fit` and found again in `transform`.

A group is a combination of values of the group columns. Values are compared by meaning, not by
storage: `str`, `string`, `category`, `object` and Arrow strings match one another, and so do the
number types (1, 1.0 and True are one group). A missing value is a value like any other, so rows
without a country form a group.

Fitted attributes are numpy arrays and lists of them, which skops stores without pickle.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from numbers import Integral
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import (
    _check_feature_names_in,
    check_is_fitted,
    validate_data,
)

from cli.errors import InputError

type Codes = npt.NDArray[np.int64]
type Floats = npt.NDArray[np.float64]
type Column = str | int
type Fallback = Literal["all", "parent"]

# Values that scikit-learn accepts for the parameters that several transformers have.
COLUMN_NAMES = (str, Integral, "array-like")
GROUP_CONSTRAINTS: Mapping[str, Any] = {
    "group_cols": COLUMN_NAMES,
    "min_rows": [Interval(Integral, 1, None, closed="left")],
    "fallback": [StrOptions({"all", "parent"})],
}

# A table with a slot for every possible key is the fastest lookup, as long as it is small.
TABLE_SLOTS = 1 << 22
# numpy stores fixed-width strings fastest, but one very long string wastes memory.
FIXED_WIDTH_BYTES = 1 << 26

# As `pandas.api.types.infer_dtype` calls them.
OBJECTS_THAT_ARE_NUMBERS = {
    "boolean",
    "decimal",
    "floating",
    "integer",
    "integer-na",
    "mixed-integer-float",
}


class GroupFeatureError(InputError, ValueError):
    """A parameter or a column does not fit a group feature.

    Also a `ValueError`, which scikit-learn's callers expect.
    """


class Groups:
    """The groups of some columns and of their leading columns.

    Level 0 is all rows. Level `k` groups by the first `k` columns, the last level by all of them.

    Attributes:
        columns: the group columns, parents before children.
        kinds: the kind of each column: text, number, time, zoned time, or nulls.
        values: the distinct values of each column.
        keys: for each level, the sorted keys of its groups. A key is the number of the parent
            group, times the number of values (plus one for null), plus the number of the value.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self.columns = list(columns)
        self.kinds: list[str] = []
        self.values: list[npt.NDArray[Any]] = []
        self.keys: list[Codes] = []

    def learn(self, frame: pd.DataFrame) -> list[Codes]:
        """Learn the groups of `frame`; return the number of each row's group at each level."""
        levels = [np.zeros(len(frame), dtype=np.int64)]
        for column in self.columns:
            codes, uniques = _encode(frame[column])
            # A category, or a number between two others, may have no row.
            seen = np.bincount(codes + 1, minlength=len(uniques) + 1)[1:] > 0
            kind, known = comparable_values(uniques[seen], column)
            known, places = np.unique(known, return_inverse=True)
            null = len(known)
            slots = np.full(len(seen) + 1, null, dtype=np.int64)
            slots[:-1][seen] = places
            numbers, distinct = _number_keys(levels[-1] * (null + 1) + slots[codes])
            self.kinds.append(kind)
            self.values.append(_to_storable(known) if kind == "text" else known)
            self.keys.append(distinct)
            levels.append(numbers)
        return levels

    def find(self, frame: pd.DataFrame) -> list[Codes]:
        """Find the number of each row's group at each level, -1 for a group not seen in `fit`."""
        levels = [np.zeros(len(frame), dtype=np.int64)]
        for column, kind, known, keys in zip(
            self.columns, self.kinds, self.values, self.keys, strict=True
        ):
            codes, uniques = _encode(frame[column], known if kind == "number" else None)
            # The last two places are for unknown values (-2) and for nulls (-1).
            slots = np.append(_find_values(uniques, column, kind, known), [-1, len(known)])
            if len(levels) == 1:
                # There are fewer distinct values than rows, so look up each value once.
                levels.append(_find_keys(keys, slots)[codes])
                continue
            found = slots[codes]
            missing = (found < 0) | (levels[-1] < 0)
            wanted = levels[-1] * (len(known) + 1) + found
            wanted[missing] = -1
            levels.append(_find_keys(keys, wanted))
        return levels

    def sizes(self) -> list[int]:
        """The number of groups of each level."""
        return [1, *(len(keys) for keys in self.keys)]

    def parents(self, level: int) -> Codes:
        """For each group of a level, the number of its parent group."""
        parents: Codes = self.keys[level - 1] // (len(self.values[level - 1]) + 1)
        return parents

    def members(self) -> list[Hashable]:
        """The groups of the last level: values, or tuples of values for several columns.

        A missing value is None. Times with a zone are in UTC.
        """
        numbers = np.arange(self.sizes()[-1])
        columns: list[list[Hashable]] = []
        for level in range(len(self.columns), 0, -1):
            values = [*_to_python(self.values[level - 1], self.kinds[level - 1]), None]
            slots = self.keys[level - 1][numbers] % len(values)
            columns.insert(0, [values[slot] for slot in slots])
            numbers = self.parents(level)[numbers]
        return columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))


def statistics_by_level(
    groups: Groups,
    levels: Sequence[Codes],
    compute: Callable[[Codes, int], npt.NDArray[Any]],
    *,
    min_rows: int,
    fallback: Fallback,
) -> list[npt.NDArray[Any]]:
    """Each group's statistic, level by level; groups with few rows get that of a parent.

    Args:
        groups: the learned groups.
        levels: the number of each row's group at each level, from `Groups.learn`.
        compute: computes one level's statistics from the rows' group numbers and the group count.
        min_rows: groups with fewer rows get the statistic of a parent.
        fallback: "all" for the statistic of all rows, "parent" for that of the nearest parent.
    """
    sizes = groups.sizes()
    tables = [compute(levels[0], 1)]
    for level in range(1, len(sizes)):
        inherited = tables[-1][groups.parents(level)]
        if fallback == "all" and level < len(sizes) - 1:
            tables.append(inherited)
            continue
        counts = np.bincount(levels[level], minlength=sizes[level])
        own = compute(levels[level], sizes[level])
        tables.append(np.where(counts >= min_rows, own, inherited))
    return tables


def look_up(tables: Sequence[npt.NDArray[Any]], levels: Sequence[Codes]) -> npt.NDArray[Any]:
    """For each row, the statistic of the smallest of its groups that `fit` saw."""
    smallest = levels[-1]
    # An unseen group is -1, which is the last place.
    result = np.append(tables[-1], tables[0][0])[smallest]
    if len(tables) == 2 or not (unseen := np.flatnonzero(smallest < 0)).size:
        return result
    for table, codes in zip(tables[1:-1], levels[1:-1], strict=True):
        numbers = codes[unseen]
        result[unseen[numbers >= 0]] = table[numbers[numbers >= 0]]
    return result


class GroupTransformer(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Base of the group features: validation, and frames in and out.

    `transform` finds columns by name, so it accepts additional columns, another order, and a
    missing target. In an array, columns are positions. A frame gives a frame with its index, an
    array gives an array.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {}
    groups_: Groups

    def transform(self, X: Any) -> Any:
        """Compute the columns that `get_feature_names_out` names."""
        return self._like(X, self._compute(self._frame_to_transform(X)))

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[np.object_]:
        """The names of the computed columns."""
        check_is_fitted(self)
        _check_feature_names_in(self, input_features, generate_names=False)
        return np.asarray(self._names_out(), dtype=object)

    def _names_out(self) -> list[str]:
        raise NotImplementedError

    def _compute(self, frame: pd.DataFrame) -> Floats:
        """One row for each of `frame`, one column for each of `_names_out`."""
        raise NotImplementedError

    def _like(self, X: Any, computed: Floats) -> Any:
        """A frame if `X` is one, else the array; `set_output` can override it."""
        if not isinstance(X, pd.DataFrame):
            return computed
        return pd.DataFrame(computed, index=X.index, columns=self._names_out(), copy=False)

    def _frame_to_fit(self, X: Any) -> pd.DataFrame:
        """Validate the parameters and `X`; return `X` as a frame."""
        self._validate_params()
        frame = self._frame(X, reset=True)
        if frame.empty:
            raise GroupFeatureError(
                f"X is empty: {frame.shape[0]} sample(s) and {frame.shape[1]} column(s), while a "
                f"minimum of 1 is required to fit {type(self).__name__}."
            )
        return frame

    def _frame_to_transform(self, X: Any) -> pd.DataFrame:
        """`X` as a frame with the column names that `fit` saw."""
        check_is_fitted(self)
        fitted_names = getattr(self, "feature_names_in_", None)
        if isinstance(X, pd.DataFrame):
            has_names = all(isinstance(name, str) for name in X.columns)
            if has_names == (fitted_names is not None):
                return X
        # Only one of both has names, so columns are positions. scikit-learn warns of that.
        frame = self._frame(X, reset=False)
        names = range(frame.shape[1]) if fitted_names is None else fitted_names
        return frame.set_axis(names, axis=1)

    def _frame(self, X: Any, *, reset: bool) -> pd.DataFrame:
        if isinstance(X, pd.DataFrame):
            validate_data(self, X, reset=reset, skip_check_array=True)
            return X
        array = validate_data(
            self,
            X,
            reset=reset,
            dtype=None,
            ensure_all_finite=False,
            ensure_min_samples=int(reset),
        )
        return pd.DataFrame(array).infer_objects()

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags


class GroupColumnTransformer(GroupTransformer):
    """Base of the features that compute one column from each of `columns`, group by group."""

    group_cols: Column | Sequence[Column]
    columns: Column | Sequence[Column]

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn each group's statistics."""
        frame = self._frame_to_fit(X)
        columns = find_columns(frame, self.columns, "columns")
        groups = Groups(find_group_columns(frame, self.group_cols))
        levels = groups.learn(frame)
        self._learn(groups, levels, [to_numbers(frame[name], name) for name in columns])
        self.groups_, self.columns_ = groups, columns
        return self

    def _learn(self, groups: Groups, levels: Sequence[Codes], columns: Sequence[Floats]) -> None:
        """Set the fitted attributes, which have one entry for each of `columns`."""
        raise NotImplementedError

    def _compute(self, frame: pd.DataFrame) -> Floats:
        require_columns(frame, self.groups_.columns, "group_cols")
        require_columns(frame, self.columns_, "columns")
        levels = self.groups_.find(frame)
        result = np.empty((len(frame), len(self.columns_)))
        for place, name in enumerate(self.columns_):
            result[:, place] = self._compute_column(place, to_numbers(frame[name], name), levels)
        return result

    def _compute_column(self, place: int, values: Floats, levels: Sequence[Codes]) -> Floats:
        """The column computed from `values`, the column `columns_[place]`."""
        raise NotImplementedError


def find_columns(
    frame: pd.DataFrame, columns: Column | Sequence[Column], option: str
) -> list[Column]:
    """The names of columns that exist once; a number that is not a name is a position."""
    names: list[Column] = []
    for column in [columns] if isinstance(columns, str | int | np.integer) else columns:
        position = isinstance(column, int | np.integer) and column not in frame.columns
        if position and 0 <= int(column) < frame.shape[1]:
            column = frame.columns[int(column)]
        names.append(column)
    require_columns(frame, names, option)
    return names


def find_group_columns(frame: pd.DataFrame, columns: Column | Sequence[Column]) -> list[Column]:
    """The names of the columns to group by, at least one."""
    names = find_columns(frame, columns, "group_cols")
    if not names:
        raise GroupFeatureError("group_cols is empty: name at least one column to group by.")
    return names


def require_columns(frame: pd.DataFrame, columns: Sequence[Column], option: str) -> None:
    """Refuse a frame that does not have each of `columns` exactly once."""
    for column in columns:
        found = int((frame.columns == column).sum())
        if found != 1:
            known = ", ".join(sorted(map(repr, frame.columns)))
            problem = "is missing" if not found else "exists more than once"
            raise GroupFeatureError(f"{option}: column {column!r} {problem}; found: {known}.")


def to_numbers(column: pd.Series[Any], name: Column) -> Floats:
    """Convert a column of numbers or booleans to floats, nulls to NaN."""
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        categories = to_numbers(pd.Series(column.cat.categories), name)
        # Null is -1, the last place.
        return np.append(categories, np.nan)[column.cat.codes.to_numpy()]
    numeric = pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_bool_dtype(dtype)
    if pd.api.types.is_object_dtype(dtype):
        numeric = pd.api.types.infer_dtype(column, skipna=True) in OBJECTS_THAT_ARE_NUMBERS
    if pd.api.types.is_complex_dtype(dtype):
        raise GroupFeatureError(
            f"Column {name!r}: Complex data not supported. Expected real numbers."
        )
    if not numeric and column.notna().any():
        raise GroupFeatureError(f"Column {name!r}: expected numbers, got {dtype}.")
    if not numeric:
        return np.full(len(column), np.nan)
    return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan), dtype=np.float64)


def _encode(column: pd.Series[Any], known: npt.NDArray[Any] | None = None) -> tuple[Codes, Any]:
    """Encode each row's value as a number, -1 for null; some of the values may have no row.

    With `known`, codes are places in `known`, and -2 stands for an unknown value.
    """
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.cat.codes.to_numpy().astype(np.int64), column.cat.categories
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "iuf" and len(column):
        values = column.to_numpy()
        if values.dtype.kind != "f":
            low, high = int(values.min()), int(values.max())
            # In a small range, subtraction is enough; hashing is slower.
            if high - low < min(TABLE_SLOTS, len(values)) and high <= np.iinfo(np.int64).max:
                return values.astype(np.int64, copy=False) - low, pd.RangeIndex(low, high + 1)
        if known is not None:
            # Half the work of encoding all values.
            codes = np.asarray(pd.Index(known).get_indexer(pd.Index(values)), dtype=np.int64)
            codes[codes < 0] = -2
            if values.dtype.kind == "f":
                codes[np.isnan(values)] = -1
            return codes, pd.Index(known)
    codes, uniques = pd.factorize(column)
    return np.asarray(codes, dtype=np.int64), uniques


def _number_keys(keys: Codes) -> tuple[Codes, Codes]:
    """Number the keys in ascending order; return the numbers and the distinct keys."""
    slots = int(keys.max()) + 1
    if slots > TABLE_SLOTS:
        numbers, distinct = pd.factorize(keys, sort=True)
        return np.asarray(numbers, dtype=np.int64), np.asarray(distinct, dtype=np.int64)
    seen = np.bincount(keys, minlength=slots) > 0
    return (np.cumsum(seen) - 1)[keys], np.flatnonzero(seen)


def comparable_values(uniques: Any, column: Column) -> tuple[str, npt.NDArray[Any]]:
    """The kind of some values, and the values in the one form of that kind."""
    if isinstance(uniques, pd.CategoricalIndex | pd.Categorical):
        uniques = pd.Index(uniques.categories.take(uniques.codes))
    index = pd.Index(uniques)
    if index.dtype == object:
        index = index.infer_objects()
    inferred = pd.api.types.infer_dtype(index, skipna=True)
    if inferred == "empty" or not len(index):
        return "nulls", np.empty(0)
    if inferred == "string":
        return "text", index.to_numpy(dtype=object)
    if inferred in {"integer", "boolean"}:
        return "number", index.to_numpy(dtype=object).astype(_narrowest(index))
    if inferred in {"floating", "mixed-integer-float", "decimal"}:
        return "number", index.to_numpy(dtype=np.float64)
    if inferred in {"datetime64", "datetime", "date"}:
        times = pd.DatetimeIndex(pd.to_datetime(index))
        if times.tz is None:
            return "time", times.to_numpy()
        return "zoned time", times.tz_convert("UTC").tz_localize(None).to_numpy()
    raise GroupFeatureError(
        f"Column {column!r}: expected strings, numbers, booleans or times, got {inferred} values. "
        "Convert the column, for example with astype(str)."
    )


def _narrowest(index: pd.Index[Any]) -> type[np.generic]:
    if isinstance(index.dtype, np.dtype) and index.dtype.kind == "u":
        return np.uint64 if int(index.max()) > np.iinfo(np.int64).max else np.int64
    return np.int64


def _find_values(uniques: Any, column: Column, kind: str, known: npt.NDArray[Any]) -> Codes:
    """The place of each value in `known`, -1 for an unknown one."""
    given, values = comparable_values(uniques, column)
    if "nulls" in (given, kind):
        return np.full(len(values), -1, dtype=np.int64)
    if given != kind:
        raise GroupFeatureError(
            f"Column {column!r}: expected {kind} values as in fit, got {given} values. "
            "Pass values of the same kind."
        )
    index = pd.Index(known.astype(object) if kind == "text" else known)
    return np.asarray(index.get_indexer(pd.Index(values)), dtype=np.int64)


def _find_keys(keys: Codes, wanted: Codes) -> Codes:
    """The place of each wanted key in the sorted keys, -1 for an unknown or negative key."""
    if not len(keys):
        return np.full(len(wanted), -1, dtype=np.int64)
    slots = int(keys[-1]) + 1
    if slots > TABLE_SLOTS:
        return np.asarray(pd.Index(keys).get_indexer(pd.Index(wanted)), dtype=np.int64)
    # The additional slot is for keys that are negative or too large.
    table = np.full(slots + 1, -1, dtype=np.int64)
    table[keys] = np.arange(len(keys))
    return table[np.where((wanted < 0) | (wanted >= slots), slots, wanted)]


def _to_storable(texts: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The strings in fixed width, unless that loses something or wastes memory."""
    longest = max(map(len, texts), default=0)
    if longest * 4 * len(texts) > FIXED_WIDTH_BYTES:
        return texts
    fixed = texts.astype(str)
    # numpy drops trailing NULs.
    return fixed if fixed.tolist() == texts.tolist() else texts


def _to_python(values: npt.NDArray[Any], kind: str) -> list[Hashable]:
    """Convert numpy values to Python and pandas ones."""
    if kind == "zoned time":
        return list(pd.DatetimeIndex(values, tz="UTC"))
    return list(pd.DatetimeIndex(values)) if kind == "time" else list(values.tolist())
