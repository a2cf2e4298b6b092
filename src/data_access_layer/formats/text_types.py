"""Infer the types of text columns, only if each value converts back to the same text.

A CSV file has no types. `01234`, `+31612345678` or a number of 20 digits are text: as numbers, they
would be written differently. A column gets a type only if every value, converted to the type and
back, is the same text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

# How to convert a text column: keep text; use a type that converts back to the same text; or also
# use numbers if each value can be read as a number, such as 1.10 or 2e5.
type TextsAs = Literal["text", "exact", "numbers"]
type Fits = Callable[[pa.Array], bool]


@dataclass
class TextTypes:
    """Infers the types of text columns, batch by batch."""

    texts_as: TextsAs = "exact"
    _left: dict[str, list[_Candidate]] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)

    def add(self, texts: Mapping[str, pa.Array]) -> None:
        """Add values; missing values fit any type."""
        for name, values in texts.items():
            left = self._left.setdefault(name, list(_CANDIDATES[self.texts_as]))
            if not left or values.null_count == len(values):
                continue
            self._seen.add(name)
            present = values.drop_null() if values.null_count else values
            self._left[name] = [each for each in left if each.fits(present)]

    def types(self) -> dict[str, pa.DataType]:
        """The type of each column; text if no other type fits, or if all values are missing."""
        return {
            name: left[0].type if left and name in self._seen else pa.string()
            for name, left in self._left.items()
        }


@dataclass(frozen=True)
class _Candidate:
    type: pa.DataType
    fits: Fits


def _cast(values: pa.Array, kind: pa.DataType) -> pa.Array | None:
    try:
        return pc.cast(values, kind)
    except pa.ArrowException:
        return None


def _all(matches: Any) -> bool:
    return bool(pc.all(matches).as_py())


def _has_form(pattern: str, kind: pa.DataType) -> Fits:
    """Text with a form in which each value is unique."""

    def fits(values: pa.Array) -> bool:
        return (
            _all(pc.match_substring_regex(values, rf"\A(?:{pattern})\z"))
            and _cast(values, kind) is not None
        )

    return fits


def _is_one_of(*texts: str) -> Fits:
    allowed = pa.array(texts)
    return lambda values: _all(pc.is_in(values, value_set=allowed))


def _are_floats(*, point: bool) -> Fits:
    """Floating-point numbers; with `point`, whole numbers are written as 5.0, else as 5."""

    def fits(values: pa.Array) -> bool:
        numbers = _cast(values, pa.float64())
        if numbers is None:
            return False
        written = pc.cast(numbers, pa.string())
        if point:
            is_whole = pc.match_substring_regex(written, r"\A-?[0-9]+\z")
            written = pc.if_else(is_whole, pc.binary_join_element_wise(written, "0", "."), written)
        return _all(pc.equal(written, values)) and _all(pc.is_finite(numbers))

    return fits


def _are_numbers(values: pa.Array) -> bool:
    """Numbers in any form except that of identifiers: no leading zero or plus, and not too long."""
    numbers = _cast(values, pa.float64())
    if numbers is None or not _all(pc.is_finite(numbers)):
        return False
    form = r"\A-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?\z"
    is_long = pc.match_substring_regex(values, r"\A-?[0-9]{16,}\z")
    return _all(pc.and_not(pc.match_substring_regex(values, form), is_long))


def _timestamps() -> list[_Candidate]:
    digits = {"s": "", "ms": r"\.[0-9]{3}", "us": r"\.[0-9]{6}", "ns": r"\.[0-9]{9}"}
    candidates = []
    for zone, ending in ((None, ""), ("UTC", "Z")):
        for between in (" ", "T"):
            for unit, fraction in digits.items():
                form = f"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}{between}[0-9:]{{8}}{fraction}{ending}"
                kind = pa.timestamp(unit, zone)
                candidates.append(_Candidate(kind, _has_form(form, kind)))
    return candidates


_EXACT = (
    _Candidate(pa.int64(), _has_form("0|-?[1-9][0-9]*", pa.int64())),
    _Candidate(pa.float64(), _are_floats(point=True)),
    _Candidate(pa.float64(), _are_floats(point=False)),
    _Candidate(pa.bool_(), _is_one_of("true", "false")),
    _Candidate(pa.bool_(), _is_one_of("True", "False")),
    _Candidate(pa.date32(), _has_form("[0-9]{4}-[0-9]{2}-[0-9]{2}", pa.date32())),
    *_timestamps(),
)
_CANDIDATES: Mapping[TextsAs, Sequence[_Candidate]] = {
    "text": (),
    "exact": _EXACT,
    "numbers": (*_EXACT, _Candidate(pa.float64(), _are_numbers)),
}
