from __future__ import annotations

from typing import Annotated

import pandas as pd
import pandera.pandas as pa
import pytest

from tools.contracts.contract import Column, Contract, contract_of, plain, problems

DESCRIBED = "What it means."


class Orders(pa.DataFrameModel):
    """One row per order."""

    order_id: int = pa.Field(unique=True, ge=1, description=DESCRIBED)
    amount: float = pa.Field(
        gt=0, nullable=True, coerce=True, description=DESCRIBED, metadata={"unit": "EUR"}
    )
    state: pd.CategoricalDtype = pa.Field(
        dtype_kwargs={"categories": ("open", "paid"), "ordered": True}, description=DESCRIBED
    )
    placed_at: Annotated[pd.DatetimeTZDtype, "us", "UTC"] = pa.Field(
        ge=pd.Timestamp("2020-01-01", tz="UTC"), description=DESCRIBED
    )
    code: str | None = pa.Field(
        isin={"b", "a"}, str_length={"min_value": 1, "max_value": 3}, description=DESCRIBED
    )

    @pa.check("amount")
    def whole_cents(cls, amount: pd.Series[float]) -> pd.Series[bool]:
        """Nobody pays half of one."""
        return (amount * 100) % 1 == 0

    class Config:
        name = "orders"
        description = """One row
            per order."""
        metadata = {"version": "1.2.0", "owner": "sales", "deprecated": "read orders_v2"}
        strict = "filter"
        unique = ["order_id", "code"]


def test_a_contract_says_all_that_its_model_demands() -> None:
    contract = contract_of(Orders)
    code = contract.columns[1].checks["whole_cents"]["code"]
    assert len(code) == 12
    assert contract == Contract(
        name="orders",
        version="1.2.0",
        owner="sales",
        description="One row per order.",
        model=f"{__name__}.Orders",
        deprecated="read orders_v2",
        strict="filter",
        unique=("order_id", "code"),
        columns=(
            Column(
                name="order_id",
                dtype="int64",
                unique=True,
                checks={"ge": 1},
                description=DESCRIBED,
            ),
            Column(
                name="amount",
                dtype="float64",
                nullable=True,
                coerce=True,
                unit="EUR",
                checks={"gt": 0, "whole_cents": {"code": code}},
                description=DESCRIBED,
            ),
            Column(
                name="state",
                dtype="category",
                categories=("open", "paid"),
                ordered=True,
                description=DESCRIBED,
            ),
            Column(
                name="placed_at",
                dtype="datetime64[us, UTC]",
                checks={"ge": pd.Timestamp("2020-01-01", tz="UTC").to_pydatetime()},
                description=DESCRIBED,
            ),
            Column(
                name="code",
                dtype="str",
                required=False,
                checks={"isin": ["a", "b"], "str_length": {"min_value": 1, "max_value": 3}},
                description=DESCRIBED,
            ),
        ),
    )
    assert contract.module == __name__


def test_a_check_of_ones_own_is_another_one_where_its_code_is() -> None:
    def contract(threshold: int) -> type[pa.DataFrameModel]:
        if threshold == 1:

            class One(pa.DataFrameModel):
                amount: float

                @pa.check("amount")
                def large(cls, amount: pd.Series[float]) -> pd.Series[bool]:
                    return amount > 1

            return One

        class Other(pa.DataFrameModel):
            amount: float

            @pa.check("amount")
            def large(cls, amount: pd.Series[float]) -> pd.Series[bool]:
                return amount > 2

        return Other

    one, same, other = (
        contract_of(contract(threshold)).columns[0].checks["large"] for threshold in (1, 1, 2)
    )
    assert one == same
    assert one != other


def test_a_contract_that_says_nothing_lacks_all() -> None:
    class Bare(Orders):
        more: int

    about = f"{__name__}.test_a_contract_that_says_nothing_lacks_all.<locals>.Bare"
    assert problems(Bare) == [
        f"{about}: `Config.name` must be snake_case, got 'Bare'.",
        f"{about}: `Config.metadata` must have a version such as 1.0.0 (major.minor.patch, at "
        "least 1.0.0), got ''.",
        f"{about}: `Config.metadata` must have an `owner`: who is responsible for the contract.",
        f"{about}: `Config.description` must describe one row.",
        f"{about}: column 'more' has no description: add one to its `pa.Field`.",
    ]


@pytest.mark.parametrize("version", ["1", "1.0", "0.9.0", "1.0.0rc1", "01.0.0", "1.00.0"])
def test_a_version_is_three_numbers_from_1_0_0_on(version: str) -> None:
    class Versioned(Orders):
        class Config:
            name = "versioned"
            description = "One row per order."
            metadata = {"version": version, "owner": "sales"}

    assert [problem for problem in problems(Versioned) if "version" in problem.partition(":")[2]]


def test_values_become_what_yaml_has() -> None:
    assert plain((1, pd.Series([2])[0], {"b", "a"}, None, True, 1j)) == [
        1,
        2,
        ["a", "b"],
        None,
        True,
        "1j",
    ]
