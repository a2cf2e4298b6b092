"""The template of a model, src/tools/templates/model, and Copier, which renders it.

Copier takes the template from git: from the last commit that changed it, whose short name a model's
answers file keeps. It runs in a resolve of its own, so Pants starts it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from config.errors import InputError, UserError
from tools.peek import PantsError, ask
from tools.repository import last_commit

TEMPLATE = ("copier.yml", "src/tools/templates/model")
_COPIER = "3rdparty/python/tools:copier-command"


def template_commit(root: Path) -> str:
    """The last commit that changed the template.

    Raises:
        InputError: none has it.
    """
    commit = last_commit(root, *TEMPLATE)
    if commit is None:
        raise InputError(
            f"{root}: no commit has the template, {TEMPLATE[1]}: it is taken from git. Call this "
            "inside a clone, on a branch that has it."
        )
    return commit


def answers_file(name: str) -> str:
    """Where a model keeps what its template was given."""
    return f"src/models/{name}/.copier-answers.yml"


def owned(name: str) -> tuple[str, ...]:
    """The folders and files that the template writes, from the root."""
    return (f"src/models/{name}", f"src/datasets/{name}.py", f"tests/models/{name}")


def render(root: Path, name: str, answers: Mapping[str, Any], destination: Path) -> None:
    """Write a model's files into a folder.

    Raises:
        UserError: Copier fails.
    """
    with tempfile.TemporaryDirectory(prefix="answers-") as folder:
        data = Path(folder) / "answers.yml"
        data.write_text(yaml.safe_dump({"name": name, **answers}), encoding="utf-8")
        options = ("--data-file", str(data), "--answers-file", answers_file(name))
        _copier(root, "copy", *options, str(root), str(destination))


def update(root: Path, name: str, project: Path) -> None:
    """Bring the template's changes to a model's files in a git repository of their own.

    Where both changed the same lines, the file has both, between conflict markers.

    Raises:
        UserError: Copier fails.
    """
    _copier(root, "update", "--answers-file", answers_file(name), str(project))


def _copier(root: Path, command: str, *arguments: str) -> None:
    call = ("--level=warn", "run", _COPIER, "--", command, "--defaults", "--quiet")
    try:
        ask(root, [*call, "--vcs-ref", template_commit(root), *arguments])
    except PantsError as error:
        raise UserError(f"Copier does not write the model. {error}") from error
