"""What a change affects, by graphs that are small enough to follow by hand."""

from __future__ import annotations

from typing import Any

import pytest

from tools.change.affected_artifacts import Cause, Change, trace_change
from tools.change.affected_rules import (
    CONTRACTS,
    DAGS,
    IMAGES,
    KINDS,
    MODELS,
    NOTEBOOKS,
    TESTS,
    Kind,
    OutOfGraphRule,
)
from tools.workspace.target_graph import Target, TargetGraph


def told(address: str, *dependencies: str, **more: object) -> dict[str, Any]:
    """What `./pants peek` prints of a target, as far as it counts here."""
    return {
        "address": address,
        "target_type": "python_source",
        "dependencies": [*dependencies],
    } | more


def source(file: str, *dependencies: str, name: str = "") -> dict[str, Any]:
    return told(f"{file}{name and ':'}{name}", *dependencies, sources=[file])


def binary(address: str, *dependencies: str, target_type: str = "pex_binary") -> dict[str, Any]:
    return told(address, *dependencies, target_type=target_type)


SHARED, SCHEMA, TRAIN = (
    "src/modelling/evaluation/metrics.py",
    "src/models/iris/schema.py",
    "src/models/iris/train.py",
)
OTHER = "src/models/tulip/train.py"
FLOWERS = "src/datasets/flowers.py"
DECLARATION = "src/models/iris/dag.toml"
TEST = "tests/models/iris/schema_test.py"
SKOPS = "3rdparty/python/closures/default/skops.txt"
GRAPH = TargetGraph.from_peek(
    [
        source(FLOWERS),
        source("src/datasets/registry.py", FLOWERS),
        source(SHARED),
        source(SCHEMA, FLOWERS),
        source(TRAIN, SCHEMA, SHARED),
        source(OTHER, SHARED, "3rdparty/python:modelling#skops"),
        source(TEST, SCHEMA, name="../tests"),
        told(
            "tests/models:tests", TEST + ":../tests", sources=[TEST], sources_raw=["**/*_test.py"]
        ),
        told("src/models/iris:iris", SCHEMA, TRAIN, sources=[SCHEMA, TRAIN])
        | {"sources_raw": ["*.py", "!*_test.py"], "target_type": "python_sources"},
        binary("src/models/iris:train", TRAIN),
        binary("src/models/iris:image", "src/models/iris:train", target_type="model_image"),
        source("notebooks/look at.ipynb", SCHEMA),
        # As all of a model's declaration is: a file with a name of its own.
        binary("src/models/iris:dag", target_type="file") | {"sources": [DECLARATION]},
        binary("src/models/tulip:dag", target_type="file")
        | {"sources": ["src/models/tulip/dag.toml"]},
        source("src/dags/factory.py"),
        told("3rdparty/python:modelling#closure/skops", sources=[SKOPS]),
        told("3rdparty/python:modelling#skops", "3rdparty/python:modelling#closure/skops"),
        told("3rdparty/python:modelling", "3rdparty/python:modelling#skops"),
        # A copy for tests.
        told("//src/models/iris/BUILD:../../../files", sources=["src/models/iris/BUILD"]),
        told("//:files", "//src/models/iris/BUILD:../../../files")
        | {"sources": ["src/models/iris/BUILD"], "sources_raw": ["src/models/*/BUILD"]},
    ]
)


def names(change: Change) -> dict[str, list[str]]:
    found = {kind.name: [artifact.name for artifact in change.of_kind(kind.name)] for kind in KINDS}
    return {kind: those for kind, those in found.items() if those}


def test_a_change_of_a_contract_reaches_everything_built_on_it_and_no_other_model() -> None:
    change = trace_change([FLOWERS], GRAPH, names={FLOWERS: ["flowers", "labelled_flowers"]})
    assert names(change) == {
        MODELS: ["iris"],
        IMAGES: ["src/models/iris:image"],
        NOTEBOOKS: ["notebooks/look at.ipynb"],
        DAGS: ["iris"],
        CONTRACTS: ["flowers", "labelled_flowers"],
        TESTS: [TEST],
    }


def test_each_changed_file_that_reaches_a_model_is_told_with_the_shortest_path() -> None:
    change = trace_change([FLOWERS, SHARED], GRAPH)
    (iris, tulip) = change.of_kind(MODELS)
    assert iris.causes == (Cause(FLOWERS, (FLOWERS, SCHEMA)), Cause(SHARED, (SHARED, TRAIN)))
    assert iris.targets == (SCHEMA, TRAIN, "src/models/iris:iris", "src/models/iris:train")
    assert tulip.causes == (Cause(SHARED, (SHARED, OTHER)),)


def test_what_was_itself_changed_comes_before_what_depends_on_something() -> None:
    (iris,) = trace_change([FLOWERS, TRAIN], GRAPH).of_kind(MODELS)
    assert [cause.path for cause in iris.causes] == [(TRAIN,), (FLOWERS, SCHEMA)]


def test_a_new_version_of_a_package_reaches_those_that_need_it() -> None:
    change = trace_change([SKOPS], GRAPH)
    (tulip,) = change.artifacts
    assert (tulip.kind, tulip.name) == (MODELS, "tulip")
    closure, requirement = (
        "3rdparty/python:modelling#closure/skops",
        "3rdparty/python:modelling#skops",
    )
    assert tulip.causes == (Cause(SKOPS, (closure, requirement, OTHER)),)


def test_a_target_that_stands_for_all_its_sources_counts_only_where_it_owns_what_changed() -> None:
    assert trace_change([TEST], GRAPH).targets == (f"{TEST}:../tests",)
    assert "tests/models:tests" not in trace_change([SCHEMA], GRAPH).targets


def test_a_file_that_is_gone_was_part_of_the_target_whose_pattern_fits_it() -> None:
    change = trace_change(["src/models/iris/gone.py"], GRAPH)
    assert (names(change), change.targets) == ({MODELS: ["iris"]}, ("src/models/iris:iris",))


def test_a_build_file_declares_the_targets_of_its_folder() -> None:
    change = trace_change(["tests/models/BUILD"], GRAPH)
    assert (names(change), change.without_target) == ({TESTS: [TEST]}, ())
    iris = trace_change(["src/models/iris/BUILD"], GRAPH)
    assert names(iris)[MODELS] == ["iris"]
    assert "src/models/iris:train" in iris.targets


def test_a_declaration_changes_its_own_dag_and_neither_model_nor_image() -> None:
    assert names(trace_change([DECLARATION], GRAPH)) == {DAGS: ["iris"]}


def test_what_makes_dags_changes_all_of_them() -> None:
    change = trace_change(["src/dags/factory.py"], GRAPH)
    assert names(change) == {DAGS: ["iris", "tulip"]}
    (reason,) = {cause.reason for artifact in change.artifacts for cause in artifact.causes}
    assert reason == "builds the DAGs of all models"


def test_another_image_changes_the_dag_that_runs_it_with_the_path_to_it() -> None:
    change = trace_change([TRAIN], GRAPH)
    (iris,) = change.of_kind(DAGS)
    binary, image = "src/models/iris:train", "src/models/iris:image"
    assert iris.causes == (Cause(TRAIN, (TRAIN, binary, image)),)
    assert [artifact.name for artifact in change.of_kind(IMAGES)] == [image]


def test_what_only_a_notebook_needs_affects_no_model() -> None:
    plots, notebook = "src/validation/pictures.py", "src/models/iris/notebooks/look.ipynb"
    graph = TargetGraph.from_peek(
        [
            source(plots),
            source(notebook, plots),
            binary("src/models/iris/notebooks:notebooks", notebook, target_type="notebooks"),
        ]
    )
    assert names(trace_change([plots], graph)) == {NOTEBOOKS: [notebook]}


def test_a_copy_of_a_file_for_tests_is_part_of_no_model() -> None:
    (iris,) = trace_change(["src/models/iris/BUILD"], GRAPH).of_kind(MODELS)
    assert not [address for address in iris.targets if address.startswith("//")]


def test_a_file_without_a_target_is_told_and_nothing_is_affected() -> None:
    change = trace_change(["CHANGELOG", "src/models/iris/notes.txt"], GRAPH)
    assert change == Change(
        ("CHANGELOG", "src/models/iris/notes.txt"),
        (),
        (),
        ("CHANGELOG", "src/models/iris/notes.txt"),
    )


def test_modules_that_import_one_another_end() -> None:
    one, other = "src/models/a/one.py", "src/models/b/other.py"
    graph = TargetGraph.from_peek([source(one, other), source(other, one)])
    assert names(trace_change([one], graph)) == {MODELS: ["a", "b"]}


@pytest.mark.parametrize(
    ("file", "kinds"),
    [
        ("pants.toml", {MODELS, IMAGES, NOTEBOOKS, DAGS, CONTRACTS, TESTS}),
        ("3rdparty/python/launcher/pants.txt", {MODELS, IMAGES, NOTEBOOKS, DAGS, CONTRACTS, TESTS}),
        ("pants-plugins/new/rules.py", {MODELS, IMAGES, NOTEBOOKS, DAGS, CONTRACTS, TESTS}),
        ("pants-plugins/model_image/package.py", {IMAGES, DAGS}),
        ("3rdparty/python/locks/images.lock", {IMAGES, DAGS}),
        ("pants-plugins/notebook/execute.py", {NOTEBOOKS}),
        ("3rdparty/python/locks/notebooks.lock", {NOTEBOOKS}),
        ("3rdparty/python/locks/pytest.lock", {TESTS}),
        ("pants-plugins/new/rules_test.py", set()),
        ("pants-plugins/ruff/rules.py", set()),
        ("3rdparty/python/launcher/BUILD", set()),
    ],
)
def test_what_decides_how_things_are_built_affects_them_without_being_a_dependency(
    file: str, kinds: set[str]
) -> None:
    change = trace_change([file], GRAPH)
    assert set(names(change)) == kinds
    assert all(cause.reason for artifact in change.artifacts for cause in artifact.causes)


def test_a_dependency_explains_better_than_a_file_that_affects_everything() -> None:
    (iris, _) = trace_change(["pants.toml", FLOWERS], GRAPH).of_kind(MODELS)
    assert [(cause.file, bool(cause.reason)) for cause in iris.causes] == [
        (FLOWERS, False),
        ("pants.toml", True),
    ]


def test_a_new_kind_and_a_new_rule_are_a_line_each() -> None:
    kinds = (Kind("binaries", r".*", types=frozenset({"pex_binary"})),)
    beyond = (OutOfGraphRule(("how.toml",), "says how", frozenset({"binaries"})),)
    (train,) = trace_change(["how.toml"], GRAPH, kinds=kinds, rules=beyond).artifacts
    assert (train.name, train.causes) == (
        "src/models/iris:train",
        (Cause("how.toml", ("src/models/iris:train",), "says how"),),
    )


@pytest.mark.parametrize(
    ("address", "sources", "folder", "generator"),
    [
        ("src/a/b.py", ["src/a/b.py"], "src/a", "src/a:a"),
        ("src/a/b.py:c", ["src/a/b.py"], "src/a", "src/a:c"),
        ("src/a/d/b.py:../c", ["src/a/d/b.py"], "src/a", "src/a:c"),
        ("//a/b.txt:../c", ["a/b.txt"], "", "//:c"),
        ("//:readme", ["README.md"], "", ""),
        ("src/a:b", ["src/a/b.py"], "src/a", ""),
        ("src/a/b.py@resolve=docs", ["src/a/b.py"], "src/a", "src/a:a"),
        (
            "3rdparty/python:data#closure/numpy",
            ["x/numpy.txt"],
            "3rdparty/python",
            "3rdparty/python:data",
        ),
        ("3rdparty/python#numpy", [], "3rdparty/python", "3rdparty/python:python"),
    ],
)
def test_an_address_says_which_folder_declares_it_and_what_makes_it(
    address: str, sources: list[str], folder: str, generator: str
) -> None:
    target = Target(address, "any", tuple(sources))
    assert (target.folder, target.generator) == (folder, generator)
