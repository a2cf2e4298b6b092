"""Point-in-time join: join each entity to the latest event that was known at the entity's time.

DuckDB's ASOF JOIN finds the last row that is not after a timestamp. With late arrivals that is not
enough: the row that arrived last may be about an older event than a row that arrived before it. So
rows are dropped first if a later event of the same keys was known before they arrived. The
remaining rows have the same order by event and by arrival, so an ASOF JOIN finds the latest known
event.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from cli.errors import InputError

_NANOSECONDS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_NULLABLE: dict[str, Any] = {
    "bool": "boolean",
    **{f"int{bits}": f"Int{bits}" for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": f"UInt{bits}" for bits in (8, 16, 32, 64)},
}
_ROW_COLUMNS = ("event", "arrived", "position")
# A row counts from `known` on. It can win only if no later event was known by then, and if it is
# the last row of its `known`. Rows of one event are ordered by (arrived, position), as `known` is.
_TIMELINE = """
    SELECT {keys}, known, event, position
    FROM (
        SELECT *, max(event) OVER by_known AS latest, lead(known) OVER by_known AS next_known
        FROM (SELECT *, greatest(event, arrived) AS known FROM rows)
        WINDOW by_known AS (
            PARTITION BY {keys} ORDER BY known, event, arrived, position
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )
    )
    WHERE event = latest AND next_known IS DISTINCT FROM known
"""
_JOIN = """
    SELECT entities.position AS entity, timeline.position AS row
    FROM entities ASOF JOIN ({timeline}) AS timeline
    ON {same_keys} AND entities.time >= timeline.known
    WHERE {young_enough}
"""


def asof_join(
    entities: pd.DataFrame,
    rows: pd.DataFrame,
    *,
    keys: Sequence[str],
    entity_timestamp: str,
    row_timestamp: str,
    available: str | None = None,
    tolerance: pd.Timedelta | None = None,
    columns: Sequence[str],
) -> pd.DataFrame:
    """Join each entity to the latest of `rows` that was known at the entity's time.

    A row counts for an entity with the same `keys` (none of them missing) if neither its
    `row_timestamp` (when the event happened) nor its `available` (when it became known) is after
    the `entity_timestamp`. A row without one of the two never counts. The latest event wins. Among
    rows of one event, the row that became known last wins (a correction), then the last in `rows`.
    There is no match if the winning event is more than `tolerance` before the entity's time.

    Args:
        entities: keys and a timestamp, in any order; an entity may occur several times.
        rows: one row per keys, event and arrival, in any order.
        keys: columns of both.
        entity_timestamp: a column of `entities`, with a time zone.
        row_timestamp: a column of `rows`, with a time zone.
        available: a column of `rows`, with a time zone; None if rows are known at their event.
        tolerance: the greatest age of an event; None for no limit.
        columns: the columns of `rows` to return.

    Returns:
        `columns`, one row per entity, in the order and with the index of `entities`. The dtypes are
        those of `rows`, except that integers and booleans of NumPy become nullable.

    Raises:
        InputError: a column is missing, a timestamp has no time zone, a key has different types, or
            the tolerance is negative.
    """
    row_times = [row_timestamp, available or row_timestamp]
    _check_columns(entities, [*keys, entity_timestamp], "entities")
    _check_columns(rows, [*keys, *row_times, *columns], "rows")
    if not keys:
        raise InputError("A point-in-time join needs at least one key.")
    winners = _find_winners(entities, rows, keys, entity_timestamp, row_times, tolerance)
    taken = {name: _take(rows[name], winners) for name in dict.fromkeys(columns)}
    return pd.DataFrame(taken, index=entities.index, columns=list(taken))


def _find_winners(
    entities: pd.DataFrame,
    rows: pd.DataFrame,
    keys: Sequence[str],
    entity_timestamp: str,
    row_times: Sequence[str],
    tolerance: pd.Timedelta | None,
) -> NDArray[np.int64]:
    """The position of each entity's row; -1 without a match."""
    timestamps = [_timestamps(entities, entity_timestamp, "entities")]
    timestamps += [_timestamps(rows, name, "rows") for name in row_times]
    unit = min((values.type.unit for values in timestamps), key=_NANOSECONDS.__getitem__)
    entity_time, *events = (_to_integers(values, unit) for values in timestamps)
    left, right = _align_keys(entities, rows, keys)
    names = [f"key_{number}" for number in range(len(keys))]
    entity, row = _find_matches(
        pa.table([*left, entity_time, _positions(entities)], [*names, "time", "position"]),
        pa.table([*right, *events, _positions(rows)], [*names, *_ROW_COLUMNS]),
        names,
        None if tolerance is None else _whole_units(tolerance, unit),
    )
    winners = np.full(len(entities), -1)
    winners[entity] = row
    return winners


def _find_matches(
    entities: pa.Table, rows: pa.Table, keys: Sequence[str], tolerance: int | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The positions of the entities that have a match, and of their matching rows."""
    query = _JOIN.format(
        timeline=_TIMELINE.format(keys=", ".join(keys)),
        same_keys=" AND ".join(f"entities.{key} = timeline.{key}" for key in keys),
        young_enough="true"
        if tolerance is None
        else f"entities.time - timeline.event <= {tolerance}",
    )
    with (
        tempfile.TemporaryDirectory(prefix="asof-") as folder,
        duckdb.connect(":memory:", config={"temp_directory": folder}) as database,
    ):
        # Rows with a missing key or timestamp never count, so they need not be sorted.
        database.register("entities", entities.drop_null())
        database.register("rows", rows.drop_null())
        found = database.sql(query).fetchnumpy()
    return found["entity"], found["row"]


def _check_columns(frame: pd.DataFrame, columns: Iterable[str], what: str) -> None:
    for name in columns:
        if name not in frame.columns:
            raise InputError(
                f"{what}: no column {name!r}; it has {', '.join(map(str, frame.columns))}."
            )


def _timestamps(frame: pd.DataFrame, name: str, what: str) -> pa.Array:
    """A column of timestamps with a time zone, as an Arrow array in UTC."""
    values = frame[name]
    arrow = _to_arrow(values)
    if not pa.types.is_timestamp(arrow.type):
        raise InputError(
            f"{what}: column {name!r}: expected timestamps with a time zone, got {values.dtype}."
        )
    if not isinstance(values.dtype, pd.DatetimeTZDtype) and arrow.type.tz is None:
        raise InputError(
            f"{what}: column {name!r}: the timestamps have no time zone. Set it, e.g. with "
            f'frame["{name}"].dt.tz_localize("UTC").'
        )
    return arrow


def _to_arrow(values: pd.Series[Any]) -> pa.Array:
    """Convert to Arrow; timestamps become UTC without a time zone."""
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        # Arrow would use a deprecated way to get the values, and pandas warns.
        return pa.array(values.dt.tz_convert(None).to_numpy(), from_pandas=True)
    return pa.array(values, from_pandas=True)


def _to_integers(timestamps: pa.Array, unit: str) -> pa.Array:
    """Whole units since 1970 in UTC; never rounded, which could leak the future."""
    try:
        return timestamps.cast(pa.timestamp(unit, timestamps.type.tz)).cast(pa.int64())
    except pa.ArrowInvalid as error:
        raise InputError(
            f"A timestamp does not fit into the join's unit, {unit}: {error}. "
            'Give all timestamps one unit, e.g. with .dt.as_unit("us").'
        ) from error


def _whole_units(tolerance: pd.Timedelta, unit: str) -> int:
    if tolerance < pd.Timedelta(0):
        raise InputError(f"The tolerance must not be negative, got {tolerance}.")
    return int(tolerance // pd.Timedelta(_NANOSECONDS[unit], unit="ns"))


def _align_keys(
    entities: pd.DataFrame, rows: pd.DataFrame, keys: Sequence[str]
) -> tuple[list[pa.Array], list[pa.Array]]:
    """The keys of both sides, each pair with the same type; text becomes integers, for speed."""
    left, right = [], []
    for key in keys:
        pair = [_decode(_to_arrow(frame[key])) for frame in (entities, rows)]
        kinds = {_kind(values.type) for values in pair} - {"null"}
        if len(kinds) > 1:
            raise InputError(
                f"key {key!r}: is {entities[key].dtype} in the entities and {rows[key].dtype} in "
                "the rows; give both the same dtype."
            )
        if "text" in kinds:
            pair = _encode_texts(*(values.cast(pa.large_string()) for values in pair))
        left.append(pair[0])
        right.append(pair[1])
    return left, right


def _encode_texts(left: pa.Array, right: pa.Array) -> list[pa.Array]:
    """Encode strings as integers, the same on both sides."""
    parts = [
        part.combine_chunks() if isinstance(part, pa.ChunkedArray) else part
        for part in (left, right)
    ]
    codes = pa.concat_arrays(parts).dictionary_encode().indices
    return [codes.slice(0, len(left)), codes.slice(len(left))]


def _decode(values: pa.Array) -> pa.Array:
    is_dictionary = pa.types.is_dictionary(values.type)
    return values.cast(values.type.value_type) if is_dictionary else values


def _kind(kind: pa.DataType) -> str:
    if pa.types.is_integer(kind):
        return "integer"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return "text"
    return str(kind)


def _positions(frame: pd.DataFrame) -> pa.Array:
    return pa.array(np.arange(len(frame)))


def _take(values: pd.Series[Any], positions: NDArray[np.int64]) -> Any:
    """The values at `positions`, missing at -1; the dtype does not depend on the positions."""
    array: Any = values.array
    if isinstance(values.dtype, np.dtype):
        array = values.to_numpy()
        if array.dtype.kind in "iub":
            array = pd.array(array, dtype=_NULLABLE[array.dtype.name])
    return pd.api.extensions.take(array, positions, allow_fill=True)
