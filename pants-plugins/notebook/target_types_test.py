from __future__ import annotations

import re

import pytest
from pants.engine.addresses import Address
from pants.engine.target import InvalidFieldException, InvalidFieldTypeException
from pants.util.frozendict import FrozenDict

from notebook.target_types import NotebookParametersField

ADDRESS = Address("notebooks", target_name="study")


def test_parameters_can_be_hashed_and_come_out_as_they_went_in() -> None:
    given = {"rows": 1000, "seeds": [1, 2], "limits": {"low": 0.5, "high": None}, "fast": True}
    field = NotebookParametersField(given, ADDRESS)
    assert field.value == FrozenDict(
        rows=1000, seeds=(1, 2), limits=FrozenDict(low=0.5, high=None), fast=True
    )
    assert hash(field) == hash(NotebookParametersField(dict(given), ADDRESS))
    assert field.as_json() == given


def test_without_parameters_there_are_none() -> None:
    assert NotebookParametersField(None, ADDRESS).as_json() == {}


@pytest.mark.parametrize("given", ["rows=1", ["rows"], {1: 2}, {"not a name": 1}])
def test_parameters_are_values_by_name(given: object) -> None:
    with pytest.raises(InvalidFieldTypeException, match="a dictionary from names to values"):
        NotebookParametersField(given, ADDRESS)


def test_a_value_that_no_notebook_takes_is_told() -> None:
    message = "The `parameters` field of notebooks:study holds what cannot be handed to a notebook"
    with pytest.raises(InvalidFieldException, match=f"^{re.escape(message)}"):
        NotebookParametersField({"rows": {1, 2}}, ADDRESS)
