from __future__ import annotations

from pathlib import Path

import pytest
from pants.backend.python import target_types_rules
from pants.backend.python.subsystems.setup import PythonSetup
from pants.backend.python.target_types import (
    PexBinary,
    PythonSourcesGeneratorTarget,
)
from pants.core.target_types import FilesGeneratorTarget, FileTarget
from pants.core.target_types import rules as core_target_types_rules
from pants.engine.addresses import Address, Addresses
from pants.engine.rules import QueryRule
from pants.engine.target import (
    Dependencies,
    DependenciesRequest,
    InferredDependencies,
)
from pants.testutil.option_util import create_subsystem
from pants.testutil.rule_runner import RuleRunner, engine_error

from model_image import tasks
from model_image.subsystem import ModelImages
from model_image.target_types import ModelImageTarget
from model_image.tasks import (
    ImageTasks,
    ImageTasksFieldSet,
    ImageTasksRequest,
    InferImageTasks,
    NoTasksError,
    absolute,
)

IRIS = """\
python_sources()
pex_binary(name="train", entry_point="train.py")
pex_binary(name="predict", entry_point="predict.py")
"""
OPTIONS = (
    "--source-root-patterns=['/src']",
    "--python-enable-resolves",
    "--python-default-resolve=default",
    "--python-resolves={'default': 'default.lock', 'airflow': 'airflow.lock'}",
)
PLATFORM = "3rdparty/python/platforms"


@pytest.fixture
def rule_runner() -> RuleRunner:
    runner = RuleRunner(
        rules=[
            *tasks.rules(),
            *core_target_types_rules(),
            *target_types_rules.rules(),
            QueryRule(Addresses, [DependenciesRequest]),
            QueryRule(ImageTasks, [ImageTasksRequest]),
            QueryRule(InferredDependencies, [InferImageTasks]),
            QueryRule(PythonSetup, []),
        ],
        target_types=[
            FileTarget,
            FilesGeneratorTarget,
            ModelImageTarget,
            PexBinary,
            PythonSourcesGeneratorTarget,
        ],
    )
    runner.set_options(OPTIONS, env_inherit={"PATH"})
    runner.write_files(
        {
            "src/models/iris/BUILD": IRIS,
            "src/models/iris/predict.py": "",
            "src/models/iris/train.py": "",
            "src/models/churn/BUILD": (
                'python_sources()\npex_binary(name="predict", entry_point="predict.py:main")\n'
            ),
            "src/models/churn/predict.py": "",
            "src/dags/BUILD": (
                'python_sources(resolve="airflow")\n'
                'pex_binary(name="dag", entry_point="dag.py", resolve="airflow")\n'
            ),
            "src/dags/dag.py": "",
            "src/texts/BUILD": 'files(sources=["*.md"])\npex_binary(name="no", script="black")\n',
            "src/texts/text.md": "",
        }
    )
    return runner


def request_for(
    rule_runner: RuleRunner, fields: str = "", *, folder: str = "src/models/iris"
) -> ImageTasksRequest:
    """The request of a `model_image` that is added to a folder's BUILD file."""
    file = f"{folder}/BUILD"
    build = Path(rule_runner.build_root, file).read_text()
    rule_runner.write_files({file: f"{build}model_image(name='image', {fields})\n"})
    target = rule_runner.get_target(Address(folder, target_name="image"))
    setup = rule_runner.request(PythonSetup, [])
    return ImageTasksRequest.of(ImageTasksFieldSet.create(target), setup)


def find(
    rule_runner: RuleRunner, fields: str = "", *, folder: str = "src/models/iris"
) -> ImageTasks:
    return rule_runner.request(ImageTasks, [request_for(rule_runner, fields, folder=folder)])


def image_tasks(*tasks: tuple[str, str, str]) -> ImageTasks:
    """Tasks, given by folder, name and module."""
    addresses = (Address(folder, target_name=name) for folder, name, _ in tasks)
    return ImageTasks(Addresses(addresses), tuple(module for *_, module in tasks))


CHURN = ("src/models/churn", "predict", "models.churn.predict")
PREDICT = ("src/models/iris", "predict", "models.iris.predict")
TRAIN = ("src/models/iris", "train", "models.iris.train")


def test_by_default_all_tasks_of_the_build_file(rule_runner: RuleRunner) -> None:
    assert find(rule_runner) == image_tasks(PREDICT, TRAIN)


@pytest.mark.parametrize(
    ("specs", "expected"),
    [
        ([":predict"], [PREDICT]),
        (["src/models/churn:predict"], [CHURN]),
        ([":predict", "src/models/churn:"], [CHURN, PREDICT]),
        (["src/models::"], [CHURN, PREDICT, TRAIN]),
        # Targets of another resolve, files, and binaries without a module are ignored.
        (["src::"], [CHURN, PREDICT, TRAIN]),
        (["::"], [PREDICT, TRAIN]),
        # A file's address, and an exclusion.
        (["src/models/churn/predict.py"], [CHURN]),
        (["./predict.py"], [PREDICT]),
        (["src/models::", "-src/models/churn::"], [PREDICT, TRAIN]),
        ([":", "-:train"], [PREDICT]),
    ],
)
def test_tasks_are_named_as_on_the_command_line(
    rule_runner: RuleRunner, specs: list[str], expected: list[tuple[str, str, str]]
) -> None:
    assert find(rule_runner, f"tasks={specs!r}") == image_tasks(*expected)


def test_a_new_model_needs_no_edit(rule_runner: RuleRunner) -> None:
    assert find(rule_runner, "tasks=['src::']") == image_tasks(CHURN, PREDICT, TRAIN)
    rule_runner.write_files(
        {
            "src/models/fraud/BUILD": "pex_binary(name='predict', entry_point='predict.py')",
            "src/models/fraud/predict.py": "",
        }
    )
    fraud = ("src/models/fraud", "predict", "models.fraud.predict")
    request = ImageTasksRequest(
        Address("src/models/iris", target_name="image"), ("src::",), "default"
    )
    assert rule_runner.request(ImageTasks, [request]) == image_tasks(CHURN, fraud, PREDICT, TRAIN)


def test_a_filter_on_the_command_line_does_not_change_tasks(rule_runner: RuleRunner) -> None:
    rule_runner.set_options([*OPTIONS, "--filter-target-type=model_image"], env_inherit={"PATH"})
    assert find(rule_runner, "tasks=['src::']") == image_tasks(CHURN, PREDICT, TRAIN)


def test_tasks_are_of_the_images_resolve(rule_runner: RuleRunner) -> None:
    assert find(rule_runner, "tasks=['src::'], resolve='airflow'") == image_tasks(
        ("src/dags", "dag", "dags.dag")
    )


@pytest.mark.parametrize(
    ("folder", "fields", "specs", "resolve"),
    [
        ("src/texts", "", [":"], "default"),
        ("src/models/iris", "resolve='airflow'", [":"], "airflow"),
        ("src/models/iris", "tasks=['src/dags::']", ["src/dags::"], "default"),
        ("src/models/iris", "tasks=[]", [], "default"),
    ],
)
def test_an_image_without_tasks_is_an_error(
    rule_runner: RuleRunner, folder: str, fields: str, specs: list[str], resolve: str
) -> None:
    message = (
        f"The `tasks` field of {folder}:image is {specs}, which matches no `pex_binary` of the "
        f"resolve `{resolve}`. Add one for each module that the image runs: "
        'pex_binary(name="predict", entry_point="predict.py").'
    )
    with engine_error(NoTasksError, contains=message):
        find(rule_runner, fields, folder=folder)


@pytest.fixture
def with_docker(rule_runner: RuleRunner) -> RuleRunner:
    rule_runner.write_files(
        {
            "docker/BUILD": "files(name='images', sources=['*.Dockerfile', 'left_out.txt'])",
            "docker/image.Dockerfile": "",
            "docker/left_out.txt": "",
            "docker/readme.md": "",
            "docker/base/BUILD": "files(name='pins', sources=['python.Dockerfile', 'other'])",
            "docker/base/other": "",
            "docker/base/python.Dockerfile": "",
            f"{PLATFORM}/BUILD": "file(name='linux_x86_64', source='linux_x86_64.json')",
            f"{PLATFORM}/linux_x86_64.json": "{}",
        }
    )
    return rule_runner


OF_IRIS = (
    Address("docker", target_name="images", relative_file_path="image.Dockerfile"),
    Address("docker", target_name="images", relative_file_path="left_out.txt"),
    Address("docker/base", target_name="pins", relative_file_path="python.Dockerfile"),
    Address("src/models/iris", target_name="predict"),
    Address("src/models/iris", target_name="train"),
)


def test_an_image_depends_on_its_tasks_and_its_dockerfiles(
    with_docker: RuleRunner,
) -> None:
    address = request_for(with_docker).address
    request = InferImageTasks(ImageTasksFieldSet.create(with_docker.get_target(address)))
    inferred = with_docker.request(InferredDependencies, [request])
    assert InferredDependencies(sorted(inferred.include)) == InferredDependencies(OF_IRIS)


def test_an_image_depends_on_its_platform(with_docker: RuleRunner) -> None:
    target = with_docker.get_target(request_for(with_docker).address)
    request = DependenciesRequest(target[Dependencies], include_special_cased_deps=True)
    dependencies = with_docker.request(Addresses, [request])
    assert set(dependencies) == {*OF_IRIS, Address(PLATFORM, target_name="linux_x86_64")}


def test_the_files_of_images_are_in_one_folder() -> None:
    images = create_subsystem(ModelImages, folder="build/images")
    assert images.file_globs == (
        "build/images/*.Dockerfile",
        "build/images/left_out.txt",
        "build/images/base/python.Dockerfile",
        "build/images/base/tidy.py",
    )


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (":", "src/models/iris:"),
        (":predict", "src/models/iris:predict"),
        ("::", "src/models/iris::"),
        ("./more::", "src/models/iris/more::"),
        ("src/models/churn:predict", "src/models/churn:predict"),
        ("-./more::", "-src/models/iris/more::"),
        ("-src/models/churn::", "-src/models/churn::"),
        ("//:predict", "//:predict"),
    ],
)
def test_specs_start_at_the_build_file(spec: str, expected: str) -> None:
    assert absolute(spec, "src/models/iris") == expected


def test_specs_of_the_root_start_there() -> None:
    assert [absolute(spec, "") for spec in (":", "./src::")] == [":", "src::"]
