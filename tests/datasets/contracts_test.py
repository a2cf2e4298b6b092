"""Tests of every contract in src/datasets, including future ones."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pandas as pd
import pandera.pandas as pa
import pytest
from pandera.errors import SchemaErrors
from sklearn.datasets import load_diabetes

import datasets
from datasets import registry
from datasets.diabetes import LabelledPatients
from tools.contracts.contract import contract_of, problems
from tools.contracts.contract_files import FOLDER, from_text, stale, to_text

CONTRACTS = registry.contracts()
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)
def test_a_contract_and_each_of_its_columns_is_documented(
    contract: type[pa.DataFrameModel],
) -> None:
    assert problems(contract) == []


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)
def test_a_contract_comes_back_from_its_file(contract: type[pa.DataFrameModel]) -> None:
    value = contract_of(contract)
    assert from_text(to_text(value), "a file") == value


def test_the_exported_files_are_current() -> None:
    contracts = {name: contract_of(contract) for name, contract in CONTRACTS.items()}
    found = stale(contracts, ROOT / FOLDER)
    assert found == [], "Run `./pants run src/datasets:contracts -- export`, and commit."


def test_the_registry_has_the_public_contracts_of_each_module() -> None:
    assert {"flowers", "labelled_flowers", "patients", "labelled_patients"} <= CONTRACTS.keys()
    assert list(CONTRACTS) == sorted(CONTRACTS)


@pytest.fixture
def further(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """An additional module of contracts."""
    (tmp_path / "further.py").touch()
    module = ModuleType("datasets.further")
    monkeypatch.setattr(datasets, "__path__", [*datasets.__path__, str(tmp_path)])
    monkeypatch.setitem(sys.modules, "datasets.further", module)
    return module


def test_a_private_base_class_is_not_a_contract(further: ModuleType) -> None:
    class _Base(pa.DataFrameModel):
        pass

    class Known(pa.DataFrameModel):
        class Config:
            name = "known"

    for model in (_Base, Known):
        model.__module__ = "datasets.further"
        setattr(further, model.__name__, model)
    assert registry.contracts().keys() - CONTRACTS.keys() == {"known"}


def test_two_contracts_with_the_same_name_are_an_error(further: ModuleType) -> None:
    class Blooms(pa.DataFrameModel):
        class Config:
            name = "flowers"

    Blooms.__module__ = "datasets.further"
    further.Blooms = Blooms  # type: ignore[attr-defined]
    with pytest.raises(
        ValueError,
        match=r"named 'flowers': datasets.flowers.Flowers and datasets.further.Blooms. Rename one",
    ):
        registry.contracts()


def patients() -> pd.DataFrame:
    """The study's patients, under the contract's names."""
    frame: pd.DataFrame = load_diabetes(as_frame=True, scaled=False).frame
    frame.columns = list(LabelledPatients.to_schema().columns)
    return frame.astype({"sex": "int64"})


def test_the_studys_patients_keep_the_contract() -> None:
    assert len(LabelledPatients.validate(patients(), lazy=True)) == 442


@pytest.mark.parametrize(
    ("column", "slip"),
    [
        ("sex", 0),
        ("age_years", 590.0),
        ("bmi_kg_m2", 0.0),
        ("glucose_mg_dl", float("nan")),
        # Not a logarithm.
        ("log_triglycerides", 87.0),
        ("progression", -1.0),
    ],
)
def test_an_impossible_value_breaks_the_contract(column: str, slip: float) -> None:
    wrong = patients()
    wrong.loc[3, column] = slip
    with pytest.raises(SchemaErrors, match=column):
        LabelledPatients.validate(wrong, lazy=True)
