"""Text files: their encoding, and text that a spreadsheet would run as a formula."""

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

# OWASP's list of characters that make a CSV cell a formula in Excel, LibreOffice and others. The
# last four are full-width signs, which Excel treats like the others.
FORMULA_START = "^[=+\\-@\\t\\r\\n\uff1d\uff0b\uff0d\uff20]"
Formulas = Literal["keep", "escape"]


def count_formula_texts(batch: Any) -> dict[str, int]:
    """Count the values of each column that a spreadsheet would run as a formula."""
    counts = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if is_text(column.type):
            found = pc.match_substring_regex(_texts(column), FORMULA_START)
            count = pc.sum(found).as_py() or 0
            if count:
                counts[name] = int(count)
    return counts


def formula_names(names: Iterable[str]) -> list[str]:
    """The column names that a spreadsheet would run as formulas: a header is a cell too."""
    return [name for name in names if re.match(FORMULA_START, name)]


def count_formulas(batches: Iterable[Any], found: Counter[str]) -> Iterator[Any]:
    """Yield the batches; count in `found` the values and names that a spreadsheet would run."""
    for number, batch in enumerate(batches):
        if number == 0:
            found.update(formula_names(batch.schema.names))
        found.update(count_formula_texts(batch))
        yield batch


def formula_warning(found: Mapping[str, int], advice: str) -> str:
    """A warning about formulas in a CSV file, counted by column."""
    columns = ", ".join(f"{name!r} ({count:,})" for name, count in sorted(found.items()))
    return (
        f"A spreadsheet would run text in these columns as formulas: {columns}. The text is not "
        f"changed. If people open the file in a spreadsheet, {advice}."
    )


def escape_formulas(table: pa.Table) -> pa.Table:
    """Put an apostrophe before each value and column name that a spreadsheet would run.

    OWASP advises this.
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
    """Refuse an encoding that Python does not support for text.

    Raises:
        InputError: it is not supported.
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
    """Accepts UTF-8 and writes it in another encoding."""

    def __init__(self, target: IO[bytes], encoding: str) -> None:
        super().__init__()
        check_encoding(encoding)
        self._target = target
        self._encoding = encoding
        self._decode = codecs.getincrementaldecoder("utf-8")().decode
        self._encode = codecs.getincrementalencoder(encoding)().encode

    def writable(self) -> bool:
        """Always true."""
        return True

    def write(self, content: Any, /) -> int:
        """Write UTF-8, which may end within a character."""
        # Arrow passes a view of its own buffer.
        content = bytes(content)
        try:
            self._target.write(self._encode(self._decode(content)))
        except UnicodeEncodeError as error:
            around = error.object[max(0, error.start - 20) : error.end + 20]
            raise InputError(
                f"The text {around!r} contains {error.object[error.start]!r}, which "
                f"{self._encoding} cannot encode. Choose --encoding utf-8 (or utf-8-sig for Excel)."
            ) from error
        return len(content)
