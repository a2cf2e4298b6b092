"""What a change touches and which imports are refused, in a git repository with two models."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from integration.clones import CHANGED, MODELS, Clone, SharedRepository

TASKS = ("evaluate", "gate", "predict", "train")
BINARIES = (":evaluate", ":gate", ":predict", ":train")
# What runs them all, and what runs a model's own.
IMAGE = ":image"
IMAGE_OF_ALL = "docker/datascience:image"
# Of all models, by `--model`.
SHARED_TASKS = (*TASKS, "features", "preprocess", "tune")
SHARED_BINARIES = tuple(f":{task}" for task in SHARED_TASKS)
SKIPPED_TEST = """

def test_of_a_server() -> None:
    from unittest import SkipTest

    raise SkipTest("No server. Install it: apt-get install server")
"""
SKIPPED = """\
- Skipped tests:
  tests/models/tulip/sibling_test.py
    1x No server.
Install what is missing: apt-get install server
"""


@pytest.fixture(scope="module")
def committed(shared: SharedRepository) -> Iterator[Clone]:
    with shared.lend() as root:
        yield Clone.new(root)


@pytest.fixture
def clone(committed: Clone) -> Iterator[Clone]:
    yield committed
    committed.discard_changes()


def of_model(model: str, *names: str) -> set[str]:
    """Addresses in a model's folder: of its modules (`schema.py`) and binaries (`:train`)."""
    return {address for name in names for address in shared(name, folder=f"src/models/{model}")}


def of_models(*names: str) -> set[str]:
    return {address for model in MODELS for address in of_model(model, *names)}


def shared(*names: str, folder: str = "src/models") -> set[str]:
    return {f"{folder}{'' if name.startswith(':') else '/'}{name}" for name in names}


def test_a_change_of_one_model_touches_that_model_and_the_binaries_with_all_models(
    clone: Clone,
) -> None:
    clone.append("src/models/tulip/schema.py")
    assert clone.touched() == {
        *of_model("tulip", "schema.py", "features.py", "pipeline.py"),
        *of_model(
            "tulip", "definition.py", "evaluate.py", "gate.py", "predict.py", "train.py", *BINARIES
        ),
        *of_model("tulip", IMAGE),
        *shared(*SHARED_BINARIES),
        IMAGE_OF_ALL,
        "tests/models/tulip/schema_test.py:tests",
    }


def test_a_change_of_one_task_touches_that_task_alone(clone: Clone) -> None:
    clone.append("src/models/iris/predict.py")
    touched = of_model("iris", "predict.py", ":predict", IMAGE)
    assert clone.touched() == {*touched, IMAGE_OF_ALL}


def test_a_change_of_a_dockerfile_touches_the_images_alone(clone: Clone) -> None:
    clone.append("docker/image.Dockerfile")
    images = {*of_models(IMAGE), IMAGE_OF_ALL}
    assert clone.touched() - {"docker:images"} == {*images, "docker/image.Dockerfile:images"}


def test_a_change_of_a_shared_module_touches_what_imports_it_in_both_models(clone: Clone) -> None:
    clone.append("src/modelling/evaluation/metrics.py")
    assert clone.touched() == {
        *of_models(
            "definition.py", "evaluate.py", "gate.py", "predict.py", "train.py", *BINARIES, IMAGE
        ),
        "src/modelling/evaluation/metrics.py",
        *shared(*SHARED_BINARIES),
        IMAGE_OF_ALL,
    }


@dataclass(frozen=True)
class Upgrade:
    """A new version of `project`: the requirements, modules and tasks of models that need it."""

    project: str
    file: str | None
    requirements: tuple[str, ...]
    modules: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    shared_tasks: tuple[str, ...] = ()

    def touched(self) -> set[str]:
        ours = {
            *of_models(
                *(f"{task}.py" for task in self.tasks),
                *(f":{task}" for task in self.tasks),
                IMAGE,
            ),
            *shared(*self.modules, folder="src/modelling"),
            *shared(*(f"{task}.py" for task in self.shared_tasks)),
            *shared(*(f":{task}" for task in self.shared_tasks)),
        }
        return {
            *(f"3rdparty/python:{requirement}" for requirement in self.requirements),
            *(ours if self.tasks else ()),
        }


# The tasks that load or store a model: `features` and `preprocess` do neither.
TASKS_WITH_SKOPS = (*TASKS, "tune")
USERS_OF_SKOPS = (
    *("evaluation/champion.py", "evaluation/evaluate_task.py", "evaluation/gate_task.py"),
    *("registry/find_version.py", "registry/mlflow_registry.py"),
    *("scoring/dask_engine.py", "scoring/predict_task.py"),
    *("stored_models/array_checks.py", "stored_models/file_checks.py"),
    *("stored_models/read_pipeline.py", "stored_models/structure_checks.py"),
    *("training/parameters.py", "training/train_task.py", "training/training_report.py"),
    "training/tune_task.py",
)


@pytest.mark.parametrize(
    "upgrade",
    [
        Upgrade(
            "matplotlib",
            "plots.txt",
            ("plots#matplotlib", "testing#mlflow"),
            ("training/plots.py", "training/training_report.py"),
            ("train",),
            ("train",),
        ),
        Upgrade(
            "skops",
            "modelling.txt",
            ("modelling#skops", "testing#mlflow"),
            USERS_OF_SKOPS,
            TASKS,
            TASKS_WITH_SKOPS,
        ),
        # No line of ours asks for it: skops needs it.
        Upgrade(
            "prettytable",
            None,
            ("modelling#skops", "testing#mlflow"),
            USERS_OF_SKOPS,
            TASKS,
            TASKS_WITH_SKOPS,
        ),
        Upgrade("jupyterlab", "notebooks.txt", ("notebooks#jupyterlab",)),
    ],
    ids=lambda upgrade: upgrade.project,
)
def test_a_new_version_of_a_package_touches_what_needs_it_and_not_all_users_of_the_lockfile(
    clone: Clone, upgrade: Upgrade
) -> None:
    clone.upgrade(upgrade.project, file=upgrade.file)
    folders = ("3rdparty/python", "src/modelling", "src/models")
    touched = {target for target in clone.touched() if target.startswith(folders)}
    assert touched == upgrade.touched()


def test_only_the_tests_of_the_changed_model_run(clone: Clone) -> None:
    clone.append("src/models/tulip/schema.py")
    said = clone.pants(*CHANGED, "test").err
    assert re.findall(r"✓ (\S+) succeeded", said) == ["tests/models/tulip/schema_test.py:tests"]


def test_a_skipped_test_is_seen_each_time_also_from_the_cache(clone: Clone) -> None:
    file = "tests/models/tulip/sibling_test.py"
    clone.append(file, SKIPPED_TEST)
    for source in (r"( \(cached locally\))?", r" \(memoized\)"):
        said = clone.pants("test", file).err
        assert re.search(rf"✓ {file}:tests succeeded in \S+s{source}\.", said), said
        assert said.endswith(f"\n{SKIPPED}"), said


def test_only_the_packages_of_the_changed_model_are_built(clone: Clone) -> None:
    clone.append("src/models/tulip/predict.py")
    # tests/integration/images_test.py has an engine for images.
    clone.pants(*CHANGED, "--filter-target-type=-model_image", "package")
    assert clone.packages() == {"dist/src.models.tulip/predict.pex"}


def test_an_import_that_nothing_owns_is_an_error(clone: Clone) -> None:
    clone.append("src/models/tulip/schema.py", "import nobody_has_this\n")
    refused = clone.pants("dependencies", "src/models/tulip/schema.py", code=1)
    assert "nobody_has_this" in refused.err


@pytest.mark.parametrize(
    ("file", "statement", "advice"),
    [
        (
            "src/models/tulip/schema.py",
            "import models.iris.features",
            "Models never import one another: move what they share to src/modelling",
        ),
        (
            "src/modelling/evaluation/metrics.py",
            "import models.iris.features",
            "src/modelling serves all models: put what differs into the model's `ModelDefinition`.",
        ),
        (
            "src/datasets/flowers.py",
            "import data_access_layer.reader",
            "src/datasets describes and checks tables, with pandera and pandas only",
        ),
        (
            "src/validation/gate.py",
            "import modelling.evaluation.metrics",
            "src/validation serves all models: it imports src/datasets, src/data_access_layer",
        ),
        (
            "src/models/tulip/dataset.py",
            "import pyarrow",
            "Only src/data_access_layer opens stores: read with its `open_source`",
        ),
        (
            # Of one resolve: what src/dags has of src/config, either resolve may refuse first.
            "src/cli/terminal.py",
            "import validation.gate",
            "src/cli is below everything else and imports no other folder of src",
        ),
    ],
)
def test_who_may_import_whom_is_enforced_and_the_way_out_is_said(
    clone: Clone, file: str, statement: str, advice: str
) -> None:
    clone.append(file, f"{statement}\n")
    refused = clone.pants("dependencies", file, code=1)
    assert f"{file}:" in refused.err
    assert f"imports {statement.removeprefix('import ')}" in refused.err
    assert advice in refused.err
