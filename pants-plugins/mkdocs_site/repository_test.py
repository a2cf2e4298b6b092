from __future__ import annotations

import json

import pytest
from pants.backend.python import target_types_rules
from pants.backend.python.target_types import PythonSourcesGeneratorTarget
from pants.core.target_types import FileTarget
from pants.core.target_types import rules as core_target_types_rules
from pants.engine.addresses import Address
from pants.engine.fs import DigestContents
from pants.engine.rules import QueryRule
from pants.engine.target import InferredDependencies
from pants.testutil.rule_runner import RuleRunner

from mkdocs_site import repository
from mkdocs_site.repository import (
    InferSiteReads,
    Repository,
    RepositoryRequest,
    SiteReadsFieldSet,
)
from mkdocs_site.target_types import MkdocsSiteTarget
from notebook.target_types import NotebooksGeneratorTarget


@pytest.fixture
def rule_runner() -> RuleRunner:
    runner = RuleRunner(
        rules=[
            *repository.rules(),
            *core_target_types_rules(),
            *target_types_rules.rules(),
            QueryRule(InferredDependencies, [InferSiteReads]),
            QueryRule(Repository, [RepositoryRequest]),
        ],
        target_types=[
            FileTarget,
            MkdocsSiteTarget,
            NotebooksGeneratorTarget,
            PythonSourcesGeneratorTarget,
        ],
    )
    runner.set_options(
        ["--source-root-patterns=/src", "--python-infer-use-rust-parser"],
        env_inherit={"PATH", "PYENV_ROOT", "HOME"},
    )
    runner.write_files(
        {
            "src/config/BUILD": "python_sources()",
            "src/config/task.py": "from config import errors",
            "src/config/errors.py": "",
            "BUILD": "file(name='readme', source='README.md')",
            "other/BUILD": "file(name='other', source='LICENSE')",
            "README.md": "",
            "other/LICENSE": "",
            "docs/BUILD": (
                "mkdocs_site(name='site', reads=['README.md', 'src/**/*.py'])\n"
                "notebooks(sources=['pages/*.ipynb'])"
            ),
            "docs/mkdocs.yml": "",
            "docs/pages/index.md": "",
            "docs/pages/formula.ipynb": "{}",
        }
    )
    return runner


def test_a_site_depends_on_what_it_shows_and_not_on_itself(rule_runner: RuleRunner) -> None:
    site = rule_runner.get_target(Address("docs", target_name="site"))
    inferred = rule_runner.request(
        InferredDependencies, [InferSiteReads(SiteReadsFieldSet.create(site))]
    )
    assert {address.spec for address in inferred.include} == {
        "//:readme",
        "docs/pages/formula.ipynb:../docs",
        "src/config/errors.py",
        "src/config/task.py",
    }


def test_a_site_gets_addresses_sources_and_dependencies(rule_runner: RuleRunner) -> None:
    found = rule_runner.request(Repository, [RepositoryRequest()])
    (file,) = rule_runner.request(DigestContents, [found.digest])
    assert file.path == repository.TARGETS_FILE
    targets = {target["address"]: target for target in json.loads(file.content)}
    assert set(targets) == {
        "other:other",
        "//:readme",
        "docs:docs",
        "docs:site",
        "docs/pages/formula.ipynb:../docs",
        "src/config:config",
        "src/config/errors.py",
        "src/config/task.py",
    }
    assert targets["src/config/task.py"] == {
        "address": "src/config/task.py",
        "dependencies": ["src/config/errors.py"],
        "sources": ["src/config/task.py"],
    }
