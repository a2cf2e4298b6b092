"""The jobs of changes, by graphs that are small enough to follow by hand, and by any others."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cli.errors import InputError
from tools.change.affected_artifacts import trace_change
from tools.change.pipeline_jobs import NOTHING, TEMPLATES, Job, all_tests, as_yaml, jobs_of
from tools.change.target_specs import specs_of
from tools.workspace.target_graph import Target, TargetGraph


def told(
    address: str, *dependencies: str, target_type: str = "python_source", **more: object
) -> dict[str, Any]:
    """What `./pants peek` prints of a target, as far as it counts here."""
    file = address.partition(":")[0]
    name = file.rpartition("/")[2]
    sources = [file] if "." in name else []
    return {
        "address": address,
        "target_type": target_type,
        "dependencies": [*dependencies],
        "sources": sources,
    } | more


def unit_test(file: str, *dependencies: str, tags: Sequence[str] = ()) -> dict[str, Any]:
    return told(f"{file}:tests", *dependencies, target_type="python_test", tags=[*tags])


def model(name: str) -> list[dict[str, Any]]:
    code, folder = f"src/models/{name}/train.py", f"src/models/{name}"
    return [
        told(code, "src/modelling/evaluation/metrics.py"),
        told(f"{folder}:train", code, target_type="pex_binary"),
        told(f"{folder}:image", f"{folder}:train", target_type="model_image"),
        told(f"{folder}:dag", target_type="resource", sources=[f"{folder}/dag.toml"]),
        told(f"{folder}/notebooks/look.ipynb", code, target_type="notebook"),
        unit_test(f"tests/models/{name}/train_test.py", code),
        unit_test(f"tests/models/{name}/schema_test.py"),
    ]


ALL, ALL_IMAGE = "src/models:train", "docker/datascience:image"
GRAPH = TargetGraph.from_peek(
    [
        told("src/modelling/evaluation/metrics.py"),
        *model("iris"),
        *model("tulip"),
        told(
            ALL, "src/models/iris/train.py", "src/models/tulip/train.py", target_type="pex_binary"
        ),
        told(ALL_IMAGE, ALL, target_type="model_image"),
        unit_test("tests/models/metrics_test.py", "src/modelling/evaluation/metrics.py"),
        unit_test("tests/modelling/task_test.py", "src/models/tulip/train.py"),
        unit_test("tests/cli/task_test.py"),
        unit_test(
            "tests/integration/images_test.py", "src/models/iris:image", tags=["integration"]
        ),
        told(
            "benchmarks:everything", "src/modelling/evaluation/metrics.py", target_type="pex_binary"
        )
        | {"tags": ["benchmark"]},
        told("docs/pages/ci.md", target_type="file"),
        told("docs:site", "docs/pages/ci.md", target_type="mkdocs_site"),
        told("docs/pages/formula.ipynb", "docs/pages/ci.md", target_type="notebook"),
    ]
)
TRAIN, METRICS = "src/models/iris/train.py", "src/modelling/evaluation/metrics.py"


def scripts(files: Iterable[str], *, everything: bool = False) -> dict[str, str]:
    jobs = jobs_of(trace_change(files, GRAPH), GRAPH, everything=everything)
    return {job.name: "; ".join(job.script) for job in jobs}


def of_one(name: str) -> dict[str, str]:
    """The jobs of a model all of whose code is affected."""
    deploy = f"./pants run src/tools:deploy -- {name} --environment"
    tests = f"src/models/{name}:: tests/models/{name}/train_test.py"
    return {
        f"{name}:test": f"./pants test {tests}",
        f"{name}:package": f"./pants package src/models/{name}:train",
        f"{name}:image": f"./pants package src/models/{name}:image",
        f"{name}:staging": f"{deploy} staging --yes",
        f"{name}:prod": f"{deploy} prod --yes",
    }


OF_ALL = {
    "shared-code:integration": "./pants test tests/integration::",
    "shared-code:package": f"./pants package {ALL}",
    "shared-code:image": f"./pants package {ALL_IMAGE}",
}


def test_a_change_of_one_model_runs_its_jobs_and_no_other_models() -> None:
    assert scripts([TRAIN]) == of_one("iris") | OF_ALL


def test_a_change_of_what_models_share_runs_the_jobs_of_all_that_depend_on_it() -> None:
    shared = {"shared-code:test": "./pants test tests/modelling:: tests/models/metrics_test.py"}
    assert scripts([METRICS]) == of_one("iris") | of_one("tulip") | shared | OF_ALL


def test_a_change_of_a_page_runs_no_models_job() -> None:
    assert scripts(["docs/pages/ci.md"]) == {
        "docs-site:test": "./pants test docs/pages::",
        "docs-site:package": "./pants package docs:site",
    }


def test_a_change_of_a_test_alone_runs_it_and_deploys_nothing() -> None:
    test = "tests/models/iris/schema_test.py"
    assert scripts([test]) == {"iris:test": f"./pants test {test}"}


def test_a_change_of_the_schedule_alone_deploys_it() -> None:
    # A merge request, which deploys nothing, has a job, too.
    found = scripts(["src/models/iris/dag.toml"])
    assert list(found) == ["iris:staging", "iris:prod", NOTHING]


def test_where_nothing_is_affected_one_job_says_so() -> None:
    (said,) = scripts(["CHANGELOG"]).items()
    assert said == (
        NOTHING,
        "echo 'No model, test, package or image depends on the 1 changed file.'",
    )


def test_on_the_default_branch_everything_is_tested_and_what_changed_is_deployed() -> None:
    found = scripts([TRAIN], everything=True)
    assert found["iris:test"] == "./pants test src/models/iris:: tests/models/iris::"
    assert found["shared-code:test"] == (
        "./pants test src/models/tulip:: tests/cli:: tests/modelling:: "
        "tests/models/metrics_test.py tests/models/tulip::"
    )
    assert found["shared-code:package"] == f"./pants package src/models/tulip:train {ALL}"
    assert [name for name in found if name.endswith((":staging", ":prod"))] == [
        "iris:staging",
        "iris:prod",
    ]


def test_gitlab_reads_each_job_with_its_template_and_what_it_waits_for() -> None:
    pipeline = yaml.safe_load(as_yaml(jobs_of(trace_change([TRAIN], GRAPH), GRAPH)))
    assert pipeline["include"] == [{"local": TEMPLATES}]
    assert pipeline["iris:image"] == {
        "extends": ".image",
        "needs": ["iris:package"],
        "script": ["./pants package src/models/iris:image"],
    }
    # Without `needs` it waits for all stages before its own.
    assert pipeline["iris:staging"] == {
        "extends": ".staging",
        "environment": {"name": "staging/iris"},
        "script": ["./pants run src/tools:deploy -- iris --environment staging --yes"],
    }
    assert pipeline["iris:prod"]["needs"] == ["iris:staging"]


@pytest.mark.parametrize("name", ["a;touch PWN;b $(id)", "$CI_TOKEN", "a b", "a\n/close", "ä"])
def test_the_name_of_a_model_is_an_identifier_or_refused(name: str) -> None:
    graph = TargetGraph.from_peek(model(name))
    change = trace_change([f"src/models/{name}/train.py"], graph)
    with pytest.raises(InputError, match=r"expected Python identifiers"):
        jobs_of(change, graph)


@given(st.text(min_size=1).filter(lambda name: "/" not in name and "." not in name))
def test_a_shell_reads_no_more_words_than_were_meant(name: str) -> None:
    """Whatever the name of a folder outside of the models is."""
    test = unit_test(f"tests/{name}/a_test.py")
    graph = TargetGraph.from_peek([test])
    jobs = jobs_of(trace_change(test["sources"] or [test["address"]], graph), graph)
    for line in (line for job in jobs for line in job.script):
        assert len(shlex.split(line)) in (2, 3)
    assert yaml.safe_load(as_yaml(jobs))


def named_by(jobs: Iterable[Job], tests: dict[str, Target]) -> list[str]:
    """What Pants tests, in all of these jobs; by its rules for folders, files and addresses."""
    specs = [
        spec
        for job in jobs
        for line in job.script
        if line.startswith("./pants test ")
        for spec in shlex.split(line)[2:]
    ]
    return [
        address
        for spec in specs
        for address, target in tests.items()
        if spec in (address, target.path)
        or (spec.endswith("::") and target.path.startswith(f"{spec.removesuffix('::')}/"))
    ]


def test_no_test_is_lost_and_none_runs_twice() -> None:
    tests = all_tests(GRAPH)
    for file in {source for target in GRAPH.targets.values() for source in target.sources}:
        change = trace_change([file], GRAPH)
        named = named_by(jobs_of(change, GRAPH), tests)
        assert sorted(named) == sorted(set(change.targets) & tests.keys()), file
        named = named_by(jobs_of(change, GRAPH, everything=True), tests)
        assert sorted(named) == sorted(tests), file


FOLDERS = st.lists(st.sampled_from("abc"), max_size=3)
FILES = st.builds(
    lambda folders, name: "/".join(["top", *folders, name]), FOLDERS, st.sampled_from("xy")
)


@given(st.sets(st.tuples(FILES, st.sampled_from(["tests", "more"])), min_size=1), st.data())
def test_what_is_typed_names_the_chosen_targets_and_no_other(
    made: set[tuple[str, str]], data: st.DataObject
) -> None:
    every = {
        f"{file}.py:{name}": Target(f"{file}.py:{name}", "python_test", (f"{file}.py",))
        for file, name in made
    }
    chosen = data.draw(st.sets(st.sampled_from(sorted(every))))
    specs = specs_of(chosen, every, least_depth=data.draw(st.integers(1, 3)))
    job = Job("any", ".test", (f"./pants test {shlex.join(specs)}",))
    assert set(named_by([job], every)) == chosen


@pytest.mark.parametrize(
    ("chosen", "typed"),
    [
        (["tests/a/b/x_test.py:t", "tests/a/y_test.py:t"], ("tests/a::",)),
        (["tests/a/y_test.py:t"], ("tests/a/y_test.py",)),
        (["tests/a/b/x_test.py:t"], ("tests/a/b::",)),
        (["tests/z/z_test.py:t"], ("tests/z/z_test.py:t",)),
        ([], ()),
    ],
)
def test_a_folder_is_named_where_all_of_it_is_meant(
    chosen: list[str], typed: tuple[str, ...]
) -> None:
    addresses = ("tests/a/b/x_test.py:t", "tests/a/y_test.py:t")
    twice = ("tests/z/z_test.py:t", "tests/z/z_test.py:u")
    every = {
        address: Target(address, "python_test", (address.partition(":")[0],))
        for address in (*addresses, *twice)
    }
    assert specs_of(chosen, every) == typed
