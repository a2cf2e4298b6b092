"""The table in docs/pages/places.md of the types that each format and store supports."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from data_exports import export
from support.random_tables import array, check_refused, compare, export_back, read_sheet
from support.tasks import CallTask

PAGE = Path("docs/pages/places.md").resolve()
HEADING = "| column |"
REFUSED, UNREADABLE = "no", "not read back"
STORES = {
    "Parquet": "parquet",
    "CSV": "csv",
    "JSON Lines": "jsonl",
    "Excel": "xlsx",
    "Delta": "delta",
    "DuckDB": "duckdb",
    "SQLite": "sqlite",
    "PostgreSQL": "postgresql",
}
MOMENT = dt.datetime(2020, 1, 2, 3, 4, 5, 6)
UUID = b"0123456789abcdef"
# For each row of the table its type, and a value.
SAMPLES: dict[str, tuple[pa.DataType, Any]] = {
    "bool": (pa.bool_(), True),
    "int8": (pa.int8(), -128),
    "int16": (pa.int16(), -(2**15)),
    "int32": (pa.int32(), -(2**31)),
    "int64": (pa.int64(), -(2**53)),
    "int64 beyond 2**53": (pa.int64(), -(2**63)),
    "uint8": (pa.uint8(), 2**8 - 1),
    "uint16": (pa.uint16(), 2**16 - 1),
    "uint32": (pa.uint32(), 2**32 - 1),
    "uint64": (pa.uint64(), 2**53),
    "uint64 beyond 2**63": (pa.uint64(), 2**63),
    "float16": (pa.float16(), 0.0999755859375),
    "float32": (pa.float32(), 0.10000000149011612),
    "float64": (pa.float64(), -1.5360000579032066e16),
    "float64, infinite": (pa.float64(), float("inf")),
    "decimal of up to 38 digits": (pa.decimal32(5, 2), Decimal("0.47")),
    "decimal of more digits": (pa.decimal256(50, 2), Decimal("0.47")),
    "string": (pa.string(), '01"2\r\n3,'),
    "large_string": (pa.large_string(), "a"),
    "string_view": (pa.string_view(), "a"),
    "dictionary of strings": (pa.dictionary(pa.int32(), pa.string()), "a"),
    "binary": (pa.binary(), b"\xff"),
    "date32": (pa.date32(), dt.date(9999, 12, 31)),
    "time64": (pa.time64("us"), MOMENT.time()),
    "timestamp[ms]": (pa.timestamp("ms"), MOMENT.replace(year=9000, microsecond=0)),
    "timestamp[us]": (pa.timestamp("us"), MOMENT),
    "timestamp[ns]": (pa.timestamp("ns"), MOMENT),
    "timestamp[ns] with nanoseconds": (pa.timestamp("ns"), 1),
    "timestamp[us, UTC]": (pa.timestamp("us", "UTC"), MOMENT.replace(tzinfo=dt.UTC)),
    "timestamp in another zone": (
        pa.timestamp("us", "Europe/Amsterdam"),
        MOMENT.replace(tzinfo=dt.UTC),
    ),
    "duration": (pa.duration("us"), dt.timedelta(1)),
    "null": (pa.null(), None),
    "uuid": (pa.uuid(), UUID),
    "json": (pa.json_(), '{"a": 1}'),
    "list": (pa.list_(pa.int64()), [1, None]),
    "struct": (pa.struct([("x", pa.int64())]), {"x": 1}),
    "map": (pa.map_(pa.string(), pa.int64()), [("a", 1)]),
}


# Arrow's own names of these types are longer, or older.
SHORT = {"halffloat": "float16", "float": "float32", "double": "float64", "date32[day]": "date32"}
# What openpyxl makes of a cell of Excel.
CELLS = {"bool": "boolean", "int": "number", "float": "number", "str": "text", "datetime": "date"}


def name_of(kind: pa.DataType) -> str:
    """The table's name for a type that is read back."""
    for is_kind, name in (
        (pa.types.is_decimal, "decimal"),
        (pa.types.is_dictionary, "dictionary"),
        (pa.types.is_list, "list"),
        (pa.types.is_struct, "struct"),
        (pa.types.is_map, "map"),
        (pa.types.is_time, "time64"),
    ):
        if is_kind(kind):
            return str(name)
    if isinstance(kind, pa.BaseExtensionType):
        return str(kind.extension_name).removeprefix("arrow.")
    text = str(kind).replace("tz=", "").replace("duration[us]", "duration")
    return SHORT.get(text, text)


def written(row: str) -> pa.Table:
    """One column with the value of a row of the table."""
    kind, value = SAMPLES[row]
    return pa.table({"c": array([value], kind)})


def outcome(row: str, ending: str, place: str, call: CallTask) -> str:
    """The expected cell of the table: the type that is read back, if the value is the same."""
    table = written(row)
    pq.write_table(table, "rows.parquet")
    result = call(export.main, "--src", "rows.parquet", "--dst", place)
    if result.code:
        check_refused(result, place)
        return REFUSED
    if ending == "xlsx":
        found = read_sheet(place)
        compare(table, found, zones=False)
        return CELLS.get(type(found["c"][0]).__name__, "empty")
    back = export_back(place, call)
    compare(table, back, zones=ending != "sqlite")
    return UNREADABLE if back is None else name_of(back.schema.types[0])


def documented() -> dict[tuple[str, str], str]:
    """Each cell of the table, by its row and the ending of its column."""
    lines = iter(PAGE.read_text().splitlines())
    header = next(line for line in lines if line.startswith(HEADING))
    columns = [STORES[name] for name in _cells(header)[1:]]
    next(lines)
    cells: dict[tuple[str, str], str] = {}
    for line in lines:
        if not line.startswith("|"):
            break
        row, *values = _cells(line)
        cells |= {(row, ending): value for ending, value in zip(columns, values, strict=True)}
    return cells


def _cells(line: str) -> list[str]:
    return [cell.strip().strip("`") for cell in line.strip("|").split("|")]
