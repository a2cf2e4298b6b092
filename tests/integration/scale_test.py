"""The models that `benchmarks/scale` generates, in a repository of the real build definition."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from integration.clones import Clone, SharedRepository
from integration.commands import ROOT, commit_all, copy_test_support
from scale.generate import generate
from scale.shapes import ESTIMATORS, Shape

# The fewest that have every way to share features, and every estimator.
MODELS = 4 * len(ESTIMATORS)
LAST = Shape(MODELS - 1).name


@pytest.fixture(scope="module")
def clone(shared: SharedRepository) -> Iterator[Clone]:
    with shared.lend() as root:
        copy_test_support(root)
        shutil.copytree(ROOT / "docs", root / "docs")
        shutil.copy(ROOT / "README.md", root)
        generate(root, 0, MODELS)
        commit_all(root)
        yield Clone(root)


def needed(clone: Clone, model: str) -> set[str]:
    """All that a model's prediction depends on."""
    return set(
        clone.pants("dependencies", "--transitive", f"src/models/{model}:predict").out.split()
    )


def test_models_share_features_with_many_with_few_and_with_none(clone: Clone) -> None:
    folder = "src/feature_store/derived_features"
    by_shares = {
        Shape(number).shares: {
            target for target in needed(clone, Shape(number).name) if target.startswith(folder)
        }
        for number in range(3)
    }
    assert f"{folder}/row_features.py" in by_shares["many"]
    assert by_shares["few"] == {f"{folder}/generated_few_000.py", f"{folder}/__init__.py"}
    assert by_shares["none"] == set()


def test_models_need_several_sets_of_requirements(clone: Clone) -> None:
    own = {
        estimator.requirement
        for number, estimator in zip(range(0, MODELS, 4), ESTIMATORS, strict=True)
        if any(
            target.endswith(f"#{estimator.requirement}")
            for target in needed(clone, Shape(number).name)
        )
    }
    assert own == {estimator.requirement for estimator in ESTIMATORS}
    assert not any(target.endswith("#feature-engine") for target in needed(clone, Shape(0).name))


def test_a_generated_models_own_tests_run_and_pass(clone: Clone) -> None:
    clone.pants("test", f"tests/models/{LAST}::")


@pytest.mark.parametrize(
    ("file", "made_again"),
    [
        (f"src/models/{LAST}/features.py", False),
        # That it is there is shown, and so is what all models share.
        (f"src/models/{LAST}/__init__.py", True),
        ("src/models/predict.py", True),
    ],
)
def test_the_documentation_is_made_again_where_it_shows_what_changed(
    file: str, made_again: bool, clone: Clone
) -> None:
    clone.append(file)
    try:
        touched = clone.touched()
    finally:
        clone.discard_changes()
    assert ("docs:site" in touched) is made_again
    assert f"src/models/{LAST}:predict" in touched
