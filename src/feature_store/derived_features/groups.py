"""The groups that rows belong to, learnt once and found again: what all group features stand on.

A group is a combination of values of the group columns. Values are told apart by what they mean,
not by how pandas stores them: `str`, `string`, `category`, `object` and Arrow texts match one
another, and so do the number types (1, 1.0 and True are one group). Nulls, however written, are a
value like any other, so rows without a country are a group of their own.

Everything fitted is numpy arrays and lists of them, which skops stores without pickle.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import (
    _check_feature_names,
    _check_feature_names_in,
    _check_n_features,
    check_array,
    check_is_fitted,
)

from cli.errors import InputError

type Codes = npt.NDArray[np.int64]
type Floats = npt.NDArray[np.float64]
type Column = str | int

# A table with a slot for every possible key is the fastest way to find one, as long as it is small.
TABLE_SLOTS = 1 << 22
# Fixed-width text is what numpy stores fastest, and wasteful where one text is very long.
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
    """An argument or a column is not as a group feature needs it.

    A `ValueError` too, since that is what scikit-learn promises its callers.
    """


class Groups:
    """The groups of some columns, and of their leading columns.

    Level 0 is all rows; level `k` groups by the first `k` columns; the last level by all of them.

    Attributes:
        columns: the group columns, from coarse to fine.
        kinds: what each column holds: text, number, time, zoned time, or only nulls.
        values: the distinct values of each column.
        keys: for each level, the sorted keys of its groups: the number of the group one level
            up, times the number of values (one more for null), plus the number of the value.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self.columns = list(columns)
        self.kinds: list[str] = []
        self.values: list[npt.NDArray[Any]] = []
        self.keys: list[Codes] = []

    def learn(self, frame: pd.DataFrame) -> list[Codes]:
        """Take the groups of `frame`; returns the number of each row's group at each level."""
        levels = [np.zeros(len(frame), dtype=np.int64)]
        for column in self.columns:
            codes, uniques = _coded(frame[column])
            # A category, or a number between two others, may be there without a row.
            seen = np.bincount(codes + 1, minlength=len(uniques) + 1)[1:] > 0
            kind, known = comparable(uniques[seen], column)
            known, places = np.unique(known, return_inverse=True)
            null = len(known)
            slots = np.full(len(seen) + 1, null, dtype=np.int64)
            slots[:-1][seen] = places
            numbers, distinct = _numbered(levels[-1] * (null + 1) + slots[codes])
            self.kinds.append(kind)
            self.values.append(_storable(known) if kind == "text" else known)
            self.keys.append(distinct)
            levels.append(numbers)
        return levels

    def find(self, frame: pd.DataFrame) -> list[Codes]:
        """The number of each row's group at each level, -1 where it was not seen."""
        levels = [np.zeros(len(frame), dtype=np.int64)]
        for column, kind, known, keys in zip(
            self.columns, self.kinds, self.values, self.keys, strict=True
        ):
            codes, uniques = _coded(frame[column], known if kind == "number" else None)
            # The last two places are for what is not known, -2, and for null, -1.
            slots = np.append(_places(uniques, column, kind, known), [-1, len(known)])
            if len(levels) == 1:
                # Few distinct values, many rows: what can be looked up per value is.
                levels.append(_search(keys, slots)[codes])
                continue
            found = slots[codes]
            missing = (found < 0) | (levels[-1] < 0)
            wanted = levels[-1] * (len(known) + 1) + found
            wanted[missing] = -1
            levels.append(_search(keys, wanted))
        return levels

    def sizes(self) -> list[int]:
        """How many groups each level has."""
        return [1, *(len(keys) for keys in self.keys)]

    def parents(self, level: int) -> Codes:
        """For each group of a level, the number of the group that it is part of."""
        parents: Codes = self.keys[level - 1] // (len(self.values[level - 1]) + 1)
        return parents

    def members(self) -> list[Hashable]:
        """The groups of the last level: a value each, or a tuple where there are more columns.

        A missing value is None; times with a zone are in UTC.
        """
        numbers = np.arange(self.sizes()[-1])
        columns: list[list[Hashable]] = []
        for level in range(len(self.columns), 0, -1):
            values = [*_plain(self.values[level - 1], self.kinds[level - 1]), None]
            slots = self.keys[level - 1][numbers] % len(values)
            columns.insert(0, [values[slot] for slot in slots])
            numbers = self.parents(level)[numbers]
        return columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))


def resolved(
    groups: Groups,
    levels: Sequence[Codes],
    counted: npt.NDArray[np.bool_],
    answers: Callable[[Codes, int], npt.NDArray[Any]],
    *,
    min_rows: int,
    coarser: bool,
) -> list[npt.NDArray[Any]]:
    """For each level, each group's answer: its own or, with too few rows, that of a coarser one.

    Args:
        groups: what was learnt.
        levels: the number of each row's group at each level, as `Groups.learn` gave them.
        counted: the rows that count; a group with fewer than `min_rows` (at least one) has no
            answer of its own.
        answers: gives a level's answers, one for each of so many groups.
        min_rows: see `counted`.
        coarser: whether to ask the groups of the leading columns before all rows.
    """
    sizes = groups.sizes()
    tables = [answers(levels[0], 1)]
    for level in range(1, len(sizes)):
        parents = groups.parents(level)
        if not coarser and level < len(sizes) - 1:
            tables.append(tables[-1][parents])
            continue
        counts = np.bincount(levels[level][counted], minlength=sizes[level])
        own = answers(levels[level], sizes[level])
        tables.append(np.where(counts >= max(min_rows, 1), own, tables[-1][parents]))
    return tables


def looked_up(tables: Sequence[npt.NDArray[Any]], levels: Sequence[Codes]) -> npt.NDArray[Any]:
    """The answer for each row: of the finest of its groups that is known."""
    finest = levels[-1]
    # An unseen group is -1, which is the last place.
    result = np.append(tables[-1], tables[0][0])[finest]
    if len(tables) == 2 or not (unseen := np.flatnonzero(finest < 0)).size:
        return result
    for table, codes in zip(tables[1:-1], levels[1:-1], strict=True):
        numbers = codes[unseen]
        result[unseen[numbers >= 0]] = table[numbers[numbers >= 0]]
    return result


class GroupTransformer(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """What the group features share: their groups, and what scikit-learn asks of a transformer.

    Columns are found by name: further columns and another order do not matter, nor does a target
    that is absent at prediction. Where rows come as an array, columns are positions. A frame gives
    a frame with its index, an array gives an array.
    """

    group_cols: Column | Sequence[Column]

    def transform(self, X: Any) -> Any:
        """The columns that `get_feature_names_out` names, computed from what `fit` learned."""
        return self._like(X, self._computed(self._rows(X)))

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[np.object_]:
        """The names of the columns that come out."""
        check_is_fitted(self)
        _check_feature_names_in(self, input_features, generate_names=False)
        return np.asarray(self._names_out(), dtype=object)

    def _names_out(self) -> list[str]:
        raise NotImplementedError

    def _computed(self, frame: pd.DataFrame) -> Floats:
        """A row for each of `frame`, a column for each of `_names_out`."""
        raise NotImplementedError

    def _like(self, X: Any, computed: Floats) -> Any:
        """A frame where `X` is one, as it is; scikit-learn's `set_output` can ask for another."""
        if not isinstance(X, pd.DataFrame):
            return computed
        return pd.DataFrame(computed, index=X.index, columns=self._names_out(), copy=False)

    def _rows_to_learn(self, X: Any) -> pd.DataFrame:
        """`X` as a frame with at least one row, its columns remembered."""
        frame = as_frame(X, self)
        _check_feature_names(self, X, reset=True)
        _check_n_features(self, X, reset=True)
        if frame.empty:
            raise GroupFeatureError(
                f"X is empty: {frame.shape[0]} sample(s) and {frame.shape[1]} column(s), while a "
                f"minimum of 1 is required to fit {type(self).__name__}."
            )
        return frame

    def _rows(self, X: Any) -> pd.DataFrame:
        """`X` as a frame with the names that `fit` saw."""
        check_is_fitted(self)
        frame = as_frame(X, self)
        fitted_names = getattr(self, "feature_names_in_", None)
        has_names = isinstance(X, pd.DataFrame) and all(isinstance(c, str) for c in X.columns)
        if isinstance(X, pd.DataFrame) and has_names == (fitted_names is not None):
            return frame
        # Columns are positions where either has no names; scikit-learn warns of that.
        _check_n_features(self, X, reset=False)
        _check_feature_names(self, X, reset=False)
        names = range(frame.shape[1]) if fitted_names is None else fitted_names
        return frame.set_axis(names, axis=1)

    def _groups_of(self, frame: pd.DataFrame) -> list[Column]:
        columns = named(frame, self.group_cols, "group_cols")
        if not columns:
            raise GroupFeatureError("group_cols is empty: name at least one column to group by.")
        return columns

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags


def as_frame(X: Any, estimator: BaseEstimator) -> pd.DataFrame:
    """`X` itself if it is a frame; an array as a frame whose columns are called 0, 1, ..."""
    if isinstance(X, pd.DataFrame):
        return X
    checked = check_array(
        X, dtype=None, ensure_all_finite=False, ensure_min_samples=0, estimator=estimator
    )
    return pd.DataFrame(checked).infer_objects()


def as_list(columns: Column | Sequence[Column]) -> list[Column]:
    """One column is a list of one."""
    if isinstance(columns, str | int | np.integer):
        return [columns]
    return list(columns)


def named(frame: pd.DataFrame, columns: Column | Sequence[Column], option: str) -> list[Column]:
    """The names of columns, each of which is there once; a number that is no name is a position."""
    names: list[Column] = []
    for column in as_list(columns):
        position = isinstance(column, int | np.integer) and column not in frame.columns
        if position and 0 <= int(column) < frame.shape[1]:
            column = frame.columns[int(column)]
        names.append(column)
    require(frame, names, option)
    return names


def require(frame: pd.DataFrame, columns: Sequence[Column], option: str) -> None:
    """Each of `columns` is there, once."""
    for column in columns:
        found = int((frame.columns == column).sum())
        if found != 1:
            known = ", ".join(sorted(map(repr, frame.columns)))
            what = "is missing" if not found else "is there more than once"
            raise GroupFeatureError(f"{option}: column {column!r} {what}; there are: {known}.")


def numbers(column: pd.Series[Any], name: Column) -> Floats:
    """A column of numbers or booleans as floats, null as NaN."""
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        categories = numbers(pd.Series(column.cat.categories), name)
        # Null is -1, the last place.
        return np.append(categories, np.nan)[column.cat.codes.to_numpy()]
    numeric = pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_bool_dtype(dtype)
    if pd.api.types.is_object_dtype(dtype):
        numeric = pd.api.types.infer_dtype(column, skipna=True) in OBJECTS_THAT_ARE_NUMBERS
    if pd.api.types.is_complex_dtype(dtype):
        raise GroupFeatureError(
            f"Column {name!r}: Complex data not supported; real numbers were expected."
        )
    if not numeric and column.notna().any():
        raise GroupFeatureError(f"Column {name!r} holds {dtype}; numbers were expected.")
    if not numeric:
        return np.full(len(column), np.nan)
    return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan), dtype=np.float64)


def _coded(column: pd.Series[Any], known: npt.NDArray[Any] | None = None) -> tuple[Codes, Any]:
    """Number each row's value, -1 for null; among the values may be some that no row has.

    With the known numbers at hand, they are what is numbered by, and -2 is what is not known.
    """
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.cat.codes.to_numpy().astype(np.int64), column.cat.categories
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "iuf" and len(column):
        values = column.to_numpy()
        if values.dtype.kind != "f":
            low, high = int(values.min()), int(values.max())
            # No hashing where counting will do.
            if high - low < min(TABLE_SLOTS, len(values)) and high <= np.iinfo(np.int64).max:
                return values.astype(np.int64, copy=False) - low, pd.RangeIndex(low, high + 1)
        if known is not None:
            # Half the work of numbering all values.
            codes = np.asarray(pd.Index(known).get_indexer(pd.Index(values)), dtype=np.int64)
            codes[codes < 0] = -2
            if values.dtype.kind == "f":
                codes[np.isnan(values)] = -1
            return codes, pd.Index(known)
    codes, uniques = pd.factorize(column)
    return np.asarray(codes, dtype=np.int64), uniques


def _numbered(keys: Codes) -> tuple[Codes, Codes]:
    """Number the keys, in their order; and the keys that there are."""
    slots = int(keys.max()) + 1
    if slots > TABLE_SLOTS:
        numbers, distinct = pd.factorize(keys, sort=True)
        return np.asarray(numbers, dtype=np.int64), np.asarray(distinct, dtype=np.int64)
    seen = np.bincount(keys, minlength=slots) > 0
    return (np.cumsum(seen) - 1)[keys], np.flatnonzero(seen)


def comparable(uniques: Any, column: Column) -> tuple[str, npt.NDArray[Any]]:
    """What kind of values these are, and they in the one form of their kind."""
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
        f"Column {column!r} holds {inferred} values; groups are told apart by texts, numbers, "
        "booleans or times. Convert it, as with astype(str)."
    )


def _narrowest(index: pd.Index[Any]) -> type[np.generic]:
    if isinstance(index.dtype, np.dtype) and index.dtype.kind == "u":
        return np.uint64 if int(index.max()) > np.iinfo(np.int64).max else np.int64
    return np.int64


def _places(uniques: Any, column: Column, kind: str, known: npt.NDArray[Any]) -> Codes:
    """Where each value is among the known ones, -1 where it is not."""
    came, values = comparable(uniques, column)
    if "nulls" in (came, kind):
        return np.full(len(values), -1, dtype=np.int64)
    if came != kind:
        raise GroupFeatureError(
            f"Column {column!r} held {kind} values when it was learnt from, and holds {came} "
            "values now, so no group would be found again. Hand in the same kind."
        )
    index = pd.Index(known.astype(object) if kind == "text" else known)
    return np.asarray(index.get_indexer(pd.Index(values)), dtype=np.int64)


def _search(keys: Codes, wanted: Codes) -> Codes:
    """Where each wanted key is among the sorted keys, -1 where it is not, or is negative."""
    if not len(keys):
        return np.full(len(wanted), -1, dtype=np.int64)
    slots = int(keys[-1]) + 1
    if slots > TABLE_SLOTS:
        return np.asarray(pd.Index(keys).get_indexer(pd.Index(wanted)), dtype=np.int64)
    # One more for what is negative or beyond.
    table = np.full(slots + 1, -1, dtype=np.int64)
    table[keys] = np.arange(len(keys))
    return table[np.where((wanted < 0) | (wanted >= slots), slots, wanted)]


def _storable(texts: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Fixed-width text where it says the same and is not wasteful."""
    longest = max(map(len, texts), default=0)
    if longest * 4 * len(texts) > FIXED_WIDTH_BYTES:
        return texts
    fixed = texts.astype(str)
    # numpy drops NULs at the end.
    return fixed if fixed.tolist() == texts.tolist() else texts


def _plain(values: npt.NDArray[Any], kind: str) -> list[Hashable]:
    """Values as Python and pandas have them, not numpy."""
    if kind == "zoned time":
        return list(pd.DatetimeIndex(values, tz="UTC"))
    return list(pd.DatetimeIndex(values)) if kind == "time" else list(values.tolist())
