from __future__ import annotations

import dataclasses
import json
import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import mlflow
import pandera.pandas as pa
import pytest

from config.tracking import TrackingSettings
from models.compatibility import (
    COMMIT_VARIABLES,
    TAG,
    Compatibility,
    code_fingerprint,
    git_commit,
    schema_fingerprint,
    used_requirements,
)
from models.iris.definition import MODEL
from models.predict import main
from models.tracking import Registry
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
)


def module_of(source: str, folder: Path) -> ModuleType:
    file = folder / f"part_{len(list(folder.iterdir()))}.py"
    file.write_text(source)
    module = ModuleType("part")
    module.__file__ = str(file)
    return module


def fingerprint_of(source: str, folder: Path) -> str:
    return code_fingerprint([module_of(source, folder)])


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
        "code_fingerprint": code_fingerprint(MODEL.code),
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
    )
    assert HERE.differences(dataclasses.replace(HERE, git_commit="b", image="other")) == []
    assert HERE.differences(other) == [
        "Python: trained with 3.13, this is 3.12",
        "pandas: trained with 3.1.1, here missing",
        "the input contract has changed since",
        "the model's code (schema, features, pipeline) has changed since",
    ]


def test_a_version_made_with_other_things_is_refused_unless_allowed(
    champion: Path, call: CallTask
) -> None:
    record(
        image="registry.example/datascience:5f2c",
        python="3.12",
        requirements={"scikit-learn": "0.1", "pandas": metadata.version("pandas")},
        code_fingerprint="another",
    )
    refused = call(main, definition=IRIS)
    assert (refused.code, refused.out) == (1, "")
    assert refused.err == (
        "iris version 1 was not made with this code:\n"
        f"  - Python: trained with 3.12, this is {sys.version_info[0]}.{sys.version_info[1]}\n"
        f"  - scikit-learn: trained with 0.1, here {metadata.version('scikit-learn')}\n"
        "  - the model's code (schema, features, pipeline) has changed since\n"
        "One of these mends it:\n"
        "  - run the image it was trained with: registry.example/datascience:5f2c\n"
        f"  - run the commit it was trained at: {COMMIT}\n"
        "  - train a version with this code: ./pants run src/models/iris:train\n"
        "  - go on at your own risk: --allow-mismatch\n"
    )
    assert not (champion / "predictions").exists()
    allowed = call(main, "--allow-mismatch", definition=IRIS)
    assert allowed.code == 0, allowed.err
    assert "Loading iris version 1 although Python: trained with 3.12" in allowed.err


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
    assert "it carries no record of what it was trained with" in refused.err


CODE = "def double(x):\n    return 2 * x\n"


@pytest.mark.parametrize(
    "source",
    [
        '"""About it."""\n' + CODE,
        "# Why.\n" + CODE,
        'def double(x):\n    """Twice."""\n\n    return (2 *\n        x)  # twice\n',
    ],
    ids=["docstring of the module", "comment", "docstring of the function, layout"],
)
def test_comments_docstrings_and_layout_are_no_other_code(source: str, tmp_path: Path) -> None:
    assert fingerprint_of(source, tmp_path) == fingerprint_of(CODE, tmp_path)


@pytest.mark.parametrize(
    "source",
    [CODE.replace("2", "3"), CODE.replace("return", "yield"), CODE + "double(1)\n"],
    ids=["constant", "statement", "one more line"],
)
def test_what_computes_something_else_is_other_code(source: str, tmp_path: Path) -> None:
    assert fingerprint_of(source, tmp_path) != fingerprint_of(CODE, tmp_path)


def test_code_without_its_source_is_never_taken_for_the_same(tmp_path: Path) -> None:
    module = module_of(CODE, tmp_path)
    module.__file__ = str(tmp_path / "part.pyc")
    bare = dataclasses.replace(HERE, code_fingerprint=code_fingerprint([module]))
    problem = "the model's code cannot be compared: one of the two came without its source"
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
        "The commit is unknown: git does not trust the clone's owner. To fix that: "
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
