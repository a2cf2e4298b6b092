from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pandas as pd
import pytest

from config.tracking import TrackingSettings
from datasets.diabetes import LabelledPatients, Patients
from modelling.registry.mlflow_registry import Registry
from modelling.stored_models.pipeline_code import code_of
from models import evaluate, features, predict, preprocess, train, tune
from models.diabetes.dataset import load_patients
from models.diabetes.definition import MODEL
from models.diabetes.schema import PatientFeatures
from support.tasks import CallTask, enter, make_repository

DIABETES = "models.diabetes.definition"
COLUMNS = list(Patients.to_schema().columns)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The current folder of a whole module: its tasks follow one another as a person's would."""
    repository = make_repository(tmp_path_factory.mktemp("diabetes"))
    with pytest.MonkeyPatch.context() as patch:
        enter(repository, patch)
        yield repository


def test_the_data_set_is_the_one_of_the_paper() -> None:
    patients = load_patients()
    assert patients.shape == (442, 11)
    first = patients.iloc[0]
    assert (first["age_years"], first["sex"], first["bmi_kg_m2"]) == (59, 2, 32.1)
    assert (first["glucose_mg_dl"], first["progression"]) == (87, 151)
    LabelledPatients.validate(patients, lazy=True)


def test_the_features_are_a_table_of_their_own(store: Path, call: CallTask) -> None:
    assert call(features.main, definition=DIABETES).code == 0
    table = pd.read_parquet("features/diabetes.parquet")
    assert len(table) == 442
    PatientFeatures.validate(table.drop(columns="progression"), lazy=True)
    ratio = table["ldl_mg_dl"] / table["hdl_mg_dl"]
    pd.testing.assert_series_equal(table["ldl_hdl_ratio"], ratio, check_names=False)
    manifest = json.loads(Path("features/diabetes.parquet.manifest.json").read_text())
    assert (manifest["rows"], manifest["model"]) == (442, "diabetes")


def test_what_the_regressor_sees_is_scaled_by_the_training_rows_alone(
    store: Path, call: CallTask
) -> None:
    assert call(preprocess.main, "--output", "seen", definition=DIABETES).code == 0
    training, hold_out = (
        pd.read_parquet(f"seen/{name}.parquet") for name in ("training", "hold_out")
    )
    assert (len(training), len(hold_out)) == (309, 133)
    scaled = training.drop(columns="progression")
    assert scaled.mean().abs().max() < 1e-9
    assert (scaled.std(ddof=0) - 1).abs().max() < 1e-9
    assert hold_out.drop(columns="progression").mean().abs().max() > 0.01


def test_tuning_finds_nothing_worse_and_training_takes_it(store: Path, call: CallTask) -> None:
    tuned = call(tune.main, "--trials", "4", "--output", "tuned.json", definition=DIABETES)
    assert tuned.code == 0, tuned.err
    found = json.loads(Path("tuned.json").read_text())
    assert set(found["parameters"]) <= {"regress__regressor__alpha"}
    result = call(train.main, "--parameters", "tuned.json", definition=DIABETES)
    assert (result.code, result.out) == (0, ""), result.err
    assert "diabetes version 1 is now the champion." in result.err
    assert "the columns that matter most are log_triglycerides, bmi_kg_m2, " in result.err


def test_the_version_has_pictures_importances_and_a_model_card(store: Path) -> None:
    champion = Registry.connect(TrackingSettings()).champion("diabetes")
    assert champion is not None
    run = str(champion.run_id)
    client = mlflow.MlflowClient()
    names = {file.path for file in client.list_artifacts(run)}
    assert names == {
        "feature_importance.json",
        "feature_importance.png",
        "model_card.md",
        "predicted_against_true.png",
    }
    card = Path(client.download_artifacts(run, "model_card.md", str(store))).read_text()
    assert card.startswith("# Diabetes progression\n")
    for expected in (
        "## Limits",
        "## Metrics",
        "## Input\n",
        "coverage",
        "more than 5, at most 100",
    ):
        assert expected in card
    importance = json.loads(
        Path(client.download_artifacts(run, "feature_importance.json")).read_text()
    )
    assert set(importance) == {*COLUMNS}
    assert importance["bmi_kg_m2"]["mean"] > importance["age_years"]["mean"]


def test_evaluation_holds_the_champion_against_its_gate(store: Path, call: CallTask) -> None:
    result = call(evaluate.main, definition=DIABETES)
    assert result.code == 0, result.err
    assert "diabetes version 1 on 133 rows" in result.out
    (shown,) = re.findall(r"^ *smape +([0-9.]+) *$", result.out, re.MULTILINE)
    assert 0 < float(shown) < 200
    flipped = load_patients().assign(progression=lambda rows: rows["progression"].to_numpy()[::-1])
    flipped.to_csv("flipped.csv", index=False)
    assert call(evaluate.main, "--input", "flipped.csv", definition=DIABETES).code == 1


def test_prediction_gives_an_interval_for_each_patient(store: Path, call: CallTask) -> None:
    result = call(predict.main, definition=DIABETES)
    assert result.code == 0, result.err
    table = pd.read_parquet("predictions/diabetes.parquet")
    MODEL.output_contract.validate(table, lazy=True)
    assert (table["progression_lower"] < table["progression"]).all()
    assert (table["progression"] < table["progression_upper"]).all()
    lines = [line.split() for line in result.out.splitlines()]
    assert ["rows", "442"] in lines
    assert {"mean", "min", "max"} <= {line[0] for line in lines if line}


def test_a_missing_measurement_is_told_by_column_and_row(store: Path, call: CallTask) -> None:
    rows = load_patients()[COLUMNS].head(3)
    rows.loc[1, "bmi_kg_m2"] = None
    rows.to_csv("gap.csv", index=False)
    result = call(predict.main, "--input", "gap.csv", definition=DIABETES)
    assert (result.code, result.out) == (2, "")
    assert result.err == (
        "gap.csv: column 'bmi_kg_m2': expected no missing values, got e.g. nan in 1 row: 2.\n"
    )


def test_the_code_that_evaluates_formulas_is_compared_and_the_tasks_are_not() -> None:
    modules = code_of(MODEL.build_pipeline, MODEL.predict).modules
    assert "feature_store.derived_features.formula_program" in modules
    assert {"modelling.prediction_intervals", "models.diabetes.schema", "datasets.diabetes"} <= set(
        modules
    )
    assert not {
        "models.diabetes.dataset",
        "modelling.definition",
        "modelling.training.train_task",
    } & set(modules)


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"regress__regressor__alpha": 5000.0}, "=5000.0 is outside of the `search_space`"),
        ({"regress__regressor__alpha": "1"}, "='1' is outside of the `search_space`"),
        ({"regress__folds": 9}, "'regress__folds' is not in the `search_space`"),
    ],
)
def test_parameters_that_no_version_could_be_loaded_with_are_refused(
    parameters: dict[str, object], reason: str, store: Path, call: CallTask
) -> None:
    Path("own.json").write_text(json.dumps({"parameters": parameters}))
    result = call(train.main, "--parameters", "own.json", definition=DIABETES)
    assert (result.code, result.out) == (2, "")
    assert reason in result.err


def test_parameters_of_another_model_are_refused(store: Path, call: CallTask) -> None:
    Path("other.json").write_text('{"parameters": {"classify__depth": 3}}')
    result = call(train.main, "--parameters", "other.json", definition=DIABETES)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("other.json: is not a file of parameters that `tune` wrote")
    missing = call(train.main, "--parameters", "no.json", definition=DIABETES)
    assert missing.err == "no.json: cannot be read: No such file or directory.\n"


def test_more_folds_than_rows_are_refused(store: Path, call: CallTask) -> None:
    result = call(train.main, "--folds", "500", definition=DIABETES)
    assert (result.code, result.out) == (2, "")
    assert "--folds 500: too many for the 309 training rows" in result.err
