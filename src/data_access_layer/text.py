"""What is particular to text files: their encoding, and texts that a spreadsheet would run."""

from __future__ import annotations

import codecs
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from cli.errors import InputError
from data_access_layer.types import is_text

# OWASP's list of what makes a cell of a CSV file a formula in Excel, LibreOffice and others; the
# last four are the full-width signs, which Excel takes for the others.
FORMULA_START = "^[=+\\-@\\t\\r\\n\uff1d\uff0b\uff0d\uff20]"
Formulas = Literal["keep", "escape"]


def count_formula_texts(batch: Any) -> dict[str, int]:
    """How many texts of each column a spreadsheet would take for a formula."""
    counts = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if is_text(column.type):
            found = pc.match_substring_regex(_texts(column), FORMULA_START)
            count = pc.sum(found).as_py() or 0
            if count:
                counts[name] = int(count)
    return counts


def formula_names(names: Iterable[str]) -> list[str]:
    """Which names of columns a spreadsheet would take for formulas: a header is a cell, too."""
    return [name for name in names if re.match(FORMULA_START, name)]


def count_formulas(batches: Iterable[Any], found: Counter[str]) -> Iterator[Any]:
    """Yield the batches; count into `found` the texts, and names, that a spreadsheet would run."""
    for number, batch in enumerate(batches):
        if number == 0:
            found.update(formula_names(batch.schema.names))
        found.update(count_formula_texts(batch))
        yield batch


def formula_warning(found: Mapping[str, int], advice: str) -> str:
    """What to say of texts in a CSV file, counted by their columns, that are formulas elsewhere."""
    columns = ", ".join(f"{name!r} ({count:,})" for name, count in sorted(found.items()))
    return (
        f"A spreadsheet would run text in these columns as formulas: {columns}. The text is not "
        f"changed. If people open the file in a spreadsheet, {advice}."
    )


def escape_formulas(table: pa.Table) -> pa.Table:
    """With an apostrophe before each text that a spreadsheet would run, as OWASP advises.

    So it is before the name of a column.
    """
    names = set(formula_names(table.column_names))
    table = table.rename_columns([f"'{one}" if one in names else one for one in table.column_names])
    for index, field in enumerate(table.schema):
        if is_text(field.type):
            texts = _texts(table.column(index))
            column = pc.replace_substring_regex(texts, FORMULA_START, r"'\0")
            table = table.set_column(index, field.name, column)
    return table


def _texts(column: Any) -> Any:
    kind = column.type
    return column if pa.types.is_string(kind) else pc.cast(column, pa.string())


def check_encoding(encoding: str) -> None:
    """Refuse an encoding that Python does not know, or that is none of text.

    Raises:
        InputError: it is not known.
    """
    try:
        codecs.lookup(encoding)
        "text".encode(encoding)
    except (LookupError, UnicodeError):
        raise InputError(
            f"encoding: unknown encoding {encoding!r}; expected e.g. utf-8, utf-8-sig (which Excel "
            "recognizes), cp1252, latin-1, utf-16."
        ) from None


class EncodedFile(io.RawIOBase):
    """Takes UTF-8 and writes it on in another encoding."""

    def __init__(self, target: IO[bytes], encoding: str) -> None:
        super().__init__()
        check_encoding(encoding)
        self._target = target
        self._encoding = encoding
        self._decode = codecs.getincrementaldecoder("utf-8")().decode
        self._encode = codecs.getincrementalencoder(encoding)().encode

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, content: Any, /) -> int:
        """Write UTF-8, which may end within a character."""
        # Arrow hands out a view of its own buffer.
        content = bytes(content)
        try:
            self._target.write(self._encode(self._decode(content)))
        except UnicodeEncodeError as error:
            around = error.object[max(0, error.start - 20) : error.end + 20]
            raise InputError(
                f"The text {around!r} contains {error.object[error.start]!r}, which {self._encoding} "
                "cannot encode. Choose --encoding utf-8 (or utf-8-sig for Excel)."
            ) from error
        return len(content)
