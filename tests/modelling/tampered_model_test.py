"""A stored model in which an attacker hid code: it is refused, and the code does not run."""

from __future__ import annotations

import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import mlflow
import mlflow.sklearn
import pytest
import skops.io
from mlflow.models import Model
from sklearn.dummy import DummyClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from config.tracking import TrackingSettings
from modelling.registry.mlflow_registry import Registry
from models.iris.definition import MODEL
from models.predict import main
from support.iris import IRIS
from support.tasks import CallTask, Result

MARKER = Path("the-attackers-code-ran")


class Bomb:
    """Runs a command when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {MARKER.absolute()}",)


class Disguised(Pipeline):  # type: ignore[misc]  # scikit-learn ships no types
    """A pipeline of the attacker's own type."""


@pytest.fixture
def model_folder(champion: Path) -> Path:
    """Where the champion's files lie."""
    (file,) = champion.glob(".mlflow/artifacts/**/MLmodel")
    return file.parent


def prediction(call: CallTask) -> Result:
    result = call(main, definition=IRIS)
    assert not MARKER.exists()
    assert not Path("predictions").exists()
    assert "Traceback" not in result.err
    assert "Unexpected" not in result.err
    return result


def replace_champion(**how: object) -> None:
    """Make a version of `Bomb`, with the tags of the present champion, the champion."""
    registry = Registry.connect(TrackingSettings())
    present = registry.champion("iris")
    assert present
    with registry.start_run("iris", "attack"):
        stored = mlflow.sklearn.log_model(
            Pipeline([("bomb", Bomb()), ("classify", DummyClassifier())]),
            name="model",
            pip_requirements=["scikit-learn"],
            **how,
        )
    client = mlflow.MlflowClient()
    version = client.create_model_version("iris", stored.model_uri, tags=present.tags)
    registry.promote(version)


@pytest.mark.usefixtures("champion")
@pytest.mark.parametrize("serialization", ["pickle", "cloudpickle"])
def test_a_version_that_is_a_pickle_is_not_read(serialization: str, call: CallTask) -> None:
    replace_champion(serialization_format=serialization)
    result = prediction(call)
    assert result.code == 1
    assert result.err == (
        "iris version 2 is not stored by skops, and loading a pickle can run any code. Train the "
        "model again with this repository's train task.\n"
    )


def test_the_pickle_of_these_tests_would_have_run(repository: Path) -> None:
    pickle.loads(pickle.dumps(Bomb()))
    assert MARKER.exists()


@pytest.mark.parametrize(
    ("part", "named"),
    [
        (FunctionTransformer(os.system), "posix.system"),
        (Disguised([("classify", DummyClassifier())]), "Disguised"),
        (DummyClassifier(), "sklearn.dummy.DummyClassifier"),
    ],
    ids=["a function", "a type", "a type that skops trusts"],
)
def test_a_file_that_names_what_is_not_trusted_is_refused(
    part: object, named: str, model_folder: Path, call: CallTask
) -> None:
    skops.io.dump(Pipeline([("part", part)]), model_folder / "model.skops")
    result = prediction(call)
    assert result.code == 1
    assert result.err.startswith("iris version 1 was not loaded: ")
    assert named in result.err
    assert "add it to `trusted_types` in definition.py" in result.err


def test_what_a_version_says_of_whom_to_trust_is_not_believed(
    model_folder: Path, call: CallTask
) -> None:
    skops.io.dump(Pipeline([("run", FunctionTransformer(os.system))]), model_folder / "model.skops")
    alter_flavor(model_folder, skops_trusted_types=["posix.system"])
    assert "posix.system" in prediction(call).err


def test_a_pickle_under_the_name_of_a_skops_file_is_not_read(
    model_folder: Path, call: CallTask
) -> None:
    (model_folder / "model.skops").write_bytes(pickle.dumps(Bomb()))
    result = prediction(call)
    assert result.code == 1
    assert result.err.startswith(
        "iris version 1 cannot be read: model.skops is not a complete skops"
    )


def test_a_pickle_inside_a_skops_file_is_not_read(model_folder: Path, call: CallTask) -> None:
    file = model_folder / "model.skops"
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            is_array = name.endswith(".npy")
            archive.writestr(name, pickle.dumps(Bomb()) if is_array else content)
    result = prediction(call)
    assert result.code == 1
    assert result.err.startswith("iris version 1 was not loaded: ")
    assert "is not an array in the format that training writes" in result.err


@pytest.mark.parametrize("name", ["../{}", "{folder}/{}", "sub/../../{}", "..", "", None])
def test_a_file_name_that_leads_out_of_the_version_is_not_followed(
    name: str | None, model_folder: Path, call: CallTask
) -> None:
    """What lies outside is a good model: its prediction would succeed."""
    outside = Path("outside.skops").absolute()
    shutil.move(model_folder / "model.skops", outside)
    shutil.copy(outside, model_folder.parent / outside.name)
    path = name and name.format(outside.name, folder=outside.parent)
    alter_flavor(model_folder, pickled_model=path)
    result = prediction(call)
    assert result.code == 1
    assert result.err.startswith("iris version 1 cannot be read: ")


def test_a_link_that_leads_out_of_the_version_is_not_followed(
    model_folder: Path, call: CallTask
) -> None:
    skops.io.dump(DummyClassifier(), "outside.skops")
    (model_folder / "model.skops").unlink()
    (model_folder / "model.skops").symlink_to(Path("outside.skops").absolute())
    assert prediction(call).code == 1


def test_a_description_that_would_build_objects_is_not_obeyed(
    model_folder: Path, call: CallTask
) -> None:
    command = f"touch {MARKER.absolute()}"
    (model_folder / "MLmodel").write_text(f"flavors: !!python/object/apply:os.system ['{command}']")
    result = prediction(call)
    assert result.code == 1
    assert result.err.startswith("iris version 1 cannot be read: ")


def test_a_model_that_is_no_pipeline_is_refused(model_folder: Path, call: CallTask) -> None:
    skops.io.dump(DummyClassifier(), model_folder / "model.skops")
    assert prediction(call) == Result(
        1,
        "",
        "iris version 1 was not loaded: it contains a DummyClassifier, expected a Pipeline.\n",
    )


def test_the_definition_trusts_no_type_that_runs_what_a_file_says() -> None:
    assert MODEL.trusted_types == (
        "sklearn.tree._tree.Tree",
        "models.iris.features.flower_features",
    )


@pytest.mark.usefixtures("champion")
@pytest.mark.parametrize("scheme", ["ftp", "sftp", "http", "https", "unknown"])
def test_a_source_that_training_does_not_write_is_not_opened(scheme: str, call: CallTask) -> None:
    registry = Registry.connect(TrackingSettings())
    present = registry.champion("iris")
    assert present
    source = f"{scheme}://127.0.0.1:1/model"
    client = mlflow.MlflowClient()
    registry.promote(client.create_model_version("iris", source, tags=present.tags))
    result = prediction(call)
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(
        "iris version 2 cannot be downloaded: the scheme of its location is "
    )
    assert "Train a new version: ./pants run src/models/iris:train" in result.err
    assert result.err.count("\n") == 1


@pytest.mark.usefixtures("champion")
@pytest.mark.parametrize("source", ["s3://no-such-bucket-here/model", "hdfs://127.0.0.1:1/model"])
def test_a_source_that_cannot_be_opened_is_one_message(source: str, call: CallTask) -> None:
    """The libraries of such stores are not in every package."""
    registry = Registry.connect(TrackingSettings())
    present = registry.champion("iris")
    assert present
    client = mlflow.MlflowClient()
    registry.promote(client.create_model_version("iris", source, tags=present.tags))
    result = prediction(call)
    assert result.code == 1
    assert (
        "iris version 2 cannot be downloaded from its " in result.err or "MLflow at " in result.err
    )


def alter_flavor(folder: Path, **changes: object) -> None:
    description = Model.load(str(folder))
    description.flavors["sklearn"] |= changes
    description.save(str(folder / "MLmodel"))
