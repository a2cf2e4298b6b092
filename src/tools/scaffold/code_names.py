"""Names and strings of a table as Python code."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

import pandera.pandas as pa

# A longer string could make a line of generated code too long.
MAX_LENGTH = 60
USABLE = f"1 to {MAX_LENGTH} printable characters (a name that is not Latin-1 counts more)"
# What the generated models compute for each row.
MISSING_COLUMNS = "missing_columns"
# Names that the generated classes use for something else.
_RESERVED = frozenset({"float", "int", "str", "bool", "pd", "pa", MISSING_COLUMNS})
# Linters warn about other letters that look like these.
_UNAMBIGUOUS = re.compile(r"[ -~À-ÖØ-öø-ÿ]*")


@dataclass
class AttributeNames:
    """Gives columns unique attribute names."""

    taken: set[str] = field(default_factory=lambda: set(_RESERVED))

    def add(self, column: str, endings: Sequence[str] = ()) -> str:
        """Reserve and return a name close to the column's, also with each of the endings."""
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
    """The Python literal of a string; Ruff chooses its quotes later."""
    return repr(text) if _UNAMBIGUOUS.fullmatch(text) else ascii(text)


def is_usable(text: str) -> bool:
    """Whether a name fits on a line of generated code."""
    quotes = 2
    fits = len(literal(text)) <= MAX_LENGTH + quotes
    return bool(text.strip()) and fits and text.isprintable()


def snake_case(text: str) -> str:
    """A valid Python name close to the text."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", plain)
    name = re.sub(r"[^0-9a-z]+", "_", words.lower()).strip("_")
    return name if name[:1].isalpha() else f"column_{name}".rstrip("_")
