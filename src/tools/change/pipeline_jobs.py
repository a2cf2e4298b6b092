"""The jobs of a change: a group for each affected model, and groups for what belongs to no model.

How a job is run (its image, caches, reports, retries, environment) is written by hand, in
.ci/jobs.yml; here is which jobs there are, and the commands of each.
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
# No model is called so: these are no names of Python packages.
SHARED, DOCS = "shared-code", "docs-site"
NOTHING = "nothing-affected"
TESTED = frozenset({"python_test", "notebook"})
PACKAGED = frozenset({"pex_binary", "archive", "mkdocs_site"})
IMAGE = "model_image"
# Built to be weighed, not to be run.
BENCHMARK = "benchmark"
# With a server or a Pants of its own.
INTEGRATION = "integration"
# Its file names what Airflow runs of a model, and when.
SCHEDULE = "dag.toml"
_OF_A_MODEL = re.compile(r"(?:src|tests)/models/(?P<name>[^/]+)/.*")
# src/models/iris.
_DEPTH_OF_A_MODEL = 3


@dataclass(frozen=True)
class Job:
    """One job; `template` is the hidden job in .ci/jobs.yml that says how it is run."""

    name: str
    template: str
    script: tuple[str, ...]
    more: Mapping[str, Any] = field(default_factory=dict)
    # Not in every pipeline: the template has rules.
    has_rules: bool = False

    def as_yaml(self) -> dict[str, Any]:
        """As GitLab reads it, without its name."""
        return {"extends": self.template, **self.more, "script": list(self.script)}


@dataclass(frozen=True)
class _Work:
    """What there is to do: addresses of targets, and models to deploy."""

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
        images = _those(graph, affected, _is_image)
        return cls(
            graph,
            tests=_those(graph, wanted, _is_test),
            packages=_those(graph, wanted, _is_package),
            images=images,
            deployed=_deployed(graph, affected, images),
            models=_models(change, graph, affected),
        )

    def group(self, address: str) -> str:
        """Whose job it is; with what is not affected, no model has a group of its own."""
        target = self.graph.targets[address]
        model = _model(target)
        if model in self.models:
            return model
        return DOCS if target.path.startswith("docs/") else SHARED

    def of_group(self, addresses: Collection[str], group: str) -> list[str]:
        return sorted(address for address in addresses if self.group(address) == group)


def jobs_of(change: Change, graph: TargetGraph, *, everything: bool = False) -> tuple[Job, ...]:
    """Every job of a change, never none; `everything`: all tests and packages, whatever changed.

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
    """The pipeline's file."""
    told: dict[str, Any] = {
        "include": [{"local": TEMPLATES}],
        # Without it, a merge request's child pipeline would run no job.
        "workflow": {"rules": [{"when": "always"}]},
        "stages": list(STAGES),
    }
    told |= {job.name: job.as_yaml() for job in jobs}
    return yaml.safe_dump(told, sort_keys=False, width=sys.maxsize, allow_unicode=True)


def all_tests(graph: TargetGraph) -> dict[str, Target]:
    """What `./pants test` runs."""
    return {one: target for one, target in graph.targets.items() if _is_test(target)}


def _group(work: _Work, group: str) -> Iterator[Job]:
    """Test, package, image, deploy: each waits for the one before, and for no other group's."""
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
    # A model's tests are few, and one job.
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
    """By stages, so that nothing is deployed before all that is tested has passed."""
    for environment, needs in (("staging", {}), ("prod", {"needs": [f"{model}:staging"]})):
        options = f"--environment {environment} --yes"
        deploy = f"./pants run src/tools:deploy -- {shlex.quote(model)} {options}"
        more = {**needs, "environment": {"name": f"{environment}/{model}"}}
        yield Job(f"{model}:{environment}", f".{environment}", (deploy,), more, has_rules=True)


def _nothing(change: Change) -> Job:
    count = len(change.files)
    files = f"{count} changed file{'' if count == 1 else 's'}"
    said = f"No model, test, package or image depends on the {files}."
    return Job(NOTHING, ".nothing", (f"echo {shlex.quote(said)}",), {"stage": STAGES[0]})


def _pants(goal: str, specs: Iterable[str]) -> str:
    return f"./pants {goal} {' '.join(map(shlex.quote, specs))}"


def _those(
    graph: TargetGraph, addresses: Iterable[str], fits: Callable[[Target], bool]
) -> frozenset[str]:
    return frozenset(one for one in addresses if fits(graph.targets[one]))


def _is_test(target: Target) -> bool:
    return target.type in TESTED


def _is_package(target: Target) -> bool:
    return target.type in PACKAGED and BENCHMARK not in target.tags


def _is_image(target: Target) -> bool:
    return target.type == IMAGE


def _model(target: Target) -> str:
    """The model that it belongs to, as code, test or notebook, if there is one; else empty."""
    fits = _OF_A_MODEL.fullmatch(target.path) if target.folder else None
    return fits["name"] if fits else ""


def _known_models(graph: TargetGraph) -> frozenset[str]:
    """The models with code: a folder below tests/models may hold tests of something else."""
    code = (target for target in graph.targets.values() if target.path.startswith("src/"))
    names = frozenset(map(_model, code)) - {""}
    # GitLab would take some of the others for its variables, a shell for commands.
    refused = sorted(name for name in names if not is_model_name(name))
    if refused:
        raise InputError(
            f"src/models: {', '.join(map(repr, refused))}: expected names of folders that are "
            "Python identifiers (a to z, 0 to 9 and _). Rename the folders."
        )
    return names


def _models(change: Change, graph: TargetGraph, affected: Iterable[str]) -> frozenset[str]:
    """The models with a group of jobs: those affected, and those with an affected test."""
    tests = _those(graph, affected, _is_test)
    names = {_model(graph.targets[address]) for address in tests}
    names |= {thing.name for thing in change.of_kind(MODELS)}
    return _known_models(graph) & names


def _deployed(
    graph: TargetGraph, affected: Iterable[str], images: Collection[str]
) -> frozenset[str]:
    """Models whose image, or whose schedule, is another one; one without an image is not run."""
    with_image = {_model(target) for target in graph.targets.values() if _is_image(target)}
    changed = {_model(graph.targets[address]) for address in images}
    changed |= {
        _model(graph.targets[address])
        for address in affected
        if any(source.endswith(f"/{SCHEDULE}") for source in graph.targets[address].sources)
    }
    return frozenset((changed & with_image) - {""})
