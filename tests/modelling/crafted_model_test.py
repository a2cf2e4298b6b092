"""Files of stored models that somebody altered: each is refused with one message."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from scipy.stats import loguniform
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    BaggingClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    PowerTransformer,
    StandardScaler,
)
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from cli.errors import UserError
from modelling.definition import ModelDefinition
from modelling.stored_models.file_checks import MAX_DEPTH, MAX_NODES
from modelling.stored_models.read_pipeline import read_pipeline
from modelling.training.split import split
from models.iris.definition import MODEL
from models.iris.features import flower_features
from models.predict import main
from support.iris import IRIS
from support.tasks import CallTask

TREE = "sklearn.tree._tree.Tree"
PREDICTOR = "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"
TREES = (TREE, PREDICTOR)

type Alter = Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any] | None]


def model_of(*steps: Any) -> ModelDefinition:
    """The iris model with other steps."""

    def build(seed: int) -> Pipeline:
        return Pipeline([(f"step_{i}", clone(step)) for i, step in enumerate(steps)])

    return replace(MODEL, build_pipeline=build, trusted_types=TREES)


def fitted(definition: ModelDefinition) -> Pipeline:
    rows = split(definition).training.head(60)
    return definition.build_pipeline(7).fit(rows[definition.input_columns()], rows["species"])


def stored(pipeline: object, folder: Path) -> Path:
    file = folder / "model.skops"
    skops.io.dump(pipeline, file)
    return file


def refused(file: Path, definition: ModelDefinition) -> str:
    with pytest.raises(UserError) as caught:
        read_pipeline(file, "iris version 1", definition)
    message = str(caught.value)
    assert len(message) < 1000
    assert "\n" not in message
    return message


def rewrite(
    file: Path,
    change_schema: Callable[[dict[str, Any]], object] = lambda schema: None,
    change_array: Callable[[str, bytes], bytes] = lambda name, content: content,
    compression: int = zipfile.ZIP_STORED,
) -> None:
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(members.pop("schema.json"))
    change_schema(schema)
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, change_array(name, content))
        archive.writestr("schema.json", json.dumps(schema))


def change_arrays(file: Path, key: str, alter: Alter) -> None:
    """Change each array that an object in the file holds under `key`."""
    changed: set[str] = set()

    def collect(value: Any) -> None:
        if isinstance(value, dict):
            if isinstance(value.get(key), dict) and "file" in value[key]:
                changed.add(value[key]["file"])
            for one in value.values():
                collect(one)
        elif isinstance(value, list):
            for one in value:
                collect(one)

    def change(name: str, content: bytes) -> bytes:
        if name not in changed:
            return content
        array = np.load(io.BytesIO(content))
        result = alter(array)
        buffer = io.BytesIO()
        np.save(buffer, array if result is None else result)
        return buffer.getvalue()

    rewrite(file, collect)
    rewrite(file, change_array=change)
    assert changed


def put(**fields: object) -> Alter:
    """Write values into the fields of the first node."""

    def alter(nodes: np.ndarray[Any, Any]) -> None:
        for name, value in fields.items():
            nodes[name][0] = value

    return alter


FOREST = model_of(RandomForestClassifier(n_estimators=3))
BOOST = model_of(HistGradientBoostingClassifier(max_iter=3))
SIMPLE = model_of(StandardScaler(), LogisticRegression(C=2.0))


GENUINE = [
    SIMPLE,
    FOREST,
    BOOST,
    model_of(GradientBoostingClassifier(n_estimators=3)),
    model_of(StandardScaler(), SVC()),
    model_of(KNeighborsClassifier(algorithm="brute")),
    model_of(BaggingClassifier(n_estimators=3, max_features=2)),
    model_of(IsolationForest(n_estimators=3)),
    model_of(KMeans(3)),
    model_of(PowerTransformer(), LogisticRegression()),
    model_of(FeatureUnion([("scale", StandardScaler()), ("as it is", "passthrough")])),
    model_of(
        FunctionTransformer(flower_features),
        ColumnTransformer(
            [("scale", StandardScaler(), ["petal_area_cm2"])], remainder="passthrough"
        ),
        LogisticRegression(),
    ),
]


@pytest.mark.parametrize("definition", GENUINE, ids=lambda one: str(one.build_pipeline(0)[-1]))
def test_what_training_writes_is_loaded_and_predicts_the_same(
    definition: ModelDefinition, tmp_path: Path
) -> None:
    definition = replace(
        definition,
        trusted_types=(*TREES, "models.iris.features.flower_features"),
    )
    pipeline = fitted(definition)
    loaded = read_pipeline(stored(pipeline, tmp_path), "iris version 1", definition)
    rows = split(definition).hold_out[definition.input_columns()]
    method = "predict" if hasattr(pipeline, "predict") else "transform"
    assert np.array_equal(getattr(loaded, method)(rows), getattr(pipeline, method)(rows))


def test_a_version_that_reads_files_is_refused(champion: Path, call: CallTask) -> None:
    """Its prediction would depend on what another file holds."""
    Path("secret.txt").write_text("versicolor")
    names = ColumnTransformer(
        [("names", CountVectorizer(input="filename", vocabulary=["versicolor"]), "file")]
    )
    frame = pd.DataFrame({"file": [str(Path("secret.txt").absolute())] * 3})
    spy = Pipeline(
        [
            ("features", ColumnTransformer([("list", FunctionTransformer(list), ["file"])])),
            ("names", names.fit(frame)),
            ("classify", RandomForestClassifier(2).fit([[0], [1]], ["setosa", "versicolor"])),
        ]
    )
    (file,) = champion.glob(".mlflow/artifacts/**/model.skops")
    skops.io.dump(spy, file)
    result = call(main, definition=IRIS)
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("iris version 1 was not loaded: it contains 'builtins.list', ")
    assert "'sklearn.feature_extraction.text.CountVectorizer'" in result.err
    assert "which build_pipeline does not create" in result.err
    assert result.err.count("\n") == 1


def set_params(**parameters: object) -> Callable[[Pipeline], object]:
    return lambda pipeline: pipeline.set_params(**parameters)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_params(step_1__C=3.0), "step_1__C is 3.0, expected 2.0"),
        (set_params(step_1__n_jobs=64), "step_1__n_jobs is a int, expected a NoneType"),
        (set_params(step_0="passthrough"), "step_0 is a str, expected a StandardScaler"),
        (set_params(memory="/tmp"), "memory is a str, expected a NoneType"),
        (lambda one: one.steps.pop(0), "steps has 1 items, expected 2"),
        (lambda one: one.steps.reverse(), "steps: the name is 'step_1', expected 'step_0'"),
        (lambda one: delattr(one[1], "C"), "step_1__C is missing"),
        (lambda one: setattr(one[1], "predict", "x"), "LogisticRegression in it replaces its own"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_another_structure_or_parameter_is_refused(
    change: Callable[[Pipeline], object], message: str, tmp_path: Path
) -> None:
    pipeline = fitted(SIMPLE)
    change(pipeline)
    assert message in refused(stored(pipeline, tmp_path), SIMPLE)


def test_a_fitted_copy_with_other_parameters_is_refused(tmp_path: Path) -> None:
    """What predicts is the copy, not the estimator that the pipeline was constructed with."""
    vectorizer = CountVectorizer(vocabulary=["a"])
    definition = model_of(ColumnTransformer([("text", vectorizer, "file")]))
    frame = pd.DataFrame({"file": ["a", "b"]})
    pipeline = definition.build_pipeline(0).fit(frame)
    read_pipeline(stored(pipeline, tmp_path), "iris version 1", definition)
    pipeline[0].transformers_[0][1].input = "filename"
    message = refused(stored(pipeline, tmp_path), definition)
    assert (
        "a fitted CountVectorizer in it is not a copy of one that build_pipeline creates" in message
    )
    assert "input is 'filename', expected 'content'" in message


def test_a_seed_may_differ_and_be_nothing_but_a_number(tmp_path: Path) -> None:
    definition = model_of(LogisticRegression(random_state=0))
    pipeline = fitted(definition).set_params(step_0__random_state=5)
    read_pipeline(stored(pipeline, tmp_path), "iris version 1", definition)
    pipeline.set_params(step_0__random_state="/etc/passwd")
    assert "step_0__random_state is a str" in refused(stored(pipeline, tmp_path), definition)


@pytest.mark.parametrize(
    ("space", "inside", "outside"),
    [(loguniform(0.1, 10), 9.5, 10.5), ([0.5, 1.5], 1.5, 1.0)],
    ids=["distribution", "list"],
)
def test_a_tuned_parameter_is_inside_of_the_search_space(
    space: Any, inside: float, outside: float, tmp_path: Path
) -> None:
    definition = replace(SIMPLE, search_space={"step_1__C": space})
    pipeline = fitted(definition).set_params(step_1__C=inside)
    assert inside == read_pipeline(stored(pipeline, tmp_path), "x", definition)[1].C
    pipeline.set_params(step_1__C=outside)
    message = refused(stored(pipeline, tmp_path), definition)
    assert f"step_1__C is {outside}, expected 2.0, or a value of the search space " in message


PREDICT = """
import sys
from dataclasses import replace
from pathlib import Path
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.pipeline import Pipeline
from cli.errors import UserError
from models.iris.definition import MODEL
from modelling.stored_models.read_pipeline import read_pipeline
from modelling.training.split import split
definition = replace(
    MODEL,
    trusted_types=sys.argv[3:],
    build_pipeline=lambda seed: Pipeline([("step_0", eval(sys.argv[2]))]),
)
try:
    pipeline = read_pipeline(Path(sys.argv[1]), "iris version 1", definition)
except UserError as error:
    sys.exit(str(error))
pipeline.predict(split(definition).hold_out[definition.input_columns()])
"""


@pytest.mark.parametrize(
    ("key", "alter", "message"),
    [
        ("nodes", put(left_child=1 << 40), "a child is not one of the nodes after its parent"),
        ("nodes", put(right_child=1 << 40), "a child is not one of the nodes after its parent"),
        ("nodes", put(left_child=0), "a child is not one of the nodes after its parent"),
        ("nodes", put(right_child=-2), "a child is not one of the nodes after its parent"),
        ("nodes", put(left_child=-1), "a leaf has a child"),
        ("nodes", put(feature=4), "a split is on a feature that is not one of 4"),
        ("nodes", put(feature=-3), "a split is on a feature that is not one of 4"),
        ("nodes", lambda nodes: nodes[:0], "cannot be read"),
        ("nodes", lambda nodes: nodes[:1], "cannot be read"),
        ("values", lambda values: values[:, :, :1], "cannot be read"),
    ],
)
def test_a_tree_whose_nodes_lead_elsewhere_is_refused(
    key: str, alter: Alter, message: str, tmp_path: Path
) -> None:
    file = stored(fitted(FOREST), tmp_path)
    change_arrays(file, key, alter)
    assert message in refused(file, FOREST)


@pytest.mark.parametrize(
    ("key", "alter", "message"),
    [
        ("nodes", put(left=1 << 31), "a child is not one of the nodes after its parent"),
        ("nodes", put(right=0), "a child is not one of the nodes after its parent"),
        ("nodes", put(feature_idx=4), "a split is on a feature that is not one of 4"),
        ("nodes", put(is_categorical=1, bitset_idx=9), "the categories of a split do not exist"),
        ("nodes", lambda nodes: nodes["value"].copy(), "cannot be read"),
        ("nodes", lambda nodes: nodes[:0], "its nodes have another type"),
        ("raw_left_cat_bitsets", lambda _: np.zeros((2, 1)), "its categories are not bitsets"),
        ("is_categorical_", lambda _: np.zeros(1, bool), "its bins do not match its features"),
        ("is_categorical_", lambda _: np.ones(4, bool), "a category is not one of 256"),
    ],
)
def test_a_boosted_tree_whose_nodes_lead_elsewhere_is_refused(
    key: str, alter: Alter, message: str, tmp_path: Path
) -> None:
    file = stored(fitted(BOOST), tmp_path)
    if message == "a category is not one of 256":
        pipeline = fitted(BOOST)
        for thresholds in pipeline[0]._bin_mapper.bin_thresholds_:
            thresholds[:] = 1e6
        file = stored(pipeline, tmp_path)
    change_arrays(file, key, alter)
    assert message in refused(file, BOOST)


@pytest.mark.parametrize(
    ("definition", "alter"),
    [(FOREST, put(left_child=1 << 40)), (BOOST, put(left=(1 << 32) - 1))],
    ids=["forest", "boosted"],
)
def test_the_process_that_predicts_with_such_a_tree_is_not_killed(
    definition: ModelDefinition, alter: Alter, tmp_path: Path
) -> None:
    file = stored(fitted(definition), tmp_path)
    change_arrays(file, "nodes", alter)
    step = str(definition.build_pipeline(0)[-1])
    command = [sys.executable, "-c", PREDICT, str(file), step, *TREES]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done
    assert done.stderr.startswith("iris version 1 was not loaded: a Tree")
    assert done.stderr.count("\n") == 1


def change_node(loader: str, change: Callable[[dict[str, Any]], object]) -> Callable[[Any], None]:
    """Change the first node that `loader` builds."""

    def find(value: Any) -> bool:
        if isinstance(value, dict):
            if value.get("__loader__") == loader:
                change(value)
                return True
            return any(find(one) for one in value.values())
        return isinstance(value, list) and any(find(one) for one in value)

    def first(schema: Any) -> None:
        assert find(schema)

    return first


def with_argument(place: int, value: object) -> Callable[[dict[str, Any]], None]:
    def change(node: dict[str, Any]) -> None:
        argument = node["__reduce__"]["args"]["content"][place]
        argument |= {"content": json.dumps(value), "__id__": None}

    return change


@pytest.mark.parametrize(("place", "value"), [(0, 0), (0, 1 << 40), (0, "4"), (2, 2), (2, 1 << 33)])
def test_a_tree_that_is_constructed_with_impossible_sizes_is_refused(
    place: int, value: object, tmp_path: Path
) -> None:
    file = stored(fitted(FOREST), tmp_path)
    rewrite(file, change_node("TreeNode", with_argument(place, value)))
    assert "one of its trees has an impossible number of features" in refused(file, FOREST)


def test_a_tree_that_counts_other_nodes_than_it_has_is_refused(tmp_path: Path) -> None:
    file = stored(fitted(FOREST), tmp_path)

    def count(node: dict[str, Any]) -> None:
        node["content"]["content"]["node_count"] |= {"content": "1", "__id__": None}

    rewrite(file, change_node("TreeNode", count))
    assert "its number of nodes is wrong" in refused(file, FOREST)


def test_a_tree_of_other_features_than_its_forests_is_refused(tmp_path: Path) -> None:
    rows = split(FOREST).training
    wide = np.tile(rows[FOREST.input_columns()].to_numpy(), 3)
    pipeline = fitted(FOREST)
    other = RandomForestClassifier(n_estimators=1, random_state=0).fit(wide, rows["species"])
    pipeline[0].estimators_[0] = other.estimators_[0]
    message = refused(stored(pipeline, tmp_path), FOREST)
    assert "one of its trees has another number of features" in message


@pytest.mark.parametrize(
    ("step", "change", "message"),
    [
        (SVC(), {"support_vectors_": np.zeros((1, 4))}, "the sizes of its vectors do not match"),
        (SVC(), {"_n_support": np.full(3, 999, np.int32)}, "the sizes of its vectors do not match"),
        (SVC(), {"_dual_coef_": np.zeros((1, 1))}, "the sizes of its vectors do not match"),
        (SVC(), {"_sparse": True}, "only dense rows are supported"),
        (KMeans(3), {"cluster_centers_": np.zeros((3, 900))}, "its centers have another number"),
        (
            GradientBoostingClassifier(n_estimators=3),
            {"n_trees_per_iteration_": 1},
            "it has another number of trees per stage",
        ),
    ],
    ids=str,
)
def test_other_arrays_that_compiled_code_relies_on_are_checked(
    step: Any, change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    definition = model_of(step)
    pipeline = fitted(definition)
    vars(pipeline[0]).update(change)
    assert message in refused(stored(pipeline, tmp_path), definition)


def test_sparse_matrices_whose_indices_lead_elsewhere_are_refused(tmp_path: Path) -> None:
    definition = replace(SIMPLE, trusted_types=("scipy.sparse._csr.csr_matrix",))
    pipeline = fitted(definition)
    pipeline[1].sparsify()
    read_pipeline(stored(pipeline, tmp_path), "iris version 1", definition)
    pipeline[1].coef_.indices[0] = 1 << 30
    message = refused(stored(pipeline, tmp_path), definition)
    assert "a csr_matrix in it is incomplete: " in message


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_compressed_file_is_refused_before_it_is_unpacked(method: int, tmp_path: Path) -> None:
    file = stored(fitted(SIMPLE), tmp_path)
    rewrite(file, change_array=lambda _, content: content + b"\0" * (256 << 20), compression=method)
    assert "is compressed, but training writes no compressed files" in refused(file, SIMPLE)


def test_a_file_that_says_it_holds_more_than_it_does_is_refused(tmp_path: Path) -> None:
    """Two entries of a ZIP file may name the same bytes."""
    file = stored(fitted(SIMPLE), tmp_path)
    rewrite(file, change_array=lambda _, content: content + b"\0" * 100_000)
    with zipfile.ZipFile(file, "a") as archive:
        large = max(archive.infolist(), key=lambda member: member.file_size)
        for number in range(50):
            again = zipfile.ZipInfo(f"{number}.npy")
            again.header_offset, again.CRC = large.header_offset, large.CRC
            again.file_size = again.compress_size = large.file_size
            archive.filelist.append(again)
            archive.NameToInfo[again.filename] = again
        archive._didModify = True  # type: ignore[attr-defined]
    assert "the files in it are larger than the whole file" in refused(file, SIMPLE)


def test_an_array_whose_header_promises_more_is_refused(tmp_path: Path) -> None:
    file = stored(fitted(SIMPLE), tmp_path)

    def promise(_: str, content: bytes) -> bytes:
        return content.replace(b"(4,), }", b"(9,), }")

    rewrite(file, change_array=promise)
    assert "does not have the size in its header" in refused(file, SIMPLE)


def test_nested_lists_that_repeat_each_other_end_at_once(tmp_path: Path) -> None:
    """Each list holds the one before it twice: 4 kB stand for 2**40 lists."""
    file = stored(fitted(SIMPLE), tmp_path)

    def bomb(schema: dict[str, Any]) -> None:
        node: dict[str, Any] = {"__id__": 10**15, **LIST, "content": []}
        for number in range(40):
            again = {"__id__": 10**15 + number, **LIST, "content": []}
            node = {"__id__": 10**15 + number + 1, **LIST, "content": [node, again]}
        schema["content"]["content"]["steps"] = node

    rewrite(file, bomb)
    started = time.monotonic()
    assert "two of its objects have the same number, but differ" in refused(file, SIMPLE)
    assert time.monotonic() - started < 10


LIST = {"__class__": "list", "__module__": "builtins", "__loader__": "ListNode"}


def nested(depth: int) -> dict[str, Any]:
    node: dict[str, Any] = {**LIST, "content": []}
    for _ in range(depth):
        node = {**LIST, "content": [node]}
    return node


@pytest.mark.parametrize("size", ["deep", "many"])
def test_too_many_parts_are_refused(
    size: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = stored(fitted(SIMPLE), tmp_path)
    monkeypatch.setattr("modelling.stored_models.file_checks.MAX_NODES", 1000)
    parts = {**LIST, "content": [nested(1)] * 1000} if size == "many" else nested(MAX_DEPTH)
    rewrite(file, lambda schema: schema["content"]["content"].update(extra=parts))
    assert "it has more than 1,000 objects, or more than 200 nested ones" in refused(file, SIMPLE)
    assert MAX_NODES == 2_000_000


def test_the_file_and_its_description_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = stored(fitted(SIMPLE), tmp_path)
    monkeypatch.setattr("modelling.stored_models.file_checks.MAX_SCHEMA_BYTES", 1000)
    assert "its schema.json has " in refused(file, SIMPLE)
    monkeypatch.setattr("modelling.stored_models.file_checks.MAX_FILE_BYTES", 1000)
    assert ", expected at most 1,000" in refused(file, SIMPLE)


def test_an_older_format_of_skops_is_refused(tmp_path: Path) -> None:
    file = stored(fitted(SIMPLE), tmp_path)
    rewrite(file, lambda schema: schema.update(protocol=0))
    assert "it has skops' format 0, expected " in refused(file, SIMPLE)


def test_nearest_neighbours_in_a_tree_cannot_be_stored(tmp_path: Path) -> None:
    definition = replace(
        model_of(KNeighborsClassifier(algorithm="kd_tree")),
        trusted_types=(
            "sklearn.neighbors._kd_tree.KDTree",
            "sklearn.metrics._dist_metrics.EuclideanDistance64",
        ),
    )
    message = refused(stored(fitted(definition), tmp_path), definition)
    assert "KDTree" in message


def test_a_type_that_fitting_adds_is_declared(tmp_path: Path) -> None:
    vote = VotingClassifier([("one", DecisionTreeClassifier()), ("two", LogisticRegression())])
    definition = model_of(vote)
    file = stored(fitted(definition), tmp_path)
    message = refused(file, definition)
    assert (
        "it contains 'sklearn.utils._bunch.Bunch', which build_pipeline does not create" in message
    )
    declared = replace(definition, trusted_types=(*TREES, "sklearn.utils._bunch.Bunch"))
    read_pipeline(file, "iris version 1", declared)


def test_bins_hold_what_they_were_made_with(tmp_path: Path) -> None:
    definition = model_of(
        KBinsDiscretizer(encode="ordinal", quantile_method="averaged_inverted_cdf")
    )
    read_pipeline(stored(fitted(definition), tmp_path), "x", definition)


def test_a_file_that_is_cut_short_is_one_message(tmp_path: Path) -> None:
    file = stored(fitted(SIMPLE), tmp_path)
    whole = file.read_bytes()
    for length in (0, 10, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:length])
        assert "is not a complete skops file" in refused(file, SIMPLE)
    shutil.rmtree(tmp_path)
