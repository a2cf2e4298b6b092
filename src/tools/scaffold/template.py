"""The templates of models, datasets and feature views, and calls of Copier, which renders them.

Copier reads a template from git, at the last commit that changed it. The answers file of what was
rendered names that commit. Copier has a separate resolve, so Pants starts it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cli.errors import InputError
from tools.contracts.contract_files import FOLDER, file_name
from tools.workspace.git import last_commit
from tools.workspace.pants import call_pants

TEMPLATES = "src/tools/scaffold/templates"
_SHARED = ("copier.yml", f"{TEMPLATES}/contract.jinja")
_COPIER = "3rdparty/python/tools:copier-command"


@dataclass(frozen=True, kw_only=True)
class Template:
    """A template and the files that it writes; `{name}` in their paths is the new name.

    Attributes:
        name: the template's folder.
        kind: what it starts, with an article.
        example: example names for error messages.
        answers: the file that keeps the data of the template.
        owned: the files and folders that it writes.
        contracts: the names of its contracts.
        also_taken: other files and folders that must not exist yet.
    """

    name: str
    kind: str
    example: str
    answers: str
    owned: tuple[str, ...]
    contracts: tuple[str, ...]
    also_taken: tuple[str, ...]

    @property
    def sources(self) -> tuple[str, ...]:
        """The files and folders of the template."""
        return (*_SHARED, f"{TEMPLATES}/{self.name}")

    def answers_file(self, name: str) -> str:
        """The file that keeps the data of the template."""
        return self.answers.format(name=name)

    def paths(self, name: str) -> tuple[str, ...]:
        """The files and folders that the template writes."""
        return _format(self.owned, name)

    def contract_paths(self, name: str) -> tuple[str, ...]:
        """The exported contracts."""
        return tuple(f"{FOLDER}/{file_name(one)}" for one in _format(self.contracts, name))

    def taken_paths(self, name: str) -> tuple[str, ...]:
        """All files and folders that must not exist yet."""
        others = _format(self.also_taken, name)
        return (*self.paths(name), *self.contract_paths(name), *others)


MODEL = Template(
    name="model",
    kind="a model",
    example="churn or late_payment",
    answers="src/models/{name}/.copier-answers.yml",
    owned=("src/models/{name}", "src/datasets/{name}.py", "tests/models/{name}"),
    contracts=("{name}", "labelled_{name}"),
    also_taken=(
        "src/{name}",
        "src/models/{name}.py",
        "src/datasets/{name}",
        "tests/models/{name}_test.py",
    ),
)
DATASET = Template(
    name="dataset",
    kind="a dataset",
    example="customers or late_payments",
    answers="src/datasets/.{name}.copier-answers.yml",
    owned=(
        "src/datasets/{name}.py",
        "src/datasets/.{name}.copier-answers.yml",
        "tests/datasets/{name}_test.py",
    ),
    contracts=("{name}",),
    also_taken=("src/{name}", "src/datasets/{name}"),
)
FEATURE_VIEW = Template(
    name="feature_view",
    kind="a feature view",
    example="customer_orders or late_payments",
    answers="src/feature_store/views/.{name}.copier-answers.yml",
    owned=(
        "src/datasets/{name}.py",
        "src/feature_store/views/{name}.py",
        "src/feature_store/views/.{name}.copier-answers.yml",
        "src/feature_store/samples/{name}.py",
        "tests/feature_store/{name}_test.py",
    ),
    contracts=("{name}",),
    also_taken=("src/{name}", "src/datasets/{name}", "src/feature_store/views/{name}"),
)
ALL = (MODEL, DATASET, FEATURE_VIEW)


def template_commit(root: Path, template: Template) -> str:
    """The last commit that changed a template.

    Raises:
        InputError: no commit contains it.
    """
    commit = last_commit(root, *template.sources)
    if commit is None or last_commit(root, template.sources[-1]) is None:
        raise InputError(
            f"{root}: no commit contains the template {template.sources[-1]}. Copier reads "
            "templates from git, so call this in a clone, on a branch that contains it."
        )
    return commit


def render(
    root: Path, template: Template, name: str, data: Mapping[str, Any], destination: Path
) -> None:
    """Write the files of a template into a folder.

    Raises:
        UserError: Copier fails.
    """
    with tempfile.TemporaryDirectory(prefix="data-") as folder:
        file = Path(folder) / "data.yml"
        content = {"template": template.name, "name": name, **data}
        file.write_text(yaml.safe_dump(content), encoding="utf-8")
        options = ("--data-file", str(file), "--answers-file", template.answers_file(name))
        _run_copier(root, template, "copy", *options, str(root), str(destination))


def update(root: Path, template: Template, name: str, project: Path) -> None:
    """Apply later changes of a template to files in a separate git repository.

    If both changed the same lines, the file has both versions between conflict markers.

    Raises:
        UserError: Copier fails.
    """
    options = ("--answers-file", template.answers_file(name))
    _run_copier(root, template, "update", *options, str(project))


def _run_copier(root: Path, template: Template, command: str, *arguments: str) -> None:
    # Copier asks for trust before it runs the tasks of copier.yml.
    call = ("run", _COPIER, "--", command, "--trust", "--defaults", "--quiet")
    call_pants(root, [*call, "--vcs-ref", template_commit(root, template), *arguments])


def _format(patterns: Iterable[str], name: str) -> tuple[str, ...]:
    return tuple(pattern.format(name=name) for pattern in patterns)
