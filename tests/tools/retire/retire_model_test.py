"""What goes with a model, and who would miss it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from support.tasks import CallTask
from tools.retire import retire_model
from tools.retire.retire_model_task import Retirement, plan_retirement, remove
from tools.workspace.target_graph import TargetGraph

CONTRACT = """\
name: {name}
version: 1.0.0
owner: us
description: Rows.
model: datasets.{name}.Rows
strict: false
columns: []
"""
FILES = {
    "src/models/churn/definition.py": ("src/datasets/churn.py", "src/datasets/plans.py"),
    "src/models/churn/pipeline.py": ("src/feature_store/views/visits.py",),
    "src/models/rent/definition.py": ("src/datasets/plans.py",),
    "tests/models/churn/churn_test.py": ("src/models/churn/definition.py",),
    "src/datasets/churn.py": (),
    "src/datasets/plans.py": (),
    "src/datasets/visits.py": (),
    "src/feature_store/views/visits.py": ("src/datasets/visits.py",),
    "tests/feature_store/visits_test.py": ("src/feature_store/views/visits.py",),
    "src/datasets/registry.py": ("src/datasets/churn.py", "src/datasets/plans.py"),
}


def git(root: Path, *arguments: str) -> None:
    call = ("git", "-c", "user.name=Test", "-c", "user.email=test@example.com", *arguments)
    subprocess.run(call, cwd=root, check=True, capture_output=True)


@pytest.fixture
def clone(repository: Path) -> Path:
    """A repository with two models, all of it committed; its page names one as an example."""
    git(repository, "init", "--quiet")
    (repository / "README.md").write_text("./pants run src/models/churn:train\n")
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message=Test")
    for file in FILES:
        (repository / file).parent.mkdir(parents=True, exist_ok=True)
        (repository / file).touch()
    for name in ("churn", "plans", "visits"):
        exported = repository / f"src/datasets/contracts/{name}.yaml"
        exported.parent.mkdir(exist_ok=True)
        exported.write_text(CONTRACT.format(name=name))
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message=Test")
    return repository


def graph(**more: tuple[str, ...]) -> TargetGraph:
    """The files' targets, and an image that takes every model there is."""
    image = {
        "address": "docker:image",
        "target_type": "model_image",
        "dependencies": ["src/models/churn/definition.py"],
    }
    told = [
        {"address": file, "target_type": "python_source", "sources": [file], "dependencies": needs}
        for file, needs in {**FILES, **more}.items()
    ]
    return TargetGraph.from_peek([image, *told])


def retirement(clone: Path, **more: tuple[str, ...]) -> Retirement:
    return plan_retirement(clone, "churn", graph(**more))


def test_what_only_the_model_uses_goes_with_it_and_views_stay(clone: Path) -> None:
    found = retirement(clone)
    assert found.removed == (
        "src/models/churn",
        "tests/models/churn",
        "src/datasets/churn.py",
        "src/datasets/contracts/churn.yaml",
    )
    assert found.kept == (
        ("src/datasets/plans.py", "src/models/rent/definition.py"),
        ("src/datasets/visits.py", "src/feature_store/views/visits.py"),
    )
    assert found.unused == ("src/feature_store/views/visits.py",)
    assert (found.dependents, found.mentions) == ((), ())


def test_whoever_depends_on_it_is_told_with_the_path(clone: Path) -> None:
    study, test = "notebooks/study.ipynb", "tests/study_test.py"
    more = {study: ("src/models/churn/definition.py",), test: (study,)}
    found = retirement(clone, **more)
    assert found.dependents == (
        ("src/models/churn/definition.py", study),
        ("src/models/churn/definition.py", study, test),
    )


def test_a_line_that_names_it_counts_unless_it_did_before_there_was_a_model(clone: Path) -> None:
    (clone / "docs.md").write_text("`churn` is ours, unlike churning.\n")
    (clone / "ci.yml").write_text("run: src/models/churn:predict\nelse: src/models/churned\n")
    assert retirement(clone).mentions == (
        "ci.yml:1: run: src/models/churn:predict",
        "docs.md:1: `churn` is ours, unlike churning.",
    )


def test_all_is_removed_or_nothing(clone: Path) -> None:
    remove(clone, ["src/models/churn", "src/datasets/churn.py"])
    assert not (clone / "src/models/churn").exists()
    assert not (clone / "src/datasets/churn.py").exists()
    with pytest.raises(Exception, match="gone: cannot be removed: No such file"):
        remove(clone, ["src/models/rent", "gone"])
    assert (clone / "src/models/rent/definition.py").exists()
    assert not list(clone.glob(".retired-*"))


def call_with(
    clone: Path, call: CallTask, monkeypatch: pytest.MonkeyPatch, *argv: str
) -> tuple[int, str, str]:
    # Pants itself is asked in tests/integration.
    monkeypatch.setattr(TargetGraph, "of_repository", lambda root: graph())
    result = call(retire_model.main, *argv)
    return result.code, result.out, result.err


def test_what_is_not_committed_is_not_lost_silently(
    clone: Path, call: CallTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    (clone / ".gitignore").write_text(".env\n__pycache__/\n")
    (clone / "src/models/churn/.env").write_text("KEY=1\n")
    (clone / "src/models/churn/idea.py").touch()
    code, out, err = call_with(clone, call, monkeypatch, "churn")
    assert (code, out) == (2, "")
    assert "src/models/churn/idea.py" in err
    assert "src/models/churn/.env" in err
    assert (clone / "src/models/churn/idea.py").exists()
    code, out, _ = call_with(clone, call, monkeypatch, "churn", "--force")
    assert code == 0
    assert "removed src/models/churn\n" in out
    assert not (clone / "src/models/churn").exists()


def test_a_dry_run_removes_nothing_and_says_what_a_person_has_to_do(
    clone: Path, call: CallTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, _ = call_with(clone, call, monkeypatch, "churn", "--dry-run")
    assert code == 0
    assert "would remove src/datasets/churn.py" in out
    assert "kept src/feature_store/views/visits.py: no longer used" in out
    assert "delete_registered_model('churn')" in out
    assert (clone / "src/datasets/churn.py").exists()


def test_an_unknown_model_is_told_with_near_names(clone: Path, call: CallTask) -> None:
    assert call(retire_model.main, "chrun").err == (
        "No model 'chrun' in src/models; did you mean churn?\n"
    )
    assert "models: churn, rent." in call(retire_model.main, "zzz").err
    assert call(retire_model.main).code == 2
