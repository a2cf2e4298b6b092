from __future__ import annotations

import dataclasses
import json
import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import mlflow
import pandera.pandas as pa
import pytest

from config.tracking import TrackingSettings
from modelling.registry.compatibility import (
    COMMIT_VARIABLES,
    FORMAT,
    TAG,
    Compatibility,
    git_commit,
    schema_fingerprint,
    used_requirements,
)
from modelling.registry.mlflow_registry import Registry
from modelling.stored_models.pipeline_code import NO_SOURCE, code_of
from models.iris.definition import MODEL
from models.predict import main
from support.iris import IRIS
from support.tasks import COMMIT, CallTask

HERE = Compatibility(
    git_commit="a",
    image="",
    python="3.13",
    requirements={"pandas": "3.1.1"},
    requirements_fingerprint="r",
    schema_fingerprint="s",
    code_fingerprint="c",
    code={"models.iris.pipeline": "p", "models.iris.features": "f"},
    format=FORMAT,
)


CODE = code_of(MODEL.build_pipeline, MODEL.predict)


def recorded() -> dict[str, Any]:
    """What the champion says it was trained with."""
    version = Registry.connect(TrackingSettings()).version("iris", "1")
    return dict(json.loads(version.tags[TAG]))


def record(**changes: object) -> None:
    """Alter what the champion says it was trained with."""
    altered = json.dumps({**recorded(), **changes})
    mlflow.MlflowClient().set_model_version_tag("iris", "1", TAG, altered)


@pytest.mark.usefixtures("champion")
def test_training_records_what_the_version_was_made_with() -> None:
    requirements = {
        name: metadata.version(name) for name in used_requirements(MODEL.build_pipeline(0))
    }
    assert {"numpy", "pandas", "pandera", "scikit-learn", "scipy", "skops"} <= set(requirements)
    assert "mlflow-skinny" not in requirements
    assert "matplotlib" not in requirements
    record = recorded()
    assert record.pop("requirements_fingerprint")
    assert record == {
        "git_commit": COMMIT,
        "image": "",
        "python": ".".join(platform.python_version_tuple()[:2]),
        "requirements": requirements,
        "schema_fingerprint": schema_fingerprint(MODEL.input_contract),
        "code_fingerprint": CODE.fingerprint,
        "code": CODE.modules,
        "format": 2,
    }


def test_a_record_comes_back_from_its_tags() -> None:
    assert Compatibility.from_tags(HERE.to_tags()) == HERE
    assert Compatibility.from_tags({}) is None


def test_each_difference_is_told_and_commit_and_image_are_none() -> None:
    other = dataclasses.replace(
        HERE,
        git_commit="b",
        image="registry/image:2",
        python="3.12",
        requirements={},
        schema_fingerprint="S",
        code_fingerprint="C",
        code={"models.iris.pipeline": "P", "models.iris.features": "f", "cli.errors": "e"},
    )
    assert HERE.differences(dataclasses.replace(HERE, git_commit="b", image="other")) == []
    assert HERE.differences(other) == [
        "Python: trained with 3.13, here 3.12",
        "pandas: trained with 3.1.1, here missing",
        "the input contract has changed",
        "the model's code has changed: cli.errors, models.iris.pipeline",
    ]


def test_a_version_made_with_other_things_is_refused_unless_allowed(
    champion: Path, call: CallTask
) -> None:
    record(
        image="registry.example/datascience:5f2c",
        python="3.12",
        requirements={"scikit-learn": "0.1", "pandas": metadata.version("pandas")},
        code_fingerprint="another",
        code={**CODE.modules, "models.iris.features": "another"},
    )
    refused = call(main, definition=IRIS)
    assert (refused.code, refused.out) == (1, "")
    assert refused.err == (
        "iris version 1 was not trained with this code:\n"
        f"  - Python: trained with 3.12, here {sys.version_info[0]}.{sys.version_info[1]}\n"
        f"  - scikit-learn: trained with 0.1, here {metadata.version('scikit-learn')}\n"
        "  - the model's code has changed: models.iris.features\n"
        "To fix this, either:\n"
        "  - run the image it was trained with: registry.example/datascience:5f2c\n"
        f"  - run the commit it was trained at: {COMMIT}\n"
        "  - train a version with this code: ./pants run src/models/iris:train\n"
        "  - load it anyway, at your own risk: --allow-mismatch\n"
    )
    assert not (champion / "predictions").exists()
    allowed = call(main, "--allow-mismatch", definition=IRIS)
    assert allowed.code == 0, allowed.err
    assert "Loading iris version 1 despite: Python: trained with 3.12" in allowed.err


def test_what_differs_is_told_before_anything_of_the_version_is_read(
    champion: Path, call: CallTask
) -> None:
    record(python="3.12")
    for file in champion.glob(".mlflow/artifacts/**/*.skops"):
        file.write_bytes(b"garbage")
    assert "trained with 3.12" in call(main, definition=IRIS).err


@pytest.mark.usefixtures("champion")
def test_a_version_without_a_record_is_refused(call: CallTask) -> None:
    recorded()
    mlflow.MlflowClient().delete_model_version_tag("iris", "1", TAG)
    refused = call(main, definition=IRIS)
    assert refused.code == 1
    assert "it has no record of what it was trained with" in refused.err


@pytest.mark.usefixtures("champion")
def test_a_version_of_before_the_record_named_its_modules_is_told_apart(call: CallTask) -> None:
    earlier = {name: value for name, value in recorded().items() if name not in ("code", "format")}
    mlflow.MlflowClient().set_model_version_tag("iris", "1", TAG, json.dumps(earlier))
    refused = call(main, definition=IRIS)
    assert refused.code == 1
    assert refused.err.startswith(
        "iris version 1 was not trained with this code:\n"
        "  - its record has format 1, expected format 2; it is unknown whether the model's code "
        "has changed\n"
        "To fix this, either:\n"
        f"  - run the commit it was trained at: {COMMIT}\n"
    )
    assert call(main, "--allow-mismatch", definition=IRIS).code == 0


@pytest.mark.usefixtures("champion")
@pytest.mark.parametrize(
    ("tag", "reason"),
    [
        ("[]", "Input should be an object"),
        ("{", "Invalid JSON: EOF while parsing an object at line 1 column 1"),
        ("{}", "git_commit: Field required"),
        ("null", "Input should be an object"),
        ("[" * 5000, "Invalid JSON: recursion limit exceeded at line 1 column 202"),
    ],
    ids=["list", "broken", "empty", "null", "deep"],
)
def test_a_tag_that_is_no_record_is_one_message(tag: str, reason: str, call: CallTask) -> None:
    recorded()
    mlflow.MlflowClient().set_model_version_tag("iris", "1", TAG, tag)
    refused = call(main, definition=IRIS)
    assert (refused.code, refused.out) == (1, "")
    assert refused.err == (
        "iris version 1 was not trained with this code:\n"
        f"  - its tag 'compatibility' is not a record of what it was trained with ({reason})\n"
        "To fix this, either:\n"
        "  - train a version with this code: ./pants run src/models/iris:train\n"
        "  - load it anyway, at your own risk: --allow-mismatch\n"
    )


@pytest.mark.usefixtures("champion")
@pytest.mark.parametrize(
    "changes",
    [
        {"requirements": []},
        {"requirements": {"": "1"}},
        {"requirements": {"pandas": 3}},
        {"python": None},
        {"image": "\x1b[31mred"},
        {"git_commit": "c" * 5000},
        {"code": "x"},
        {"format": "2"},
    ],
    ids=str,
)
def test_a_record_with_something_else_in_it_is_one_message(
    changes: dict[str, object], call: CallTask
) -> None:
    record(**changes)
    refused = call(main, definition=IRIS)
    assert (refused.code, refused.out) == (1, "")
    assert "its tag 'compatibility' is not a record of what it was trained with" in refused.err
    assert "\x1b" not in refused.err


def test_code_without_its_source_is_never_taken_for_the_same() -> None:
    bare = dataclasses.replace(HERE, code_fingerprint=NO_SOURCE)
    problem = "the model's code cannot be compared: the source of one side is missing"
    assert HERE.differences(bare) == [problem]
    assert bare.differences(HERE) == [problem]
    assert bare.differences(bare) == [problem]


def test_a_commit_that_git_does_not_show_to_another_user_is_not_unknown_in_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    monkeypatch.chdir(tmp_path)
    for variable in COMMIT_VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    # git's own switch for its tests: only root could give the files away.
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    assert git_commit() == "unknown"
    assert capsys.readouterr().err == (
        "The commit is unknown: Git does not trust the clone's owner. To fix this, run: "
        f"git config --global --add safe.directory {tmp_path}\n"
    )


def test_a_contract_that_demands_something_else_has_another_fingerprint() -> None:
    class Plain(pa.DataFrameModel):
        length: float = pa.Field(gt=0)

    class Described(pa.DataFrameModel):
        length: float = pa.Field(gt=0, description="In cm.")

    class Bounded(pa.DataFrameModel):
        length: float = pa.Field(gt=1)

    class Optional(pa.DataFrameModel):
        length: float = pa.Field(gt=0, nullable=True)

    class Whole(pa.DataFrameModel):
        length: int = pa.Field(gt=0)

    assert schema_fingerprint(Plain) == schema_fingerprint(Described)
    others = {schema_fingerprint(contract) for contract in (Plain, Bounded, Optional, Whole)}
    assert len(others) == 4


def test_the_commit_is_the_working_trees_with_a_mark_where_it_was_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DATASCIENCE_GIT_COMMIT", "CI_COMMIT_SHA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.chdir(tmp_path)
    assert git_commit() == "unknown"

    def git(*arguments: str) -> str:
        identity = ("-c", "user.name=n", "-c", "user.email=e@example.com")
        command = ["git", *identity, *arguments]
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ)
        return done.stdout.strip()

    file = tmp_path / "file"
    file.write_text("one")
    git("init", "-q")
    git("add", "file")
    git("commit", "-qm", "One")
    commit = git("rev-parse", "HEAD")
    assert git_commit() == commit
    file.write_text("two")
    assert git_commit() == f"{commit}+changes"
    file.write_text("one")
    untracked = tmp_path / "new.py"
    untracked.touch()
    assert git_commit() == f"{commit}+changes"
    untracked.unlink()
    (tmp_path / ".git/info/exclude").write_text("/ignored\n")
    (tmp_path / "ignored").touch()
    assert git_commit() == commit
