"""The changes between two contracts, and whom they break.

A contract serves two sides. *Writers* produce tables that must satisfy it, including tables that
are already stored. *Readers* (models, reports, other teams) rely on it. A change is

- **breaking for writers** if the new contract may refuse a table that satisfies the old one,
- **breaking for readers** if code written for the old contract may fail on, or misread, a table
  that satisfies the new one,
- **compatible** if neither is true, and **documentation** if only descriptions changed.

| change                                           | breaks                                |
|--------------------------------------------------|---------------------------------------|
| contract removed or renamed                      | readers and writers                   |
| column removed                                   | readers; writers too, where strict    |
| column added: required / optional                | writers / nobody                      |
| column optional -> required / required -> optional | writers / readers                   |
| values nullable -> required / required -> nullable | writers / readers                   |
| dtype narrowed (int64 -> int32)                  | writers                               |
| dtype widened (int32 -> int64)                   | nobody: readers cast, no value changes |
| dtype of another kind (int64 -> float64, str)    | readers and writers                   |
| range, length or other check tightened / loosened | writers / nobody                     |
| values or categories removed / added             | writers / readers                     |
| unique demanded / no longer                      | writers / readers                     |
| strict: other columns refused / dropped / kept   | writers / readers / nobody            |
| order of columns demanded / no longer            | writers / readers                     |
| coerce off / on                                  | writers / nobody                      |
| unit, or default for missing values, changed     | readers and writers / readers         |

A loosened range breaks nobody, because ranges catch mistakes and code does not depend on them. An
added value breaks readers, because code that maps each value has no result for a new one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tools.contracts.contract import VERSION, Column, Contract
from tools.contracts.contract_checks import (
    Bounds,
    bounds,
    check_text,
    closed_set,
    dtype_change,
    forbidden,
    lengths,
    other_checks,
)


class Effect(StrEnum):
    """The severity of a change."""

    BREAKING = "breaking"
    COMPATIBLE = "compatible"
    DOCUMENTATION = "documentation"


READERS: tuple[str, ...] = ("readers",)
WRITERS: tuple[str, ...] = ("writers",)
BOTH: tuple[str, ...] = ("readers", "writers")
NOBODY: tuple[str, ...] = ()


@dataclass(frozen=True)
class Change:
    """One difference; `column` is empty if it concerns the whole table."""

    column: str
    what: str
    breaks: tuple[str, ...] = NOBODY
    documentation: bool = False

    @property
    def effect(self) -> Effect:
        """The severity."""
        if self.breaks:
            return Effect.BREAKING
        return Effect.DOCUMENTATION if self.documentation else Effect.COMPATIBLE


@dataclass(frozen=True)
class ContractChange:
    """The differences between two versions of one contract.

    Attributes:
        retired_with: of a removed contract, the models that used it and were removed too, if
            nothing else used it.
    """

    name: str
    before: Contract | None
    after: Contract | None
    changes: tuple[Change, ...]
    retired_with: tuple[str, ...] = ()

    @property
    def effect(self) -> Effect:
        """The highest severity of the changes."""
        effects = {change.effect for change in self.changes}
        return next((effect for effect in Effect if effect in effects), Effect.DOCUMENTATION)

    @property
    def problem(self) -> str:
        """Why the change may not be released; empty if it may."""
        if self.after is None:
            assert self.before is not None
            may_be_removed = self.before.deprecated or self.retired_with
            return "" if may_be_removed else _REMOVED.format(name=self.name)
        if self.before is None:
            return ""
        return _version_problem(self.before.version, self.after.version, self.effect)

    @property
    def remark(self) -> str:
        """A note about a change that is not a problem."""
        if self.retired_with:
            return f"retired with {', '.join(self.retired_with)}, and used by nothing else"
        if self.before is None or self.after is None or self.changes:
            return ""
        before, after = self.before.version, self.after.version
        return f"version {before} -> {after}, and nothing else changed" if before != after else ""


_REMOVED = (
    "{name} was removed without a deprecation. Keep it, add `deprecated` (what to read instead) to "
    "its metadata and raise the minor version; remove it after that is on the main branch"
)


def compare(
    before: Mapping[str, Contract], after: Mapping[str, Contract]
) -> tuple[ContractChange, ...]:
    """Compare contracts by name; a renamed one is listed under its new name."""
    renamed = _renamed(before, after)
    found = [
        _compare_one(name, before.get(renamed.get(name, name)), after.get(name))
        for name in sorted((before.keys() | after.keys()) - set(renamed.values()))
    ]
    return tuple(one for one in found if one.changes or one.problem or one.remark)


def _compare_one(name: str, before: Contract | None, after: Contract | None) -> ContractChange:
    if before is None:
        return ContractChange(name, None, after, (Change("", "contract added"),))
    if after is None:
        return ContractChange(name, before, None, (Change("", "contract removed", BOTH),))
    return ContractChange(name, before, after, tuple(diff(before, after)))


def _renamed(before: Mapping[str, Contract], after: Mapping[str, Contract]) -> dict[str, str]:
    """New names to old names of the contracts that have the same class or the same columns."""
    found: dict[str, str] = {}
    gone = sorted(before.keys() - after.keys())
    for new in sorted(after.keys() - before.keys()):
        for old in gone:
            same_model = before[old].model == after[new].model
            if same_model or before[old].columns == after[new].columns:
                found[new] = old
                gone.remove(old)
                break
    return found


def diff(before: Contract, after: Contract) -> Iterator[Change]:
    """Each change from one contract to another: of the table, then column by column."""
    if before.name != after.name:
        yield Change("", f"contract renamed: was {before.name}, now {after.name}", BOTH)
    yield from _table_changes(before, after)
    old = {column.name: column for column in before.columns}
    new = {column.name: column for column in after.columns}
    for name in (one for one in old if one not in new):
        # A strict contract refuses unknown columns.
        yield Change(name, "column removed", BOTH if after.strict is True else READERS)
    for name, column in new.items():
        if name in old:
            yield from _column_changes(old[name], column)
        elif column.required:
            yield Change(name, "required column added", WRITERS)
        else:
            yield Change(name, "optional column added")
    if before.ordered and after.ordered:
        kept = [name for name in old if name in new]
        if kept != [name for name in new if name in old]:
            yield Change("", "order of columns changed", BOTH)


def _table_changes(before: Contract, after: Contract) -> Iterator[Change]:
    yield from _strictness(before.strict, after.strict)
    yield from _switch(
        before.ordered, after.ordered, "order of columns required", "order of columns not required"
    )
    yield from _coercion("", before.coerce, after.coerce)
    yield from _key(before.unique, after.unique)
    yield from _check_changes("", before.checks, after.checks)
    for name in ("description", "owner", "model"):
        yield from _wording("", name, getattr(before, name), getattr(after, name))
    if before.deprecated != after.deprecated:
        what = f"deprecated: {after.deprecated}" if after.deprecated else "no longer deprecated"
        yield Change("", what, documentation=bool(before.deprecated and after.deprecated))


def _column_changes(before: Column, after: Column) -> Iterator[Change]:
    name = after.name
    yield from _dtype(before, after)
    if before.nullable != after.nullable:
        yield (
            Change(name, "values may now be missing", READERS)
            if after.nullable
            else Change(name, "values may no longer be missing", WRITERS)
        )
    if before.required != after.required:
        yield (
            Change(name, "column is now required", WRITERS)
            if after.required
            else Change(name, "column is now optional", READERS)
        )
    yield from _switch(
        before.unique, after.unique, "values must be unique", "values need not be unique", name
    )
    if before.regex != after.regex:
        yield Change(name, f"name is now {'a pattern' if after.regex else 'a plain name'}", BOTH)
    yield from _coercion(name, before.coerce, after.coerce)
    if before.default != after.default:
        was, now = before.default, after.default
        yield Change(name, f"default for missing values: was {was!r}, now {now!r}", READERS)
    yield from _range(name, "range", bounds(before), bounds(after))
    yield from _range(name, "length", lengths(before), lengths(after))
    yield from _values(before, after)
    yield from _check_changes(name, other_checks(before), other_checks(after))
    if before.unit and after.unit and before.unit != after.unit:
        yield Change(name, f"unit changed: was {before.unit}, now {after.unit}", BOTH)
    else:
        yield from _wording(name, "unit", before.unit, after.unit)
    yield from _wording(name, "description", before.description, after.description)


def _dtype(before: Column, after: Column) -> Iterator[Change]:
    kind = dtype_change(before.dtype, after.dtype)
    if kind is None:
        if before.ordered != after.ordered:
            words = "have an order" if after.ordered else "have no order"
            yield Change(after.name, f"categories now {words}", BOTH)
        return
    breaks = {"narrowed": WRITERS, "widened": NOBODY, "stored differently": NOBODY}.get(kind, BOTH)
    yield Change(after.name, f"dtype {kind}: was {before.dtype}, now {after.dtype}", breaks)


def _range(name: str, what: str, old: Bounds, new: Bounds) -> Iterator[Change]:
    if old == new:
        return
    words = f"was {old}, now {new}"
    tighter, looser = new.refuses_some_of(old), old.refuses_some_of(new)
    if tighter is None or looser is None:
        yield Change(name, f"{what} changed: {words}", BOTH)
    elif tighter:
        kind = "moved" if looser else "tightened"
        yield Change(name, f"{what} {kind}: {words}", WRITERS)
    elif looser:
        yield Change(name, f"{what} loosened: {words}")


def _values(before: Column, after: Column) -> Iterator[Change]:
    name = after.name
    old, new = closed_set(before), closed_set(after)
    if old is None and new is not None:
        yield Change(name, f"only these values: {_listed(new)}", WRITERS)
    elif old is not None and new is None:
        yield Change(name, f"values no longer limited to: {_listed(old)}", READERS)
    elif old is not None and new is not None:
        yield from _removed_and_added(name, "values", old, new, removed=WRITERS, added=READERS)
    # More forbidden values mean fewer allowed ones.
    yield from _removed_and_added(
        name,
        "forbidden values",
        forbidden(before),
        forbidden(after),
        removed=NOBODY,
        added=WRITERS,
    )


def _removed_and_added(
    name: str,
    what: str,
    old: list[Any],
    new: list[Any],
    *,
    removed: tuple[str, ...],
    added: tuple[str, ...],
) -> Iterator[Change]:
    if gone := [value for value in old if value not in new]:
        yield Change(name, f"{what} removed: {_listed(gone)}", removed)
    if more := [value for value in new if value not in old]:
        yield Change(name, f"{what} added: {_listed(more)}", added)


def _check_changes(
    column: str, before: Mapping[str, Any], after: Mapping[str, Any]
) -> Iterator[Change]:
    for name in [one for one in before if one not in after]:
        yield Change(column, f"no longer checked: {check_text(name, before[name])}")
    for name, value in after.items():
        if name not in before:
            yield Change(column, f"now checked: {check_text(name, value)}", WRITERS)
        elif before[name] != value:
            was, now = check_text(name, before[name]), check_text(name, value)
            yield Change(column, f"check changed: was {was}, now {now}", WRITERS)


def _strictness(before: bool | str, after: bool | str) -> Iterator[Change]:
    if before == after:
        return
    if after is True:
        yield Change("", "strict: other columns are now refused", WRITERS)
    elif after == "filter" and before is False:
        yield Change("", "other columns are now dropped", READERS)
    else:
        kept = "dropped" if after == "filter" else "kept"
        was = "refused" if before is True else "dropped"
        yield Change("", f"other columns are now {kept}, were {was}")


def _switch(before: bool, after: bool, on: str, off: str, column: str = "") -> Iterator[Change]:
    if before != after:
        yield Change(column, on, WRITERS) if after else Change(column, off, READERS)


def _coercion(column: str, before: bool, after: bool) -> Iterator[Change]:
    if before != after:
        yield (
            Change(column, "values are now converted to the dtype")
            if after
            else Change(column, "values are no longer converted to the dtype", WRITERS)
        )


def _key(before: tuple[str, ...], after: tuple[str, ...]) -> Iterator[Change]:
    old, new = set(before), set(after)
    if old == new:
        return
    was, now = _listed(before) or "none", _listed(after) or "none"
    breaks = BOTH
    if (old and new and old <= new) or not new:
        breaks = READERS
    elif (old and new and new <= old) or not old:
        breaks = WRITERS
    yield Change("", f"columns that identify a row: was {was}, now {now}", breaks)


def _wording(column: str, what: str, before: str, after: str) -> Iterator[Change]:
    if before == after:
        return
    if what == "description":
        yield Change(column, "description changed", documentation=True)
    else:
        yield Change(
            column, f"{what}: was {before or 'none'}, now {after or 'none'}", documentation=True
        )


def _listed(values: Any) -> str:
    return ", ".join(map(str, values))


_DEMAND: Mapping[Effect, tuple[Callable[[tuple[int, ...]], tuple[int, ...]], str]] = {
    Effect.BREAKING: (lambda version: (version[0] + 1, 0, 0), "breaking changes need"),
    Effect.COMPATIBLE: (lambda version: (version[0], version[1] + 1, 0), "these changes need"),
}


def _version_problem(before: str, after: str, effect: Effect) -> str:
    """Breaking changes need the next major version, compatible ones the next minor version."""
    old, new = _parts(before), _parts(after)
    if new < old:
        return f"the version decreased from {before} to {after}"
    if effect not in _DEMAND:
        return ""
    least, words = _DEMAND[effect]
    needed = least(old)
    if new >= needed:
        return ""
    text = ".".join(map(str, needed))
    return (
        f'{words} version {text}, but it is {after}: set "version": "{text}" in the metadata of '
        "its `Config`, or revert them"
    )


def _parts(version: str) -> tuple[int, ...]:
    matched = VERSION.fullmatch(version)
    return tuple(map(int, matched.groups())) if matched else (0, 0, 0)
