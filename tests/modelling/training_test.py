from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from mlflow.types import ColSpec, Schema
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeClassifier

from cli.errors import UserError
from cli.task import DEFAULTS
from config.tracking import TrackingSettings
from modelling.definition import ModelDefinition
from modelling.evaluation import gate_task
from modelling.registry.compatibility import schema_fingerprint
from modelling.registry.mlflow_registry import Registry
from modelling.settings import GateSettings, TrainSettings
from modelling.training.split import split
from modelling.training.train_task import train
from models.gate import main as gate
from models.iris.definition import MODEL
from models.train import main
from support.iris import IRIS
from support.tasks import COMMIT, CallTask

MEASURES = ("sepal_length_cm", "sepal_width_cm", "petal_length_cm", "petal_width_cm")
SPECIES = ("setosa", "versicolor", "virginica")


def tree(depth: int) -> ModelDefinition:
    """The iris model with a single tree in place of the forest: weaker the flatter it is."""

    def build(seed: int) -> Pipeline:
        return Pipeline([("classify", DecisionTreeClassifier(max_depth=depth, random_state=seed))])

    return replace(MODEL, build_pipeline=build, search_space={"classify__max_depth": [1, 2, 3]})


def trained(definition: ModelDefinition) -> str:
    return str(train(definition, TrainSettings(), connected()).version)


def connected() -> Registry:
    return Registry.connect(TrackingSettings())


def champion_number() -> str | None:
    champion = connected().champion("iris")
    return str(champion.version) if champion else None


@pytest.mark.usefixtures("repository")
def test_the_first_training_logs_all_and_becomes_champion(call: CallTask) -> None:
    result = call(main, "--seed", "7", "--folds", "3", definition=IRIS)
    assert (result.code, result.out) == (0, "")
    assert "there is no champion to compare with" in result.err
    assert "iris version 1 is now the champion." in result.err

    client = mlflow.MlflowClient(connected().uri)
    version = client.get_model_version_by_alias("iris", "champion")
    assert version.run_id
    assert version.tags["git_commit"] == COMMIT
    assert version.tags["schema_fingerprint"] == schema_fingerprint(MODEL.input_contract)
    run = client.get_run(version.run_id)
    assert run.info.status == "FINISHED"
    assert {
        "seed": "7",
        "folds": "3",
        "hold_out": "0.3",
        "classify__min_samples_leaf": "3",
        "classify__random_state": "7",
    }.items() <= run.data.params.items()
    assert set(run.data.metrics) == {
        "cv_accuracy_mean",
        "cv_accuracy_std",
        "cv_log_loss_mean",
        "cv_log_loss_std",
        "hold_out_accuracy",
        "hold_out_macro_f1",
        "hold_out_log_loss",
    }
    assert all(value >= 0 for value in run.data.metrics.values())
    assert [file.path for file in client.list_artifacts(version.run_id)] == [
        "confusion_matrix.png",
        "feature_importance.json",
        "feature_importance.png",
        "model_card.md",
    ]
    folder = Path(mlflow.artifacts.download_artifacts(run_id=version.run_id, dst_path="."))
    assert (folder / "confusion_matrix.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.usefixtures("champion")
def test_signature_and_example_are_those_of_the_contracts() -> None:
    connected()
    stored = mlflow.models.Model.load("models:/iris@champion")
    assert stored.signature.inputs == Schema([ColSpec("double", name) for name in MEASURES])
    assert stored.signature.outputs == Schema(
        [
            ColSpec("string", "species"),
            *(ColSpec("double", f"probability_{name}") for name in SPECIES),
        ]
    )
    folder = Path(mlflow.artifacts.download_artifacts("models:/iris@champion", dst_path="model"))
    example = json.loads((folder / "input_example.json").read_text())
    expected = split(MODEL).training[list(MEASURES)].head(5)
    pd.testing.assert_frame_equal(pd.DataFrame(**example), expected)


@pytest.mark.usefixtures("champion")
def test_the_same_training_again_does_not_take_over(call: CallTask) -> None:
    result = call(main, definition=IRIS)
    assert result.code == 0
    rows = [line.split() for line in result.err.splitlines()]
    (log_loss,) = (words for words in rows if words[:1] == ["log_loss"])
    assert log_loss[1] == log_loss[2]
    assert "not better" in result.err
    assert "iris version 2 is registered; the champion stays." in result.err
    assert champion_number() == "1"


@pytest.mark.usefixtures("champion")
def test_a_worse_model_does_not_take_over() -> None:
    assert trained(tree(depth=2)) == "2"
    assert champion_number() == "1"


@pytest.mark.usefixtures("repository")
def test_a_better_model_takes_over_and_the_comparison_is_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert (trained(tree(depth=2)), champion_number()) == ("1", "1")
    capsys.readouterr()
    assert (trained(tree(depth=3)), champion_number()) == ("2", "2")
    said = capsys.readouterr().err
    assert "Gate passed: accuracy " in said
    assert "champion's " in said
    assert "; gain +" in said
    assert "95% interval " in said
    assert "iris version 2 is now the champion." in said


@pytest.mark.usefixtures("champion")
def test_a_champion_of_other_code_is_compared_by_its_own_metrics_on_the_same_rows(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert trained(tree(depth=2)) == "2"
    said = capsys.readouterr().err
    assert "not better" in said
    assert "the gate compares the metrics that its training logged, without an interval." in said
    assert champion_number() == "1"


@pytest.mark.usefixtures("repository")
def test_a_model_that_could_not_be_loaded_is_not_registered() -> None:
    def build(seed: int) -> Pipeline:
        return Pipeline([("classify", KNeighborsClassifier(algorithm="kd_tree"))])

    with pytest.raises(UserError, match="The trained iris was not loaded: it contains"):
        trained(replace(MODEL, build_pipeline=build))
    assert not mlflow.MlflowClient().search_model_versions("name='iris'")


@pytest.mark.usefixtures("champion")
def test_a_champion_that_was_judged_by_other_rows_is_judged_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert trained(replace(MODEL, hold_out=0.4)) == "2"
    assert "champion's " in capsys.readouterr().err


@pytest.mark.usefixtures("champion")
def test_a_champion_that_nobody_can_judge_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert trained(replace(tree(depth=3), hold_out=0.4)) == "2"
    said = capsys.readouterr().err
    assert "This code cannot load the champion, version 1 (" in said
    assert "it was evaluated on other rows, so only the gate's limits count." in said
    assert "the model's code has changed: " in said


@pytest.mark.usefixtures("repository")
def test_without_a_champion_the_gates_limits_still_hold() -> None:
    assert (trained(tree(depth=1)), champion_number()) == ("1", None)


def test_the_hold_out_is_always_the_same_and_shares_no_row() -> None:
    one, same = split(MODEL), split(MODEL)
    pd.testing.assert_frame_equal(one.hold_out, same.hold_out)
    assert one.hold_out["species"].value_counts().to_dict() == dict.fromkeys(SPECIES, 15)
    rejoined = pd.concat([one.training, one.hold_out])
    whole = MODEL.load_labelled(DEFAULTS)
    columns = list(whole.columns)
    pd.testing.assert_frame_equal(
        rejoined.sort_values(columns).reset_index(drop=True),
        whole.sort_values(columns).reset_index(drop=True),
    )


@pytest.mark.usefixtures("repository")
def test_a_setting_out_of_range_is_refused(call: CallTask) -> None:
    result = call(main, "--folds", "1", definition=IRIS)
    assert (result.code, result.out) == (2, "")
    assert (
        result.err
        == "the command line: folds: Input should be greater than or equal to 2, got '1'.\n"
    )


@pytest.mark.usefixtures("repository")
def test_the_gate_promotes_what_training_left_to_it_and_again_changes_nothing(
    call: CallTask,
) -> None:
    trained_only = call(main, "--no-promote", definition=IRIS)
    assert trained_only.code == 0
    assert "iris version 1 is registered. Run `gate` to judge it." in trained_only.err
    assert champion_number() is None
    first = call(gate, definition=IRIS)
    assert (first.code, champion_number()) == (0, "1")
    assert "iris version 1 is now the champion." in first.err
    again = call(gate, definition=IRIS)
    assert (again.code, champion_number()) == (0, "1")
    assert "is already the champion" in again.err
    assert call(main, "--no-promote", definition=IRIS).code == 0
    # Version 2 is the same, and so no better: predictions may go on with the champion.
    same = call(gate, definition=IRIS)
    assert (same.code, champion_number()) == (0, "1")
    assert "iris version 2 is registered; the champion stays." in same.err


@pytest.mark.usefixtures("repository")
def test_the_gate_fails_where_nothing_is_within_its_limits(call: CallTask) -> None:
    limited = replace(MODEL, gate=replace(MODEL.gate, at_least={"accuracy": 1.1}))
    train(limited, TrainSettings(promote=False), connected())
    assert not judge_latest(limited)
    assert champion_number() is None


def judge_latest(definition: ModelDefinition) -> bool:
    return gate_task.gate(definition, GateSettings(), connected())
