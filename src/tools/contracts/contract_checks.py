"""The values that a column's checks allow: ranges, sets of values, dtypes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from tools.contracts.contract import Column

_RANGE = ("gt", "ge", "lt", "le", "in_range")
_SETS = ("isin", "eq", "notin", "ne")
_LENGTH = "str_length"
_WORDS = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤", "eq": "=", "ne": "≠"}
_SHOWN = 6
_NUMBERED = re.compile(r"(int|uint|float)(\d+)")
_TEXT = ("str", "string", "object")


@dataclass(frozen=True)
class Bound:
    """One end of a range."""

    value: Any
    inclusive: bool


@dataclass(frozen=True)
class Bounds:
    """The values from `lower` to `upper`; None means unbounded."""

    lower: Bound | None = None
    upper: Bound | None = None

    def __str__(self) -> str:
        if self.lower and self.upper:
            left = "≤" if self.lower.inclusive else "<"
            right = "≤" if self.upper.inclusive else "<"
            return f"{self.lower.value} {left} x {right} {self.upper.value}"
        if self.lower:
            return f"x {'≥' if self.lower.inclusive else '>'} {self.lower.value}"
        if self.upper:
            return f"x {'≤' if self.upper.inclusive else '<'} {self.upper.value}"
        return "any value"

    def refuses_some_of(self, other: Bounds) -> bool | None:
        """Whether some value in `other` is outside; None if the bounds cannot be compared."""
        try:
            return _cuts(self.lower, other.lower, lambda one, two: one > two) or _cuts(
                self.upper, other.upper, lambda one, two: one < two
            )
        except TypeError:
            return None

    def within(self, lower: Bound | None, upper: Bound | None) -> Self:
        """The intersection of these bounds and the given ones."""
        narrowed = Bounds(lower, upper)
        return type(self)(
            lower if lower and narrowed._cuts_lower(self) else self.lower,
            upper if upper and narrowed._cuts_upper(self) else self.upper,
        )

    def _cuts_lower(self, other: Bounds) -> bool:
        return _cuts(self.lower, other.lower, lambda one, two: one > two)

    def _cuts_upper(self, other: Bounds) -> bool:
        return _cuts(self.upper, other.upper, lambda one, two: one < two)


def _cuts(this: Bound | None, other: Bound | None, beyond: Callable[[Any, Any], bool]) -> bool:
    """Whether this end of a range excludes values that the other end includes."""
    if this is None:
        return False
    if other is None:
        return True
    if this.value == other.value:
        return other.inclusive and not this.inclusive
    return beyond(this.value, other.value)


def bounds(column: Column) -> Bounds:
    """The range that a column's checks allow."""
    found = Bounds()
    for name in _RANGE:
        if name not in column.checks:
            continue
        value = column.checks[name]
        if name == "in_range":
            lower = Bound(value["min_value"], value.get("include_min", True))
            upper = Bound(value["max_value"], value.get("include_max", True))
            found = found.within(_whole(lower, column, 1), _whole(upper, column, -1))
        elif name in ("gt", "ge"):
            found = found.within(_whole(Bound(value, name == "ge"), column, 1), None)
        else:
            found = found.within(None, _whole(Bound(value, name == "le"), column, -1))
    return found


def lengths(column: Column) -> Bounds:
    """The lengths that a string may have."""
    limits = column.checks.get(_LENGTH, {})
    least, most = limits.get("min_value"), limits.get("max_value")
    if "exact_value" in limits:
        least = most = limits["exact_value"]
    return Bounds(
        None if least is None else Bound(least, inclusive=True),
        None if most is None else Bound(most, inclusive=True),
    )


def _whole(bound: Bound, column: Column, step: int) -> Bound:
    """Make an exclusive bound of whole numbers inclusive: more than 0 is at least 1."""
    whole = column.dtype.lower().startswith(("int", "uint"))
    if whole and not bound.inclusive and isinstance(bound.value, int):
        return Bound(bound.value + step, True)
    return bound


def closed_set(column: Column) -> list[Any] | None:
    """The only values that a column may have, None if the checks do not list them."""
    listed = [
        values
        for values in (
            column.categories,
            column.checks.get("isin"),
            [column.checks["eq"]] if "eq" in column.checks else None,
        )
        if values is not None
    ]
    if not listed:
        return None
    return [value for value in listed[0] if all(value in others for others in listed[1:])]


def forbidden(column: Column) -> list[Any]:
    """Values that a column may not have."""
    one = [column.checks["ne"]] if "ne" in column.checks else []
    return [*column.checks.get("notin", []), *one]


def other_checks(column: Column) -> Mapping[str, Any]:
    """The checks that are neither ranges nor sets of values."""
    return {
        name: value
        for name, value in column.checks.items()
        if name not in (*_RANGE, *_SETS, _LENGTH)
    }


def dtype_change(before: str, after: str) -> str | None:
    """How a dtype changed: narrowed, widened, stored differently or changed; None if equal."""
    if before == after:
        return None
    old, new = before.lower(), after.lower()
    if old == new or (old in _TEXT and new in _TEXT) or {old, new} == {"bool", "boolean"}:
        return "stored differently"
    one, two = _NUMBERED.fullmatch(old), _NUMBERED.fullmatch(new)
    if one and two:
        if _holds(two, one):
            return "widened"
        if _holds(one, two):
            return "narrowed"
    return "changed"


def _holds(wide: re.Match[str], narrow: re.Match[str]) -> bool:
    """Whether the wide type has every number of the narrow type, and is of the same kind."""
    bits, other = int(wide[2]), int(narrow[2])
    return (
        bits > other
        if wide[1] == narrow[1]
        else ((wide[1], narrow[1]) == ("int", "uint") and bits > other)
    )


def check_text(name: str, value: Any) -> str:
    """A short description of a check."""
    if isinstance(value, Mapping):
        if set(value) == {"code"}:
            return f"{name} (code {value['code']})"
        return f"{name} " + ", ".join(f"{key} {one}" for key, one in value.items())
    if isinstance(value, list | tuple):
        more = f", … {len(value)} values" if len(value) > _SHOWN else ""
        words = ", ".join(map(str, value[:_SHOWN])) + more
        return {"isin": words, "notin": f"none of {words}"}.get(name, f"{name} {words}")
    return f"{_WORDS.get(name, name)} {value}"


def column_checks_text(column: Column) -> str:
    """A short description of all checks of a column."""
    limits = bounds(column)
    parts = [str(limits)] if limits != Bounds() else []
    if column.categories is not None:
        parts.append(check_text("isin", column.categories))
    rest = {name: value for name, value in column.checks.items() if name not in _RANGE}
    parts += [check_text(name, value) for name, value in rest.items()]
    if column.unique:
        parts.append("unique")
    return "; ".join(parts)
