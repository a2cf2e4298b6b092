"""What GitLab does with changes: .gitlab-ci.yml and the jobs of each, run by gitlab-ci-local."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from integration.clones import CHANGED, Clone, SharedRepository
from integration.commands import ROOT, Result, commit_all, start
from support.requirements import need_program

GITLAB_CI_LOCAL = Path("src.tools/gitlab-ci-local.pex")
JOBS, SUMMARY = "dist/affected/jobs.yml", "dist/affected/affected.md"
TULIP, IRIS = "src/models/tulip", "src/models/iris"
SHARED_TEST = "tests/modelling/metrics_test.py"
IS_TEST = "--filter-target-type=python_test,notebook"
MERGE_REQUEST = ("CI_PIPELINE_SOURCE=merge_request_event", "CI_MERGE_REQUEST_IID=1")


@pytest.fixture(scope="module")
def committed(shared: SharedRepository) -> Iterator[Clone]:
    """Two models, of which one needs a package that the other does not, and a page."""
    need_program("rsync")
    with shared.lend() as root:
        yield _with_ci(Clone.new(root))


def _with_ci(clone: Clone) -> Clone:
    shutil.copytree(ROOT / ".ci", clone.root / ".ci")
    shutil.copytree(ROOT / "3rdparty/node", clone.root / "3rdparty/node")
    for name in (".gitlab-ci.yml", "pants.ci.toml"):
        shutil.copy(ROOT / name, clone.root / name)
    clone.append(f"{TULIP}/pipeline.py", "import mapie\n")
    clone.write("tests/modelling/BUILD", 'python_tests(name="tests")\n')
    clone.write(
        SHARED_TEST,
        "from modelling.evaluation import metrics\n\n\ndef test() -> None:\n    metrics\n",
    )
    clone.write("docs/BUILD", 'files(name="pages", sources=["*.md"])\n')
    clone.write("docs/page.md", "# A page\n")
    commit_all(clone.root)
    return clone


@pytest.fixture
def clone(committed: Clone) -> Iterator[Clone]:
    yield committed
    committed.discard_changes()
    committed.run("git", "clean", "--quiet", "--force", "-d", "src", "tests", "docs")


def ci(clone: Clone, *arguments: str, variables: tuple[str, ...] = MERGE_REQUEST) -> Result:
    """Call gitlab-ci-local as for a merge request."""
    given = [part for one in variables for part in ("--variable", one)]
    ignored = ("--ignore-predefined-vars", ",".join(one.partition("=")[0] for one in variables))
    command = (sys.executable, str(GITLAB_CI_LOCAL.resolve()), *given, *ignored, *arguments)
    return Result.of(start(*command, cwd=clone.root), timeout=900)


def run(clone: Clone, *arguments: str, since: str = "") -> Result:
    """Run jobs, each in a copy of the repository, and with this machine's caches."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    options = ("--shell-isolation", "--force-shell-executor")
    base = (f"CI_MERGE_REQUEST_DIFF_BASE_SHA={since}",) if since else ()
    shared = (*MERGE_REQUEST, *base, f"XDG_CACHE_HOME={cache}")
    return ci(clone, *options, *arguments, variables=shared)


def plan(clone: Clone, *options: str) -> dict[str, list[str]]:
    """The jobs of what is not committed, with their commands, as a person makes them."""
    (clone.root / "dist").mkdir(exist_ok=True)
    (clone.root / "dist/targets.json").write_text(clone.pants("peek", "::").out)
    files = ("--targets", "dist/targets.json", "--output", JOBS, "--summary", SUMMARY)
    clone.pants("run", "src/tools:pipeline", "--", "--since=HEAD", *files, *options)
    told = yaml.safe_load((clone.root / JOBS).read_text())
    return {name: job["script"] for name, job in told.items() if "script" in job}


def listed(clone: Clone, *variables: str) -> list[str]:
    """The jobs that run by themselves, or at a person's word, as GitLab's rules choose them."""
    made = ci(clone, "--file", JOBS, "--list-csv", variables=(*MERGE_REQUEST, *variables))
    assert made.code == 0, made.out + made.err
    rows = [line.split(";") for line in made.out.splitlines() if ";" in line]
    return [row[0] for row in rows[1:]]


def preview(clone: Clone) -> dict[str, dict[str, Any]]:
    """Each job with all that its template says of it."""
    jobs: dict[str, dict[str, Any]] = yaml.safe_load(ci(clone, "--file", JOBS, "--preview").out)
    return jobs


def run_by(clone: Clone, jobs: dict[str, list[str]]) -> list[str]:
    """The tests that all jobs together run, as Pants understands their commands."""
    commands = [shlex.split(line) for lines in jobs.values() for line in lines]
    specs = [spec for command in commands if command[1] == "test" for spec in command[2:]]
    return sorted(clone.pants("list", IS_TEST, *specs).out.split()) if specs else []


def touched(clone: Clone) -> list[str]:
    """The tests that Pants itself lists for the change."""
    return sorted(clone.pants(*CHANGED, IS_TEST, "list").out.split())


def of_model(name: str) -> list[str]:
    return [f"{name}:{job}" for job in ("test", "package", "image")]


DEPLOYS = ("CI_COMMIT_BRANCH=main", "CI_DEFAULT_BRANCH=main", "CI_COMMIT_REF_PROTECTED=true")
# What has every model in it.
OF_ALL = ["shared-code:package", "shared-code:image"]


def test_a_change_of_one_model_runs_its_jobs_and_deploys_it_once_merged(clone: Clone) -> None:
    clone.append(f"{TULIP}/schema.py")
    jobs = plan(clone)
    assert sorted(listed(clone)) == sorted([*of_model("tulip"), *OF_ALL])
    deploys = ["tulip:staging", "tulip:prod"]
    assert sorted(listed(clone, *DEPLOYS)) == sorted([*of_model("tulip"), *deploys, *OF_ALL])
    # Neither from another branch, nor from one that anybody may push to.
    for other in (("CI_COMMIT_BRANCH=mine", *DEPLOYS[1:]), DEPLOYS[:2]):
        assert sorted(listed(clone, *other)) == sorted([*of_model("tulip"), *OF_ALL])
    assert run_by(clone, jobs) == touched(clone)
    # Not its sibling, which depends on nothing that changed.
    assert jobs["tulip:test"] == ["./pants test tests/models/tulip/schema_test.py"]
    summary = (clone.root / SUMMARY).read_text()
    assert f"| `tulip` | `{TULIP}/schema.py` |" in summary
    for environment in ("staging", "prod"):
        deploy = preview(clone)[f"tulip:{environment}"]
        assert (deploy["retry"], deploy["interruptible"]) == (0, False)
        assert deploy["resource_group"] == environment
        assert deploy["environment"]["name"] == f"{environment}/tulip"
    # On the default branch, none is left out.
    everything = plan(clone, "--everything")
    assert run_by(clone, everything) == sorted(clone.pants("list", IS_TEST, "::").out.split())


def test_a_change_of_a_shared_module_runs_the_jobs_of_what_depends_on_it(clone: Clone) -> None:
    clone.append("src/modelling/evaluation/metrics.py")
    jobs = plan(clone)
    # No test of the two models imports it.
    builds = ["iris:package", "iris:image", "tulip:package", "tulip:image"]
    assert sorted(listed(clone)) == sorted(["shared-code:test", *builds, *OF_ALL])
    assert run_by(clone, jobs) == touched(clone) == [f"{SHARED_TEST}:tests"]

    clone.append("src/datasets/flowers.py")
    jobs = plan(clone)
    both = [*of_model("iris"), *of_model("tulip")]
    assert sorted(listed(clone)) == sorted(["shared-code:test", *both, *OF_ALL])
    assert run_by(clone, jobs) == touched(clone)


def test_a_change_of_a_page_runs_no_models_job(clone: Clone) -> None:
    clone.append("docs/page.md", "More.\n")
    jobs = plan(clone)
    assert listed(clone) == ["nothing-affected"]
    assert run_by(clone, jobs) == touched(clone) == []


def test_a_new_lockfile_runs_the_jobs_of_the_model_that_needs_what_moved_in_it(
    clone: Clone,
) -> None:
    clone.upgrade("mapie", file="modelling.txt")
    jobs = plan(clone)
    assert sorted(listed(clone)) == sorted(["tulip:package", "tulip:image", *OF_ALL])
    assert run_by(clone, jobs) == touched(clone)


def test_a_rule_that_gitlab_does_not_know_is_seen(clone: Clone) -> None:
    parent = ci(clone, "--list-csv")
    assert parent.code == 0, parent.out + parent.err
    assert [line.partition(";")[0] for line in parent.out.splitlines() if ";" in line][1:] == [
        *("lint", "check", "contracts", "audit", "plan", "affected")
    ]
    clone.replace(".gitlab-ci.yml", "strategy: depend", "strategy: maybe")
    broken = ci(clone, "--list-csv")
    assert broken.code != 0
    assert "strategy" in broken.out + broken.err


def end_daemons(root: Path) -> None:
    """Each job ran in a folder of its own below this one, and left a Pants there."""
    daemons = [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(str(root) in part for part in process.info["cmdline"] or ())
    ]
    for process in daemons:
        process.terminate()
    psutil.wait_procs(daemons, timeout=30)


@pytest.fixture
def shallow(clone: Clone, tmp_path: Path) -> Iterator[Clone]:
    """A branch that changes iris and breaks a test of tulip, in a clone as GitLab makes it."""
    clone.run("git", "checkout", "--quiet", "-b", "change")
    clone.append(f"{IRIS}/schema.py")
    failing = "\n\ndef test_fails() -> None:\n    raise AssertionError\n"
    clone.append("tests/models/tulip/schema_test.py", failing)
    commit_all(clone.root)
    cloned = Clone(tmp_path / "shallow")
    source = ("--depth=1", "--branch=change", clone.root.as_uri(), str(cloned.root))
    clone.run("git", "clone", "--quiet", *source)
    try:
        yield cloned
    finally:
        end_daemons(cloned.root)
        clone.run("git", "checkout", "--quiet", "--force", "main")
        clone.run("git", "branch", "--quiet", "-D", "change")


def test_the_jobs_run_in_a_shallow_clone_and_one_that_fails_is_seen(
    clone: Clone, shallow: Clone
) -> None:
    main = clone.run("git", "rev-parse", "main").out.strip()
    planned = run(shallow, "plan", since=main)
    assert planned.code == 0, planned.out + planned.err
    assert sorted(listed(shallow)) == sorted([*of_model("iris"), "tulip:test", *OF_ALL])
    done = run(shallow, "--file", JOBS, "--needs", "iris:package", "tulip:test")
    assert done.code != 0
    ended = re.findall(r"^\W*(PASS|FAIL)\W+(\S+:\S+)", done.out, re.M)
    assert sorted(ended) == [
        ("FAIL", "tulip:test"),
        ("PASS", "iris:package"),
        ("PASS", "iris:test"),
    ], done.out + done.err
    assert (shallow.root / "dist/src.models.iris/predict.pex").exists()
