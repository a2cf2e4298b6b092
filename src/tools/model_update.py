"""Bring changes of the template to a model.

Copier's `update` takes a git repository as a whole: all of it has to be committed, all of it is
compared with the template, and what comes of that is written file by file. So a model's text files
go into a repository of their own, are updated there, and come back when that is done.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from config.errors import InputError
from config.terminal import say
from data_access_layer.atomic import staged
from tools.model_template import TEMPLATE, answers_file, owned, update
from tools.repository import has_commit, is_changed

MARKER = b"<<<<<<< "
# Nobody's name, and no hooks or signatures of this machine.
_GIT = (
    *("git", "-c", "user.name=update-model", "-c", "user.email=update-model@localhost"),
    *("-c", "commit.gpgSign=false", "-c", "core.hooksPath=/dev/null"),
)


@dataclass(frozen=True)
class Update:
    """Paths, from the root, of files that are not as they were, and of those left to a person."""

    changed: tuple[str, ...]
    conflicts: tuple[str, ...]


def updated(root: Path, name: str) -> Update:
    """Update a model's files.

    Raises:
        InputError: the model has no answers file, is not committed as it is, or its template's
            commit is not in this clone.
        UserError: Copier fails; nothing was written.
    """
    _check(root, name)
    say(f"{name}: asking Copier for its files …")
    with tempfile.TemporaryDirectory(prefix="update-") as temporary:
        project = Path(temporary) / "model"
        before = dict(_texts(root, name))
        for path, content in before.items():
            (project / path).parent.mkdir(parents=True, exist_ok=True)
            (project / path).write_bytes(content)
        _point_to(root, project / answers_file(name))
        _commit(project)
        update(root, name, project)
        _point_to(Path("."), project / answers_file(name))
        after = dict(_texts(project, name))
    changed = tuple(
        path for path in sorted({*before, *after}) if before.get(path) != after.get(path)
    )
    for path in changed:
        _put(root / path, after.get(path))
    conflicts = tuple(path for path in changed if MARKER in after.get(path, b""))
    return Update(changed, conflicts)


def _check(root: Path, name: str) -> None:
    file = answers_file(name)
    if not (root / file).is_file():
        raise InputError(
            f"{name!r}: there is no {file}: the model was not started by new-model, so there is "
            "nothing to update it from."
        )
    commit = str(yaml.safe_load((root / file).read_text(encoding="utf-8"))["_commit"])
    if not has_commit(root, commit):
        raise InputError(
            f"{file}: _commit: {commit} is not in this clone. Fetch it; if nobody has it any more, "
            f"write the commit of {TEMPLATE[1]} that the model is nearest to."
        )
    for path in owned(name):
        if is_changed(root, path):
            raise InputError(
                f"{path}: has changes that are not committed. Commit or stash them first, so that "
                "you can see what the update does."
            )


def _texts(root: Path, name: str) -> Iterator[tuple[str, bytes]]:
    """The text files of a model with their contents, by their paths from the root."""
    for top in owned(name):
        place = root / top
        for file in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if file.is_file() and "__pycache__" not in file.parts:
                content = file.read_bytes()
                if b"\0" not in content:
                    yield file.relative_to(root).as_posix(), content


def _point_to(template: Path, answers: Path) -> None:
    """Say where the template is: `.` in this repository, a whole path outside of it."""
    lines = answers.read_text(encoding="utf-8").splitlines(keepends=True)
    said = [f"_src_path: {template}\n" if line.startswith("_src_path:") else line for line in lines]
    answers.write_text("".join(said), encoding="utf-8")


def _commit(project: Path) -> None:
    for command in (
        ("init", "--quiet"),
        ("add", "--all", "--force"),
        ("commit", "--quiet", "--message", "The model as it is"),
    ):
        subprocess.run([*_GIT, *command], cwd=project, check=True, capture_output=True)


def _put(file: Path, content: bytes | None) -> None:
    if content is None:
        file.unlink()
        return
    with staged(file, option="file") as staging:
        staging.write_bytes(content)
        if file.exists():
            shutil.copymode(file, staging)
