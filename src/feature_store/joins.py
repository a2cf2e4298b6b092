"""Point-in-time joins: features of entities as known at the entities' own timestamps."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pandas as pd

from data_access_layer.query.asof import asof_join
from data_access_layer.settings import StoreSettings
from feature_store.checks import dtypes_of
from feature_store.errors import FeatureStoreError, unknown_names
from feature_store.view import FeatureView, Selection, to_selections

# With more distinct keys, the filter would cost more than it saves.
_MOST_KEYS_IN_FILTER = 1_000


def point_in_time_join(
    entities: pd.DataFrame,
    *views: type[FeatureView] | Selection,
    timestamp: str = "event_timestamp",
    tolerance: timedelta | str | None = None,
    settings: StoreSettings | None = None,
) -> pd.DataFrame:
    """Add features to entities, as known at each entity's timestamp.

    The join ignores rows that happened or arrived after the entity's timestamp. Of an entity's
    remaining rows, it uses the latest event and its last correction. Without such a row, features
    are missing. If rows tie, it uses the one with the greatest features (compared in the order of
    their names, with missing values as the smallest).

    Args:
        entities: rows with the views' keys and `timestamp`; other columns are kept.
        views: views (all their features) or selections, `View["revenue"]` or
            `View.select("revenue", prefix="company_")`.
        timestamp: the column of `entities` with the time to join at, with a time zone.
        tolerance: the maximum age of an event, such as "730D"; None for no limit.
        settings: where tables are; None for the configured settings.

    Returns:
        The rows, index and columns of `entities`, then the features with the dtypes of their
        views; integers and booleans have pandas' nullable types.

    Raises:
        FeatureStoreError: `entities` lacks a column, has timestamps without a time zone, or
            already has a column of a view.
    """
    selections = to_selections(views)
    _check_entities(entities, selections, timestamp)
    limit = None if tolerance is None else _parse_tolerance(tolerance)
    parts = [_features(entities, each, timestamp, limit, settings) for each in selections]
    return pd.concat([entities, *parts], axis=1)


def _features(
    entities: pd.DataFrame,
    selection: Selection,
    timestamp: str,
    tolerance: pd.Timedelta | None,
    settings: StoreSettings | None,
) -> pd.DataFrame:
    source = selection.view.source()
    rows = selection.view.read(
        columns=[*source.own_columns, *selection.columns],
        filter=_window(entities, selection, timestamp, tolerance),
        settings=settings,
    )
    if rows.duplicated(list(source.own_columns)).any():
        # A database returns rows in any order, so sort tied rows by their values.
        rows = rows.sort_values(sorted(selection.columns), kind="stable", na_position="first")
    joined = asof_join(
        entities,
        rows,
        keys=source.keys,
        entity_timestamp=timestamp,
        row_timestamp=source.timestamp,
        available=source.available,
        tolerance=tolerance,
        columns=selection.columns,
    )
    return joined.rename(columns=selection.names)


def _window(
    entities: pd.DataFrame,
    selection: Selection,
    timestamp: str,
    tolerance: pd.Timedelta | None,
) -> list[tuple[str, str, object]] | None:
    """A filter for the rows that can match, so that the store reads no others."""
    timestamps = entities[timestamp].dropna()
    if timestamps.empty:
        return None
    source = selection.view.source()
    last = timestamps.max()
    conditions: list[tuple[str, str, object]] = [(source.timestamp, "<=", _ceiling(last))]
    if source.available:
        conditions.append((source.available, "<=", _ceiling(last)))
    if tolerance is not None:
        conditions.append((source.timestamp, ">=", (timestamps.min() - tolerance).floor("us")))
    for key in source.keys:
        values = entities[key].dropna().unique().tolist()
        if 0 < len(values) <= _MOST_KEYS_IN_FILTER:
            conditions.append((key, "in", values))
    return conditions


def _ceiling(timestamp: pd.Timestamp) -> pd.Timestamp:
    """Round up to the microseconds that stores keep; the join removes the excess rows."""
    return timestamp.ceil("us")


def _check_entities(entities: pd.DataFrame, selections: list[Selection], timestamp: str) -> None:
    columns = list(map(str, entities.columns))
    for selection in selections:
        needed = [*selection.view.source().keys, timestamp]
        if odd := [name for name in needed if name not in columns]:
            raise unknown_names(
                f"entities: {selection.view.__name__} requires the column", odd, columns
            )
        for key in selection.view.source().keys:
            _check_kind(entities[key], dtypes_of(selection.view.to_schema())[key])
        if twice := [name for name in selection.names.values() if name in columns]:
            raise FeatureStoreError(
                f"entities: column {twice[0]!r} is also a column of {selection.view.__name__}. "
                "Drop it, or give the view's column a prefix with select(…, prefix=…)."
            )
    if not isinstance(entities[timestamp].dtype, pd.DatetimeTZDtype):
        raise FeatureStoreError(
            f"entities: column {timestamp!r}: expected timestamps with a time zone, got "
            f'{entities[timestamp].dtype}. Add the zone, for example with .dt.tz_localize("UTC").'
        )


def _check_kind(key: pd.Series[Any], dtype: Any) -> None:
    numeric = pd.api.types.is_numeric_dtype
    if numeric(key.dtype) != numeric(dtype) and not key.isna().all():
        raise FeatureStoreError(
            f"entities: column {key.name!r}: expected {dtype} as in the view, got {key.dtype}."
        )


def _parse_tolerance(given: timedelta | str) -> pd.Timedelta:
    try:
        return pd.Timedelta(given)
    except ValueError as error:
        raise FeatureStoreError(
            f'tolerance: {given!r} is not a duration; expected one such as "730D" or "12h".'
        ) from error
