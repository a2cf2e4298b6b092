"""Features of entities as they were known at the entities' own times."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pandas as pd

from data_access_layer.query.asof import asof_join
from data_access_layer.settings import StoreSettings
from feature_store.checks import dtypes_of
from feature_store.errors import FeatureStoreError, unknown
from feature_store.view import FeatureView, Selection, as_selections

# With more different keys than that, the question would be longer than what it saves.
_MOST_KEYS_IN_FILTER = 1_000


def point_in_time_join(
    entities: pd.DataFrame,
    *views: type[FeatureView] | Selection,
    timestamp: str = "event_timestamp",
    tolerance: timedelta | str | None = None,
    settings: StoreSettings | None = None,
) -> pd.DataFrame:
    """Put features beside entities, each as it was known at its entity's time.

    No row is used that happened, or became known, after the entity's time: of the rows of an
    entity's keys that are left the latest event is taken, of its corrections the last known. Where
    there is none, the features are missing. Of rows that tie in all of that the one with the
    greatest features is taken (compared in the order of their names, missing ones the smallest).

    Args:
        entities: one row per question, with the views' keys and `timestamp`; further columns are
            kept.
        views: views (all their features) or selections, `View["revenue"]` or
            `View.select("revenue", prefix="company_")`.
        timestamp: the column of `entities` with the moment of the question, with a time zone.
        tolerance: the greatest age of an event at the entity's time, e.g. "730D"; None for any.
        settings: where tables lie; None for what is configured.

    Returns:
        The rows, index and columns of `entities`, then the features, with the dtypes of their
        views; whole numbers and booleans are pandas' nullable ones.

    Raises:
        FeatureStoreError: `entities` misses a column, has moments without a time zone, or already
            has a column that a view gives.
    """
    selections = as_selections(views)
    _check_entities(entities, selections, timestamp)
    limit = None if tolerance is None else _tolerance(tolerance)
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
        # A database gives its rows in any order; so rows that tie are put into one of their values.
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
    """Which rows can matter at all, so that the store need not hand out the others."""
    moments = entities[timestamp].dropna()
    if moments.empty:
        return None
    source = selection.view.source()
    last = moments.max()
    conditions: list[tuple[str, str, object]] = [(source.timestamp, "<=", _ceiling(last))]
    if source.available:
        conditions.append((source.available, "<=", _ceiling(last)))
    if tolerance is not None:
        conditions.append((source.timestamp, ">=", (moments.min() - tolerance).floor("us")))
    for key in source.keys:
        values = entities[key].dropna().unique().tolist()
        if 0 < len(values) <= _MOST_KEYS_IN_FILTER:
            conditions.append((key, "in", values))
    return conditions


def _ceiling(moment: pd.Timestamp) -> pd.Timestamp:
    """Stores keep microseconds; what passes too much here is sorted out by the join."""
    return moment.ceil("us")


def _check_entities(entities: pd.DataFrame, selections: list[Selection], timestamp: str) -> None:
    columns = list(map(str, entities.columns))
    for selection in selections:
        needed = [*selection.view.source().keys, timestamp]
        if odd := [name for name in needed if name not in columns]:
            raise unknown(f"entities: for {selection.view.__name__} no column", odd, columns)
        for key in selection.view.source().keys:
            _check_kind(entities[key], dtypes_of(selection.view.to_schema())[key])
        if twice := [name for name in selection.names.values() if name in columns]:
            raise FeatureStoreError(
                f"entities: have a column {twice[0]!r} already, which {selection.view.__name__} "
                "gives: drop it, or give the view's a prefix with select(…, prefix=…)."
            )
    if not isinstance(entities[timestamp].dtype, pd.DatetimeTZDtype):
        raise FeatureStoreError(
            f"entities: column {timestamp!r}: expected timestamps with a time zone, got "
            f'{entities[timestamp].dtype}. Say which it is, e.g. .dt.tz_localize("UTC").'
        )


def _check_kind(key: pd.Series[Any], dtype: Any) -> None:
    numeric = pd.api.types.is_numeric_dtype
    if numeric(key.dtype) != numeric(dtype) and not key.isna().all():
        raise FeatureStoreError(
            f"entities: column {key.name!r}: expected {dtype} as in the view, got {key.dtype}."
        )


def _tolerance(given: timedelta | str) -> pd.Timedelta:
    try:
        return pd.Timedelta(given)
    except ValueError as error:
        raise FeatureStoreError(
            f'tolerance: {given!r} is no duration; expected one such as "730D" or "12h".'
        ) from error
