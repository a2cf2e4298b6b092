"""Commits to a repository in which the README's hook is installed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from integration.clones import SharedRepository
from integration.commands import ROOT, Result, commit_all, start

INSTALL = ("./pants", "run", "3rdparty/python/tools:pre-commit", "--", "install")
CONFIGURATION = (
    ".editorconfig",
    ".pre-commit-config.yaml",
    ".rumdl.toml",
    ".secrets.baseline",
    ".sqlfluff",
    ".yamlfmt",
    ".yamllint",
    "ruff.toml",
)
# As JupyterLab saves one whose cell was run.
NOTEBOOK = {
    "cells": [
        {
            "cell_type": "code",
            "execution_count": 7,
            "id": "f00d",
            "metadata": {"collapsed": True},
            "outputs": [{"name": "stdout", "output_type": "stream", "text": ["a secret\n"]}],
            "source": ["print( 'a secret' )"],
        }
    ],
    "metadata": {},
    "nbformat": 4,
    "nbformat_minor": 5,
}
PLANTED = "c0rrect-h0rse-battery"  # pragma: allowlist secret


@dataclass(frozen=True)
class Repository:
    root: Path

    def run(self, *command: str) -> Result:
        environment = {"PANTS_PANTSD": "true", "PANTS_COLORS": "false"}
        return Result.of(start(*command, cwd=self.root, env=environment), timeout=600)

    def commit(self, **files: str) -> Result:
        for name, text in files.items():
            (self.root / name).parent.mkdir(exist_ok=True)
            (self.root / name).write_text(text)
        self.run("git", "add", "--all")
        author = ("-c", "user.name=Test", "-c", "user.email=test@example.com")
        return self.run("git", *author, "commit", "--message=Test")

    def head(self) -> str:
        return self.run("git", "rev-parse", "HEAD").out


@pytest.fixture(scope="module")
def installed(shared: SharedRepository) -> Iterator[Repository]:
    with shared.lend() as root:
        for name in CONFIGURATION:
            shutil.copy(ROOT / name, root / name)
        commit_all(root)
        repository = Repository(root)
        result = repository.run(*INSTALL)
        assert result.code == 0, result
        yield repository


@pytest.fixture
def repository(installed: Repository) -> Repository:
    """As it is committed; nothing staged is left of the test before."""
    installed.run("git", "reset", "--quiet", "--hard")
    return installed


def test_a_secret_and_a_bad_script_are_not_committed(repository: Repository) -> None:
    before = repository.head()
    refused = repository.commit(
        **{"settings.py": f'password = "{PLANTED}"\n', "bad.sh": "#!/bin/sh\necho $1\n"}
    )
    said = refused.out + refused.err
    assert refused.code == 1, said
    assert "settings.py:1: Secret Keyword" in said
    assert "In bad.sh line 2:" in said
    assert PLANTED not in said
    assert repository.head() == before


def test_a_commit_is_formatted_and_then_accepted(repository: Repository) -> None:
    before = repository.head()
    script = {"run.sh": '#!/bin/sh\nif true; then\n\techo "$1"\nfi\n'}
    refused = repository.commit(**script)
    assert "files were modified by this hook" in refused.out + refused.err
    assert (refused.code, repository.head()) == (1, before)
    formatted = (repository.root / "run.sh").read_text()
    assert formatted == script["run.sh"].replace("\t", "  ")
    accepted = repository.commit()
    assert accepted.code == 0, accepted
    assert repository.run("git", "show", "--name-only", "--format=").out == "run.sh\n"


def test_a_notebook_is_cleaned_and_then_accepted(repository: Repository) -> None:
    name = "studies/study.ipynb"
    refused = repository.commit(**{name: json.dumps(NOTEBOOK), "studies/BUILD": "notebooks()\n"})
    assert refused.code == 1
    assert "nbdev-clean made changes" in refused.out + refused.err
    (cell,) = json.loads((repository.root / name).read_text())["cells"]
    assert (cell["outputs"], cell["execution_count"], cell["metadata"]) == ([], None, {})
    assert cell["source"] == ['print("a secret")']
    accepted = repository.commit()
    assert accepted.code == 0, accepted
