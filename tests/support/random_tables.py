"""Random tables of all Parquet types, and comparisons of the tables that are read back."""

from __future__ import annotations

import datetime as dt
import math
import os
from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from openpyxl.utils.escape import unescape

from data_access_layer.commit.manifest import read_manifest
from data_exports import export
from support.tasks import CallTask, Result

# More examples than CI runs, and other ones each time.
EXAMPLES = os.environ.get("FAITHFUL_EXAMPLES")
faithful_settings = settings(
    deadline=None,
    max_examples=int(EXAMPLES or 60),
    derandomize=EXAMPLES is None,
    suppress_health_check=list(HealthCheck),
)

# Words that a store may have its own use for.
WORDS = [
    "select",
    "rowid",
    "ctid",
    "xmin",
    "oid",
    "%s",
    "%(a)s",
    ":a",
    "?",
    "a.b",
    "[a]",
    "`",
    "a\\",
]
NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="\0") | st.sampled_from('a ,"\n\r;='),
    max_size=5,
) | st.sampled_from([*WORDS, "é", "e\u0301", "İ", "ß", "x" * 64, "é" * 32])
TEXTS = st.text(st.characters(codec="utf-8") | st.sampled_from(',"\n\r\\'), max_size=8) | (
    st.sampled_from(["_x0041_", "NULL", "\\N", "\\.", "nan", "true", "=1", "{}", "'", "[1]"])
)
DAYS = st.dates(dt.date(1, 1, 1), dt.date(9999, 12, 31))
MOMENTS = st.datetimes(dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31))
# In another zone, the first and the last day may be none that Python has.
LATER_MOMENTS = st.datetimes(
    dt.datetime(2, 1, 1), dt.datetime(9998, 12, 31), timezones=st.just(dt.UTC)
)
NANOSECONDS = st.integers(-(2**62), 2**62)
INTEGERS: dict[str, tuple[pa.DataType, Any]] = {
    f"{sign}int{bits}": (
        getattr(pa, f"{sign}int{bits}")(),
        st.integers(0, 2**bits - 1)
        if sign
        else st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1),
    )
    for bits in (8, 16, 32, 64)
    for sign in ("", "u")
}
SIMPLE: dict[str, tuple[pa.DataType, Any]] = {
    **INTEGERS,
    "float64": (pa.float64(), st.floats()),
    "float32": (pa.float32(), st.floats(width=32)),
    "float16": (pa.float16(), st.floats(width=16)),
    "text": (pa.string(), TEXTS),
    "large text": (pa.large_string(), TEXTS),
    "text view": (pa.string_view(), TEXTS),
    "digits": (pa.string(), st.from_regex(r"\A[-+]?[0-9]{1,3}(\.[0-9]{1,2})?\Z")),
    "flag": (pa.bool_(), st.booleans()),
    "day": (pa.date32(), DAYS),
    "moment": (pa.timestamp("us"), MOMENTS),
    "zoned": (pa.timestamp("us", "UTC"), MOMENTS.map(lambda moment: moment.replace(tzinfo=dt.UTC))),
    "in Amsterdam": (
        pa.timestamp("ms", "Europe/Amsterdam"),
        LATER_MOMENTS.map(lambda moment: moment.replace(microsecond=0)),
    ),
    "nanoseconds": (pa.timestamp("ns"), NANOSECONDS),
    "time": (pa.time64("us"), st.times()),
    "seconds of a day": (pa.time32("ms"), st.integers(0, 86_399_999)),
    "nanoseconds of a day": (pa.time64("ns"), st.integers(0, 86_400 * 10**9 - 1)),
    "decimal": (pa.decimal128(12, 2), st.decimals(-(10**9), 10**9, places=2)),
    "small decimal": (pa.decimal32(5, 2), st.decimals(-999, 999, places=2)),
    "fraction": (
        pa.decimal128(38, 38),
        st.integers(1 - 10**38, 10**38 - 1).map(lambda digits: Decimal(f"{digits}e-38")),
    ),
    "long decimal": (pa.decimal256(50, 2), st.decimals(-(10**20), 10**20, places=2)),
}
# Few formats have these.
ODD: dict[str, tuple[pa.DataType, Any]] = {
    "word": (pa.dictionary(pa.int32(), pa.string()), TEXTS),
    "nothing": (pa.null(), st.none()),
    "bytes": (pa.binary(), st.binary(max_size=4)),
    "two bytes": (pa.binary(2), st.binary(min_size=2, max_size=2)),
    "uuid": (pa.uuid(), st.uuids().map(lambda uuid: uuid.bytes)),
    "json": (pa.json_(), st.sampled_from(["{}", '{"a": 1}'])),
    "duration": (pa.duration("us"), st.timedeltas(dt.timedelta(-9), dt.timedelta(9))),
    "map": (
        pa.map_(pa.string(), pa.int32()),
        st.dictionaries(TEXTS, st.integers(0, 9)).map(lambda made: list(made.items())),
    ),
}


VALUES = {**SIMPLE, **ODD}
# Of ten columns, seven have a type that most formats have.
SHAPES = [*["simple"] * 7, "odd", "list", "struct"]


@st.composite
def kinds(draw: st.DrawFn) -> tuple[pa.DataType, Any]:
    """A type, and values of it."""
    shape = draw(st.sampled_from(SHAPES))
    if shape in ("simple", "odd"):
        known = SIMPLE if shape == "simple" else ODD
        return known[draw(st.sampled_from(sorted(known)))]
    # Python has no nanoseconds of a day, so they could not be compared.
    inside = sorted(VALUES.keys() - {"nanoseconds of a day"})
    if shape == "list":
        kind, values = VALUES[draw(st.sampled_from(inside))]
        return pa.list_(kind), st.lists(st.none() | values, max_size=3)
    names = draw(st.lists(NAMES.filter(bool), min_size=1, max_size=2, unique=True))
    fields = [VALUES[draw(st.sampled_from(inside))] for _ in names]
    kind = pa.struct([(name, each) for name, (each, _) in zip(names, fields, strict=True)])
    return kind, st.fixed_dictionaries(
        {name: st.none() | values for name, (_, values) in zip(names, fields, strict=True)}
    )


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    """One to four columns and rows, with missing values."""
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    rows = draw(st.integers(1, 4))
    columns = []
    for _ in names:
        kind, values = draw(kinds())
        column = draw(st.lists(st.none() | values, min_size=rows, max_size=rows))
        columns.append(array(column, kind))
    return pa.table(columns, names=names)


def array(values: list[Any], kind: pa.DataType) -> pa.Array:
    """As `pa.array`, which makes none of an extension type inside another."""
    if isinstance(kind, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(kind, array(values, kind.storage_type))
    if pa.types.is_list(kind):
        offsets: list[int | None] = []
        items: list[Any] = []
        for value in values:
            offsets.append(None if value is None else len(items))
            items += value or []
        starts = pa.array([*offsets, len(items)], pa.int32())
        return pa.ListArray.from_arrays(starts, array(items, kind.value_type), type=kind)
    if pa.types.is_struct(kind):
        children = [
            array([value and value[field.name] for value in values], field.type) for field in kind
        ]
        missing = pa.array([value is None for value in values])
        return pa.StructArray.from_arrays(children, fields=list(kind), mask=missing)
    return pa.array(values, kind)


def column_values(column: pa.ChunkedArray) -> list[Any]:
    """As Python has them; a time of day as text, because Python has no nanoseconds."""
    if pa.types.is_time(column.type):
        column = column.cast(pa.string())
    values: list[Any] = column.to_pylist()
    return values


def plain(value: Any) -> Any:
    """As all formats can have it: a number by its value, a missing value as none."""
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat() if value.tzinfo else value.isoformat()
    if isinstance(value, dt.date):
        return value.isoformat()
    return value


def same(before: Any, after: Any, kind: pa.DataType, *, zones: bool = True) -> bool:
    """Equal, or the text of the value in a format that has no such type.

    Where a store has no time `zones`, a timestamp that had one is there in UTC.
    """
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_list(kind) and isinstance(before, list) and isinstance(after, list):
        return len(before) == len(after) and all(
            same(first, second, kind.value_type)
            for first, second in zip(before, after, strict=True)
        )
    if pa.types.is_struct(kind) and isinstance(before, dict) and isinstance(after, dict):
        return list(before) == list(after) and all(
            same(before[field.name], after[field.name], field.type) for field in kind
        )
    if pa.types.is_timestamp(kind) and kind.tz and before and not zones:
        before = before.astimezone(dt.UTC).replace(tzinfo=None)
    if pa.types.is_time(kind):
        return _clock(before) == _clock(after)
    if before == after or plain(before) == plain(after):
        return True
    if before is None or after is None:
        return False
    if kind in (pa.float16(), pa.float32()) and not isinstance(after, str):
        # Written with the digits that distinguish it from other numbers of its precision.
        number: Any = np.float16 if kind == pa.float16() else np.float32
        return bool(number(before) == number(after))
    if isinstance(before, Decimal) and not isinstance(after, str):
        return float(before) == float(after)
    if isinstance(before, Decimal):
        return before == Decimal(after)
    if isinstance(after, str) and not isinstance(before, str):
        return any(text == after for text in texts_of(before, kind))
    if isinstance(before, str) and not isinstance(after, str):
        return before in texts_of(after, kind) or before == str(plain(after))
    if isinstance(before, (dt.datetime, dt.date)):
        return str(plain(after)).startswith(str(plain(before)).removesuffix("T00:00:00"))
    return bool(before == after)


def _clock(value: Any) -> str | None:
    """A time of day to the nanosecond, without zeros at its end."""
    if isinstance(value, dt.time):
        value = value.isoformat("microseconds")
    if value is None or "." not in value:
        return value
    return str(value).rstrip("0").removesuffix(".")


def texts_of(value: Any, kind: pa.DataType) -> set[str]:
    """The strings that a value may have been written as."""
    found = {str(value), str(plain(value)), repr(value)}
    if not isinstance(value, str):
        for typed in {kind, pa.scalar(0.0).type} if isinstance(value, float) else {kind}:
            with suppress(pa.ArrowException, TypeError):
                found.add(str(pa.scalar(value, typed).cast(pa.string()).as_py()))
    if isinstance(value, dt.datetime):
        naive = value.astimezone(dt.UTC).replace(tzinfo=None) if value.tzinfo else value
        for between in (" ", "T"):
            for unit in ("seconds", "milliseconds", "microseconds", "nanoseconds"):
                with suppress(ValueError):
                    text = naive.isoformat(between, unit)
                    found |= {text, f"{text}Z"}
    return found


def check_refused(result: Result, place: str) -> None:
    """Check that an export was refused with one message that the user can act on."""
    assert result.code == 2, result.err
    assert result.err.startswith(("The rows cannot be written as ", f"{place}: ")), result.err
    assert result.err.count("\n") == 1, result.err


# Of a stored table: a type, or nanoseconds, that it does not have when it is read.
UNREADABLE = ("which is not supported", "a value does not fit into timestamp[us]")


def export_back(place: str, call: CallTask) -> pa.Table | None:
    """The table from our own reader; None if it does not support the columns."""
    back = call(export.main, "--src", place, "--dst", "back.parquet")
    if back.code and any(message in back.err for message in UNREADABLE):
        return None
    assert back.code == 0, back.err
    return pq.read_table("back.parquet")


def read_sheet(place: str) -> dict[str, list[Any]]:
    """The columns of a sheet, as somebody else's reader has them."""
    sheet = openpyxl.load_workbook(place).active
    assert sheet is not None
    header, *rows = sheet.iter_rows(values_only=True)
    # A row at the end without any value is none of the sheet's.
    manifest = read_manifest(Path(place))
    assert manifest is not None
    rows += [(None,) * len(header)] * (manifest.rows - len(rows))
    return {
        _unescaped(name or ""): [_unescaped(row[index]) for row in rows]
        for index, name in enumerate(header)
    }


def _unescaped(cell: Any) -> Any:
    return unescape(cell) if isinstance(cell, str) else cell


def compare(
    before: pa.Table, found: pa.Table | Mapping[str, list[Any]] | None, *, zones: bool = True
) -> None:
    """Check that each value is the same; `found` is None where nothing could be read."""
    if found is None:
        return
    if isinstance(found, pa.Table):
        found = {name: column_values(found[name]) for name in found.column_names}
    assert list(found) == before.column_names
    for name, kind in zip(before.column_names, before.schema.types, strict=True):
        values = column_values(before[name])
        assert len(found[name]) == len(values)
        for value, after in zip(values, found[name], strict=True):
            assert same(value, after, kind, zones=zones), (name, kind, value, after)
