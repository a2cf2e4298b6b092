from __future__ import annotations

import re

import pytest
from pants.engine.addresses import Address
from pants.engine.target import InvalidFieldException, InvalidFieldTypeException
from pants.util.frozendict import FrozenDict

from notebook.target_types import NotebookParametersField

ADDRESS = Address("notebooks", target_name="study")


def test_parameters_are_hashable_and_keep_their_values() -> None:
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
    with pytest.raises(InvalidFieldTypeException, match="a dictionary of values by name"):
        NotebookParametersField(given, ADDRESS)


def test_a_value_that_cannot_be_passed_is_reported() -> None:
    message = "The `parameters` field of notebooks:study has a value that cannot be passed to a"
    with pytest.raises(InvalidFieldException, match=f"^{re.escape(message)}"):
        NotebookParametersField({"rows": {1, 2}}, ADDRESS)
