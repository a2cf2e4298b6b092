"""What can be started in this repository, the template of each, and Copier, which renders them.

Copier takes a template from git: from the last commit that changed it, whose short name the answers
file of what was started keeps. It runs in a resolve of its own, so Pants starts it.
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
_SHARED = ("copier.yml", f"{TEMPLATES}/code.jinja")
_COPIER = "3rdparty/python/tools:copier-command"


@dataclass(frozen=True, kw_only=True)
class Template:
    """How one kind of thing is started; paths are from the root, with the thing's name in them.

    Attributes:
        name: of the template's folder.
        kind: what people call it, with its article.
        example: names that fit, as a message says it.
        answers: where what the template was given is kept.
        owned: the files and folders that it writes.
        contracts: the names of the contracts among them.
        also_taken: what must not be there either.
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
        """Where the template itself lies."""
        return (*_SHARED, f"{TEMPLATES}/{self.name}")

    def answers_file(self, name: str) -> str:
        """Where something keeps what its template was given."""
        return self.answers.format(name=name)

    def paths(self, name: str) -> tuple[str, ...]:
        """The folders and files that the template writes."""
        return _named(self.owned, name)

    def contract_paths(self, name: str) -> tuple[str, ...]:
        """The exported contracts."""
        return tuple(f"{FOLDER}/{file_name(one)}" for one in _named(self.contracts, name))

    def taken_paths(self, name: str) -> tuple[str, ...]:
        """Where nothing may be, for something of that name to be started."""
        others = _named(self.also_taken, name)
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
        InputError: none has it.
    """
    commit = last_commit(root, *template.sources)
    if commit is None or last_commit(root, template.sources[-1]) is None:
        raise InputError(
            f"{root}: no commit has the template, {template.sources[-1]}: it is taken from git. "
            "Call this inside a clone, on a branch that has it."
        )
    return commit


def render(
    root: Path, template: Template, name: str, answers: Mapping[str, Any], destination: Path
) -> None:
    """Write the files of something new into a folder.

    Raises:
        UserError: Copier fails.
    """
    with tempfile.TemporaryDirectory(prefix="answers-") as folder:
        data = Path(folder) / "answers.yml"
        given = {"template": template.name, "name": name, **answers}
        data.write_text(yaml.safe_dump(given), encoding="utf-8")
        options = ("--data-file", str(data), "--answers-file", template.answers_file(name))
        _copier(root, template, "copy", *options, str(root), str(destination))


def update(root: Path, template: Template, name: str, project: Path) -> None:
    """Bring the template's changes to the files of something in a git repository of their own.

    Where both changed the same lines, the file has both, between conflict markers.

    Raises:
        UserError: Copier fails.
    """
    options = ("--answers-file", template.answers_file(name))
    _copier(root, template, "update", *options, str(project))


def _copier(root: Path, template: Template, command: str, *arguments: str) -> None:
    call = ("run", _COPIER, "--", command, "--defaults", "--quiet")
    call_pants(root, [*call, "--vcs-ref", template_commit(root, template), *arguments])


def _named(patterns: Iterable[str], name: str) -> tuple[str, ...]:
    return tuple(pattern.format(name=name) for pattern in patterns)
