"""The CI jobs of a change: a group for each affected model, for shared code and for documentation.

This module selects the jobs and their commands. .ci/jobs.yml defines how they run: images, caches,
reports, retries, environments.
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from cli.errors import InputError
from tools.change.affected_artifacts import Change
from tools.change.affected_rules import MODELS
from tools.change.target_specs import specs_of
from tools.workspace.model_names import is_model_name
from tools.workspace.target_graph import Target, TargetGraph

TEMPLATES = ".ci/jobs.yml"
STAGES = ("test", "package", "image", "staging", "prod")
# Not Python identifiers, so no model has these names.
SHARED, DOCS = "shared-code", "docs-site"
NOTHING = "nothing-affected"
TESTED = frozenset({"python_test", "notebook"})
PACKAGED = frozenset({"pex_binary", "archive", "mkdocs_site"})
IMAGE = "model_image"
# Built to measure its size, not to run.
BENCHMARK = "benchmark"
# Tests that start a server or Pants.
INTEGRATION = "integration"
# The declaration of a model's DAG.
DECLARATION = "dag.toml"
_OF_A_MODEL = re.compile(r"(?:src|tests)/models/(?P<name>[^/]+)/.*")
# src/models/iris.
_DEPTH_OF_A_MODEL = 3


@dataclass(frozen=True)
class Job:
    """One job; `template` is the hidden job in .ci/jobs.yml that it extends."""

    name: str
    template: str
    script: tuple[str, ...]
    more: Mapping[str, Any] = field(default_factory=dict)
    # The template's rules may leave the job out of a pipeline.
    has_rules: bool = False

    def as_yaml(self) -> dict[str, Any]:
        """As GitLab reads it, without its name."""
        return {"extends": self.template, **self.more, "script": list(self.script)}


@dataclass(frozen=True)
class _Work:
    """The targets to test and build, and the models to deploy."""

    graph: TargetGraph
    tests: frozenset[str]
    packages: frozenset[str]
    images: frozenset[str]
    deployed: frozenset[str]
    models: frozenset[str]

    @classmethod
    def of(cls, change: Change, graph: TargetGraph, *, everything: bool) -> _Work:
        affected = frozenset(change.targets)
        wanted = frozenset(graph.targets) if everything else affected
        images = _select(graph, affected, _is_image)
        return cls(
            graph,
            tests=_select(graph, wanted, _is_test),
            packages=_select(graph, wanted, _is_package),
            images=images,
            deployed=_changed_models(graph, affected, images),
            models=_models(change, graph, affected),
        )

    def group(self, address: str) -> str:
        """The group of a target's job; only affected models have a group."""
        target = self.graph.targets[address]
        model = _model_of(target)
        if model in self.models:
            return model
        return DOCS if target.path.startswith("docs/") else SHARED

    def of_group(self, addresses: Collection[str], group: str) -> list[str]:
        return sorted(address for address in addresses if self.group(address) == group)


def jobs_of(change: Change, graph: TargetGraph, *, everything: bool = False) -> tuple[Job, ...]:
    """The jobs of a change, at least one; `everything` adds all tests and packages.

    Raises:
        InputError: the name of a model's folder is not a Python identifier.
    """
    work = _Work.of(change, graph, everything=everything)
    groups = (*sorted(work.models), SHARED, DOCS)
    jobs = [job for group in groups for job in _group(work, group)]
    if all(job.has_rules for job in jobs):
        jobs.append(_nothing(change))
    return tuple(jobs)


def as_yaml(jobs: Iterable[Job]) -> str:
    """The content of the pipeline's file."""
    pipeline: dict[str, Any] = {
        "include": [{"local": TEMPLATES}],
        # Without this, the child pipeline of a merge request would run no job.
        "workflow": {"rules": [{"when": "always"}]},
        "stages": list(STAGES),
    }
    pipeline |= {job.name: job.as_yaml() for job in jobs}
    return yaml.safe_dump(pipeline, sort_keys=False, width=sys.maxsize, allow_unicode=True)


def all_tests(graph: TargetGraph) -> dict[str, Target]:
    """The targets that `./pants test` runs."""
    return {one: target for one, target in graph.targets.items() if _is_test(target)}


def _group(work: _Work, group: str) -> Iterator[Job]:
    """Test, package, image, deploy: each job waits only for the previous one of its group."""
    before: list[str] = []
    for job in (
        *_test_jobs(work, group),
        *_build_job(work, group, "package", work.packages),
        *_build_job(work, group, "image", work.images),
    ):
        yield Job(job.name, job.template, job.script, {"needs": before})
        before = [job.name]
    if group in work.deployed:
        yield from _deploy_jobs(group)


def _test_jobs(work: _Work, group: str) -> Iterator[Job]:
    tests = all_tests(work.graph)
    chosen = work.of_group(work.tests, group)
    # A model has few tests: one job runs them all.
    slow = [one for one in chosen if group == SHARED and INTEGRATION in tests[one].tags]
    for name, those in (("test", set(chosen) - set(slow)), (INTEGRATION, slow)):
        if those:
            depth = _DEPTH_OF_A_MODEL if group in work.models else 2
            specs = specs_of(those, tests, least_depth=depth)
            yield Job(f"{group}:{name}", f".{name}", (_pants("test", specs),))


def _build_job(work: _Work, group: str, name: str, addresses: Collection[str]) -> Iterator[Job]:
    if chosen := work.of_group(addresses, group):
        yield Job(f"{group}:{name}", f".{name}", (_pants("package", chosen),))


def _deploy_jobs(model: str) -> Iterator[Job]:
    """Deployments wait for a stage, and so for the tests of all groups."""
    for environment, needs in (("staging", {}), ("prod", {"needs": [f"{model}:staging"]})):
        options = f"--environment {environment} --yes"
        deploy = f"./pants run src/tools:deploy -- {shlex.quote(model)} {options}"
        more = {**needs, "environment": {"name": f"{environment}/{model}"}}
        yield Job(f"{model}:{environment}", f".{environment}", (deploy,), more, has_rules=True)


def _nothing(change: Change) -> Job:
    count = len(change.files)
    files = f"{count} changed file{'' if count == 1 else 's'}"
    message = f"No model, test, package or image depends on the {files}."
    return Job(NOTHING, ".nothing", (f"echo {shlex.quote(message)}",), {"stage": STAGES[0]})


def _pants(goal: str, specs: Iterable[str]) -> str:
    return f"./pants {goal} {' '.join(map(shlex.quote, specs))}"


def _select(
    graph: TargetGraph, addresses: Iterable[str], fits: Callable[[Target], bool]
) -> frozenset[str]:
    return frozenset(one for one in addresses if fits(graph.targets[one]))


def _is_test(target: Target) -> bool:
    return target.type in TESTED


def _is_package(target: Target) -> bool:
    return target.type in PACKAGED and BENCHMARK not in target.tags


def _is_image(target: Target) -> bool:
    return target.type == IMAGE


def _model_of(target: Target) -> str:
    """The model whose code, test or notebook a target is; empty if there is none."""
    fits = _OF_A_MODEL.fullmatch(target.path) if target.folder else None
    return fits["name"] if fits else ""


def _known_models(graph: TargetGraph) -> frozenset[str]:
    """The models with code: tests/models has folders that are not models."""
    code = (target for target in graph.targets.values() if target.path.startswith("src/"))
    names = frozenset(map(_model_of, code)) - {""}
    # GitLab could expand another name as a variable, and a shell could run it.
    refused = sorted(name for name in names if not is_model_name(name))
    if refused:
        raise InputError(
            f"src/models: {', '.join(map(repr, refused))}: expected Python identifiers (a to z, "
            "0 to 9 and _) as the names of folders. Rename the folders."
        )
    return names


def _models(change: Change, graph: TargetGraph, affected: Iterable[str]) -> frozenset[str]:
    """The models with a group of jobs: affected models, and models with an affected test."""
    tests = _select(graph, affected, _is_test)
    names = {_model_of(graph.targets[address]) for address in tests}
    names |= {model.name for model in change.of_kind(MODELS)}
    return _known_models(graph) & names


def _changed_models(
    graph: TargetGraph, affected: Iterable[str], images: Collection[str]
) -> frozenset[str]:
    """Models whose image or declaration changed; a model without an image is not deployed."""
    with_image = {_model_of(target) for target in graph.targets.values() if _is_image(target)}
    changed = {_model_of(graph.targets[address]) for address in images}
    changed |= {
        _model_of(graph.targets[address])
        for address in affected
        if any(source.endswith(f"/{DECLARATION}") for source in graph.targets[address].sources)
    }
    return frozenset((changed & with_image) - {""})
