from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.contracts.contract import Column, Contract
from tools.contracts.contract_changes import Change, compare, diff
from tools.contracts.contract_checks import bounds

NOBODY = ()
READERS = ("readers",)
WRITERS = ("writers",)
BOTH = ("readers", "writers")

AMOUNT = Column(name="amount", dtype="float64", description="What was paid.", unit="EUR")
ORDERS = Contract(
    name="orders",
    version="1.0.0",
    owner="sales",
    description="One row per order.",
    model="datasets.orders.Orders",
    columns=(AMOUNT,),
)


def with_column(**changes: Any) -> Contract:
    return replace(ORDERS, columns=(replace(AMOUNT, **changes),))


def changed(before: Contract, after: Contract) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(change.column, change.what, change.breaks) for change in diff(before, after)]


# Of one column: what it has, what it gets, what is said, and whom that breaks.
COLUMN_CHANGES: list[tuple[dict[str, Any], dict[str, Any], str, tuple[str, ...]]] = [
    ({}, {"nullable": True}, "values may now be missing", READERS),
    ({"nullable": True}, {}, "values may no longer be missing", WRITERS),
    ({}, {"required": False}, "column is now optional", READERS),
    ({"required": False}, {}, "column is now required", WRITERS),
    ({}, {"unique": True}, "values must be unique", WRITERS),
    ({"unique": True}, {}, "values need not be unique", READERS),
    ({}, {"coerce": True}, "values are now converted to the dtype", NOBODY),
    ({"coerce": True}, {}, "values are no longer converted to the dtype", WRITERS),
    ({}, {"regex": True}, "name is now a pattern", BOTH),
    ({}, {"default": 0}, "default for missing values: was None, now 0", READERS),
    ({}, {"dtype": "float32"}, "dtype narrowed: was float64, now float32", WRITERS),
    ({"dtype": "float32"}, {}, "dtype widened: was float32, now float64", NOBODY),
    (
        {"dtype": "uint8"},
        {"dtype": "int16"},
        "dtype widened: was uint8, now int16",
        NOBODY,
    ),
    ({"dtype": "int64"}, {}, "dtype changed: was int64, now float64", BOTH),
    ({"dtype": "uint8"}, {"dtype": "int8"}, "dtype changed: was uint8, now int8", BOTH),
    ({}, {"dtype": "str"}, "dtype changed: was float64, now str", BOTH),
    (
        {"dtype": "int64"},
        {"dtype": "Int64"},
        "dtype stored differently: was int64, now Int64",
        NOBODY,
    ),
    (
        {"dtype": "datetime64[us, UTC]"},
        {"dtype": "datetime64[us]"},
        "dtype changed: was datetime64[us, UTC], now datetime64[us]",
        BOTH,
    ),
    (
        {"checks": {"gt": 0, "le": 30}},
        {"checks": {"gt": 0, "le": 20}},
        "range tightened: was 0 < x ≤ 30, now 0 < x ≤ 20",
        WRITERS,
    ),
    ({}, {"checks": {"ge": 0}}, "range tightened: was any value, now x ≥ 0", WRITERS),
    (
        {"checks": {"ge": 0}},
        {"checks": {"gt": 0}},
        "range tightened: was x ≥ 0, now x > 0",
        WRITERS,
    ),
    ({"checks": {"ge": 0}}, {}, "range loosened: was x ≥ 0, now any value", NOBODY),
    (
        {"checks": {"in_range": {"min_value": 0, "max_value": 1}}},
        {"checks": {"ge": 1, "lt": 3}},
        "range moved: was 0 ≤ x ≤ 1, now 1 ≤ x < 3",
        WRITERS,
    ),
    ({"checks": {"ge": 0}}, {"checks": {"ge": "a"}}, "range changed: was x ≥ 0, now x ≥ a", BOTH),
    (
        {"checks": {"str_length": {"min_value": 1, "max_value": 3}}},
        {"checks": {"str_length": {"max_value": 5}}},
        "length loosened: was 1 ≤ x ≤ 3, now x ≤ 5",
        NOBODY,
    ),
    ({"checks": {"isin": ["a", "b"]}}, {"checks": {"isin": ["a"]}}, "values removed: b", WRITERS),
    ({"checks": {"eq": "a"}}, {"checks": {"isin": ["a", "b"]}}, "values added: b", READERS),
    ({}, {"checks": {"isin": ["a"]}}, "only these values: a", WRITERS),
    ({"checks": {"isin": ["a"]}}, {}, "values no longer limited to: a", READERS),
    ({}, {"checks": {"notin": [9]}}, "forbidden values added: 9", WRITERS),
    ({"checks": {"ne": 9}}, {}, "forbidden values removed: 9", NOBODY),
    (
        {"dtype": "category", "categories": ("a", "b")},
        {"dtype": "category", "categories": ("a", "b", "c")},
        "values added: c",
        READERS,
    ),
    (
        {"dtype": "category", "categories": ("a", "b")},
        {"dtype": "category", "categories": ("a", "b"), "ordered": True},
        "categories now have an order",
        BOTH,
    ),
    ({}, {"checks": {"odd": {"code": "ab"}}}, "now checked: odd (code ab)", WRITERS),
    ({"checks": {"odd": {"code": "ab"}}}, {}, "no longer checked: odd (code ab)", NOBODY),
    (
        {"checks": {"str_matches": "a.*"}},
        {"checks": {"str_matches": "b.*"}},
        "check changed: was str_matches a.*, now str_matches b.*",
        WRITERS,
    ),
    ({}, {"unit": "kEUR"}, "unit changed: was EUR, now kEUR", BOTH),
    ({"unit": ""}, {}, "unit: was none, now EUR", NOBODY),
    ({}, {"description": "What was paid, net."}, "description changed", NOBODY),
]


@pytest.mark.parametrize(("before", "after", "what", "breaks"), COLUMN_CHANGES)
def test_a_change_of_a_column_is_found_once_and_with_whom_it_breaks(
    before: dict[str, Any], after: dict[str, Any], what: str, breaks: tuple[str, ...]
) -> None:
    assert changed(with_column(**before), with_column(**after)) == [("amount", what, breaks)]


TAX = replace(AMOUNT, name="tax")
TABLE_CHANGES: list[tuple[dict[str, Any], dict[str, Any], str, str, tuple[str, ...]]] = [
    ({"columns": (AMOUNT, TAX)}, {}, "tax", "column removed", READERS),
    (
        {"columns": (AMOUNT, TAX), "strict": True},
        {"strict": True},
        "tax",
        "column removed",
        BOTH,
    ),
    ({}, {"columns": (AMOUNT, TAX)}, "tax", "required column added", WRITERS),
    (
        {},
        {"columns": (AMOUNT, replace(TAX, required=False))},
        "tax",
        "optional column added",
        NOBODY,
    ),
    ({}, {"strict": True}, "", "strict: other columns are now refused", WRITERS),
    ({}, {"strict": "filter"}, "", "other columns are now dropped", READERS),
    (
        {"strict": True},
        {},
        "",
        "other columns are now kept, were refused",
        NOBODY,
    ),
    ({}, {"ordered": True}, "", "order of columns required", WRITERS),
    ({"ordered": True}, {}, "", "order of columns not required", READERS),
    (
        {"columns": (AMOUNT, TAX), "ordered": True},
        {"columns": (TAX, AMOUNT), "ordered": True},
        "",
        "order of columns changed",
        BOTH,
    ),
    ({}, {"unique": ("a",)}, "", "columns that identify a row: was none, now a", WRITERS),
    ({"unique": ("a",)}, {}, "", "columns that identify a row: was a, now none", READERS),
    (
        {"unique": ("a",)},
        {"unique": ("a", "b")},
        "",
        "columns that identify a row: was a, now a, b",
        READERS,
    ),
    (
        {"unique": ("a", "b")},
        {"unique": ("a",)},
        "",
        "columns that identify a row: was a, b, now a",
        WRITERS,
    ),
    (
        {"unique": ("a",)},
        {"unique": ("b",)},
        "",
        "columns that identify a row: was a, now b",
        BOTH,
    ),
    ({}, {"checks": {"sums": {"code": "ab"}}}, "", "now checked: sums (code ab)", WRITERS),
    ({}, {"deprecated": "read sales"}, "", "deprecated: read sales", NOBODY),
    ({}, {"owner": "finance"}, "", "owner: was sales, now finance", NOBODY),
    ({}, {"name": "sales"}, "", "contract renamed: was orders, now sales", BOTH),
]


@pytest.mark.parametrize(("before", "after", "column", "what", "breaks"), TABLE_CHANGES)
def test_a_change_of_a_table_is_found_once_and_with_whom_it_breaks(
    before: dict[str, Any], after: dict[str, Any], column: str, what: str, breaks: tuple[str, ...]
) -> None:
    assert changed(replace(ORDERS, **before), replace(ORDERS, **after)) == [(column, what, breaks)]


def test_the_order_of_columns_that_may_come_in_any_is_no_change() -> None:
    two = replace(ORDERS, columns=(AMOUNT, TAX))
    assert changed(two, replace(two, columns=(TAX, AMOUNT))) == []


BREAKING = {"columns": (replace(AMOUNT, unit="kEUR"),)}
COMPATIBLE = {"columns": (AMOUNT, replace(TAX, required=False))}
WORDS = {"description": "One row per order that was paid."}


def problem(before: str, after: str, **changes: Any) -> str:
    old, new = replace(ORDERS, version=before), replace(ORDERS, version=after, **changes)
    (change,) = compare({"orders": old}, {"orders": new})
    return change.problem


@pytest.mark.parametrize(
    ("before", "after", "changes", "needed"),
    [
        ("1.0.0", "1.0.0", BREAKING, "2.0.0"),
        ("1.4.2", "1.5.0", BREAKING, "2.0.0"),
        ("1.0.0", "2.0.0", BREAKING, None),
        ("1.9.0", "10.0.0", BREAKING, None),
        ("1.4.2", "1.4.3", COMPATIBLE, "1.5.0"),
        ("1.9.0", "1.10.0", COMPATIBLE, None),
        ("1.0.0", "2.0.0", COMPATIBLE, None),
        ("1.0.0", "1.0.0", WORDS, None),
        ("1.0.0", "1.0.1", WORDS, None),
    ],
)
def test_a_version_has_to_say_how_far_the_changes_reach(
    before: str, after: str, changes: dict[str, Any], needed: str | None
) -> None:
    found = problem(before, after, **changes)
    assert bool(found) == bool(needed)
    if needed:
        assert f"need version {needed}, but it is {after}" in found
        assert f'set "version": "{needed}"' in found


def test_a_version_does_not_go_down() -> None:
    assert problem("2.0.0", "1.9.0", **WORDS) == "the version decreased from 2.0.0 to 1.9.0"


def test_a_new_version_of_the_same_is_said() -> None:
    new = replace(ORDERS, version="1.1.0")
    (change,) = compare({"orders": ORDERS}, {"orders": new})
    assert change.remark == "version 1.0.0 -> 1.1.0, and nothing else changed"
    assert change.problem == ""


def test_a_contract_goes_once_it_was_announced() -> None:
    (sudden,) = compare({"orders": ORDERS}, {})
    assert sudden.changes == (Change("", "contract removed", BOTH),)
    assert sudden.problem.startswith(
        "orders was removed without a deprecation. Keep it, add `deprecated`"
    )
    (announced,) = compare({"orders": replace(ORDERS, deprecated="read sales")}, {})
    assert announced.problem == ""


@pytest.mark.parametrize("changes", [{"columns": (TAX,)}, {"model": "datasets.sales.Sales"}])
def test_a_renamed_contract_stands_under_its_new_name(changes: dict[str, Any]) -> None:
    sales = replace(ORDERS, name="sales", **changes)
    (change,) = compare({"orders": ORDERS}, {"sales": sales})
    assert change.name == "sales"
    assert change.changes[0].what == "contract renamed: was orders, now sales"
    assert "2.0.0" in change.problem
    (released,) = compare({"orders": ORDERS}, {"sales": replace(sales, version="2.0.0")})
    assert released.problem == ""


def test_a_new_contract_breaks_nobody() -> None:
    (change,) = compare({}, {"orders": ORDERS})
    assert (change.effect, change.problem) == ("compatible", "")
    assert compare({"orders": ORDERS}, {"orders": ORDERS}) == ()


NUMBERS = st.integers(-5, 5)
RANGES = st.fixed_dictionaries(
    {}, optional={"gt": NUMBERS, "ge": NUMBERS, "lt": NUMBERS, "le": NUMBERS}
)
OTHER_CHECKS = st.fixed_dictionaries(
    {},
    optional={
        "isin": st.lists(NUMBERS, unique=True),
        "notin": st.lists(NUMBERS, unique=True),
        "odd": st.just({"code": "ab"}),
    },
)
COLUMNS = st.builds(
    Column,
    name=st.sampled_from("abc"),
    dtype=st.sampled_from(["int64", "float64", "str", "category"]),
    nullable=st.booleans(),
    required=st.booleans(),
    unique=st.booleans(),
    coerce=st.booleans(),
    categories=st.none() | st.tuples(NUMBERS, NUMBERS),
    unit=st.sampled_from(["", "EUR"]),
    checks=st.builds(lambda one, two: one | two, RANGES, OTHER_CHECKS),
    description=st.text(max_size=3),
)
CONTRACTS = st.builds(
    replace,
    st.just(ORDERS),
    strict=st.sampled_from([False, True, "filter"]),
    ordered=st.booleans(),
    coerce=st.booleans(),
    unique=st.sampled_from([(), ("a",), ("a", "b")]),
    columns=st.lists(COLUMNS, unique_by=lambda column: column.name).map(tuple),
)


@given(CONTRACTS)
def test_a_contract_does_not_differ_from_itself(contract: Contract) -> None:
    assert list(diff(contract, contract)) == []


@given(CONTRACTS, CONTRACTS)
def test_a_column_that_came_or_went_is_found(before: Contract, after: Contract) -> None:
    if {column.name for column in before.columns} != {column.name for column in after.columns}:
        assert list(diff(before, after))


def lets_through(checks: dict[str, int], value: float) -> bool:
    return all(
        {
            "gt": value > limit,
            "ge": value >= limit,
            "lt": value < limit,
            "le": value <= limit,
        }[name]
        for name, limit in checks.items()
    )


@given(RANGES, RANGES, st.sampled_from(["int64", "float64"]))
def test_a_range_that_refuses_what_kept_the_old_one_breaks_writers_and_no_other_does(
    before: dict[str, int], after: dict[str, int], dtype: str
) -> None:
    step = 1 if dtype == "int64" else 0.5
    values = [number * step for number in range(-20, 21)]
    refused = [one for one in values if lets_through(before, one) and not lets_through(after, one)]
    old, new = (with_column(dtype=dtype, checks=checks) for checks in (before, after))
    breaks = {side for change in diff(old, new) for side in change.breaks}
    if refused:
        assert breaks == {"writers"}
    elif any(lets_through(before, one) for one in values):
        # Of a range that lets nothing through, two ends say more than there is.
        assert breaks == set()


@given(RANGES, st.sampled_from(["gt", "ge", "lt", "le"]), NUMBERS)
def test_bounds_are_what_all_checks_let_through(
    checks: dict[str, int], name: str, limit: int
) -> None:
    both = checks | {name: limit}
    found = bounds(replace(AMOUNT, checks=both))
    for half in range(-14, 15):
        value = half / 2
        inside = (
            found.lower is None
            or value > found.lower.value
            or (found.lower.inclusive and value == found.lower.value)
        ) and (
            found.upper is None
            or value < found.upper.value
            or (found.upper.inclusive and value == found.upper.value)
        )
        assert inside == lets_through(both, value)
