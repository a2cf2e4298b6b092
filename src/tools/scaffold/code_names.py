"""Names and texts of a table as they stand in generated code."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

import pandera.pandas as pa

LONGEST = 60
FITTING = f"1 to {LONGEST} printable characters (one beyond Latin-1 counts six)"
# What the generated models compute for each row.
MISSING_COLUMNS = "missing_columns"
# Names that the generated classes use for something else.
_TAKEN = frozenset({"float", "int", "str", "bool", "pd", "pa", MISSING_COLUMNS})


@dataclass
class Names:
    """Attributes for columns: each a name of Python's, none of them twice."""

    taken: set[str] = field(default_factory=lambda: set(_TAKEN))

    def attribute(self, column: str, endings: Sequence[str] = ()) -> str:
        """The column's name where that is one, else what comes close; free with each ending."""
        name = snake_case(column)
        if keyword.iskeyword(name) or hasattr(pa.DataFrameModel, name):
            name += "_"
        found, number = name, 1
        while self.taken & (new := {found, *(f"{found}_{ending}" for ending in endings)}):
            number += 1
            found = f"{name}_{number}"
        self.taken |= new
        return found


def literal(text: str) -> str:
    """A text as the formatter leaves it in code: ASCII, and the letters of Latin-1."""
    quote = "'" if '"' in text and "'" not in text else '"'
    return quote + "".join(_escaped(one, quote) for one in text) + quote


def _escaped(one: str, quote: str) -> str:
    if one in (quote, "\\"):
        return f"\\{one}"
    if one.isascii():
        return one if one.isprintable() else ascii(one)[1:-1]
    # Others look like ASCII's at times, and a linter asks which one is meant.
    latin_1 = one < "\u0100" and unicodedata.name(one, "").startswith("LATIN ")
    return one if latin_1 else ascii(one)[1:-1]


def fits(text: str) -> bool:
    """Whether it can stand on a line of its own."""
    quotes = 2
    return bool(text.strip()) and len(literal(text)) <= LONGEST + quotes and text.isprintable()


def snake_case(text: str) -> str:
    """A name of Python's that is close to a text."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", plain)
    name = re.sub(r"[^0-9a-z]+", "_", words.lower()).strip("_")
    return name if name[:1].isalpha() else f"column_{name}".rstrip("_")
