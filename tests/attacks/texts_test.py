"""Texts that a person or a file gives: formulas, filters, locations, settings.

Any text gives a value or an `InputError` with a readable message.
"""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cli.errors import InputError
from data_access_layer.locations import parse_location
from data_exports.settings import ExportSettings
from feature_store.derived_features.row_features import FormulaTransformer
from feature_store.filters import parse_filter
from support.attacks import attack
from validation.settings import DriftSettings

ROWS = pd.DataFrame(
    {
        "x": [1.0, 0.0, None],
        "n": [3, -(2**63), 2**63 - 1],
        "t": pd.Series(["a", "", None], dtype="str"),
        "b": [True, False, True],
        "d": pd.to_datetime(["2024-02-29", "NaT", "1970-01-01"], utc=True),
    }
)
NUMBERS = ["0", "1", "-1", "1e308", "1e-320", "9" * 40, "0x10", "1_0", "1j", "inf", "nan", "00"]
TEXTS = ['"a"', "'2024-01-01'", "'2024-02-30'", "'now'", '"""', "b'a'", "f'{x}'", "'\\x00'"]
CALLS = ["abs(", "clip(", "where(", "coalesce(", "year(", "__import__(", "open(", "().__class__"]
SIGNS = ["(", ")", "[", "]", "{", "}", ",", ":", ";", "=", "==", "!=", "<", ">=", "+", "-", "*"]
SIGNS += ["/", "//", "%", "**", "~", "&", "|", "@", ".", ":=", "->", "\\", "`", "$", "?", "!"]
WORDS = ["and", "or", "not", "in", "is", "None", "True", "if", "else", "lambda", "for", "await"]
ODD = [
    "\n",
    "\t",
    "\r",
    "\x00",
    "\x1b[2J",
    "\ufeff",
    "\u202e",
    "\ud800",
    "😀",
    "é",
    "\N{FULLWIDTH LATIN SMALL LETTER X}",
    "#",
]
CODE = st.lists(
    st.sampled_from([*ROWS, "y", *NUMBERS, *TEXTS, *CALLS, *SIGNS, *WORDS, *ODD, " "])
    | st.text(max_size=4),
    max_size=12,
).map(lambda parts: " ".join(parts))
LONG = st.sampled_from(["(", "-", "not ", "x+", "x**", "[", "x if ", "~", "x,", "x in ("]).flatmap(
    lambda part: st.sampled_from([50, 500, 5_000]).map(lambda count: part * count + "x")
)


@attack(80)
@given(CODE | CODE.map(lambda code: f"z = {code}") | LONG)
def test_any_formula_is_computed_or_refused(formula: str) -> None:
    with contextlib.suppress(InputError):
        assert len(FormulaTransformer(formula=formula).fit_transform(ROWS)) == len(ROWS)


@attack(300)
@given(CODE | LONG)
def test_any_filter_is_parsed_or_refused(text: str) -> None:
    with contextlib.suppress(InputError):
        parse_filter(text, dict(ROWS.dtypes), "view")


SCHEMES = ["s3", "gs", "duckdb", "sqlite", "postgresql+psycopg", "file", "https"]
IN_PLACES = ["://", ":/", "/", "//", "#", ".", "..", "~", "@", ":", "?", "&", "=", "%00", "%zz"]
IN_PLACES += ["user:password", "[::1]", "99999", "table", ".csv", ".parquet", "~nobody"]
PLACES = st.lists(
    st.sampled_from([*SCHEMES, *IN_PLACES, *ODD]) | st.text(max_size=4), max_size=8
).map("".join)


@attack(500)
@example("~nobody-has-this-name/rows.csv")
@given(PLACES)
def test_any_location_is_understood_or_refused_and_its_password_is_not_repeated(
    place: str,
) -> None:
    message = ""
    try:
        parse_location(place)
    except InputError as error:
        message = str(error)
    assert "user:password@" not in message


IN_TOML = [
    "[",
    "]",
    "{",
    "}",
    "=",
    ",",
    ".",
    "\n",
    "#",
    '"',
    "'''",
    '"\\ud800"',
    "true",
    "1979-05-27",
]
KEYS = ["drift", "export", "stores", "tables", "alpha", "psi", "sample_rows", "seed"]
TOML = st.lists(
    st.sampled_from([*IN_TOML, *KEYS, *NUMBERS, *(odd for odd in ODD if odd != "\ud800")]),
    max_size=20,
).map(lambda parts: "".join(parts).encode())


@attack(300)
@given(TOML | st.binary(max_size=40))
def test_any_settings_file_is_read_or_refused(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "settings.toml")
        file.write_bytes(content)
        with contextlib.suppress(InputError):
            DriftSettings.load(file=file)


VALUES = st.sampled_from([*NUMBERS, *TEXTS, *ODD, "", "--", "-", "true", "[]", "{}", "null"])


@attack(300)
@given(st.dictionaries(st.sampled_from(["ALPHA", "PSI", "SEED", "SAMPLE_ROWS", "OUTPUT"]), VALUES))
def test_any_variable_is_read_or_refused(values: dict[str, str]) -> None:
    # A variable of the environment cannot have these.
    usable = {k: v for k, v in values.items() if not {"\x00", "\ud800"} & {*v}}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in usable.items():
            patch.setenv(f"DATASCIENCE_DRIFT_{name}", value)
        with contextlib.suppress(InputError):
            DriftSettings.load()


OPTIONS = st.sampled_from(
    ["--src", "--dst", "--format", "--config", "--no-src", "--srcs", "--", "-x"]
)


@attack(200)
@given(st.lists(OPTIONS | VALUES | st.text(max_size=3), max_size=6))
def test_any_command_line_is_read_or_refused(argv: list[str]) -> None:
    with contextlib.suppress(InputError):
        ExportSettings.parse(argv, prog="export", description=None)
