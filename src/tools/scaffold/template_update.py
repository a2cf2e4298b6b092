"""Bring changes of a template to what was started from it.

Copier's `update` takes a git repository as a whole: all of it has to be committed, all of it is
compared with the template, and what comes of that is written file by file. So the text files of
what was started go into a repository of their own, are updated there, and come back afterwards.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from cli.errors import InputError
from cli.terminal import say
from data_access_layer.atomic import staged
from tools.scaffold.template import ALL, MODEL, Template, update
from tools.workspace.git import has_commit, is_changed

MARKER = b"<<<<<<< "
# Nobody's name, and no hooks or signatures of this machine.
_GIT = (
    *("git", "-c", "user.name=update", "-c", "user.email=update@localhost"),
    *("-c", "commit.gpgSign=false", "-c", "core.hooksPath=/dev/null"),
)


@dataclass(frozen=True)
class Update:
    """Paths, from the root, of files that are not as they were, and of those left to a person."""

    changed: tuple[str, ...]
    conflicts: tuple[str, ...]


def started_from(root: Path, name: str) -> Template:
    """The template that something was started from.

    Raises:
        InputError: nothing of that name was.
    """
    for template in ALL:
        if (root / template.answers_file(name)).is_file():
            return template
    known = sorted(started_names(root))
    raise InputError(
        f"{name!r}: there is no {MODEL.answers_file(name)}, nor one of a dataset or a feature "
        "view: it was not started from a template, so there is nothing to update it from. "
        f"Started so: {', '.join(known) or 'nothing yet'}."
    )


def started_names(root: Path) -> Iterator[str]:
    """The names of all that was started from a template."""
    for template in ALL:
        before, _, after = template.answers.partition("{name}")
        for file in root.glob(template.answers_file("*")):
            yield file.relative_to(root).as_posix().removeprefix(before).removesuffix(after)


def updated(root: Path, name: str) -> Update:
    """Update the files of what was started under a name.

    Raises:
        InputError: it has no answers file, is not committed as it is, or its template's commit is
            not in this clone.
        UserError: Copier fails; nothing was written.
    """
    template = started_from(root, name)
    _check(root, template, name)
    say(f"{name}: asking Copier for its files …")
    answers = template.answers_file(name)
    with tempfile.TemporaryDirectory(prefix="update-") as temporary:
        project = Path(temporary) / "project"
        before = dict(_texts(root, template, name))
        for path, content in before.items():
            (project / path).parent.mkdir(parents=True, exist_ok=True)
            (project / path).write_bytes(content)
        _point_to(root, project / answers)
        _commit(project)
        update(root, template, name, project)
        _point_to(Path("."), project / answers)
        after = dict(_texts(project, template, name))
    changed = tuple(
        path for path in sorted({*before, *after}) if before.get(path) != after.get(path)
    )
    for path in changed:
        _put(root / path, after.get(path))
    conflicts = tuple(path for path in changed if MARKER in after.get(path, b""))
    return Update(changed, conflicts)


def _check(root: Path, template: Template, name: str) -> None:
    file = template.answers_file(name)
    commit = str(yaml.safe_load((root / file).read_text(encoding="utf-8"))["_commit"])
    if not has_commit(root, commit):
        raise InputError(
            f"{file}: _commit: {commit} is not in this clone. Fetch it; if nobody has it any more, "
            f"write the commit of {template.sources[-1]} that this is nearest to."
        )
    for path in template.paths(name):
        if is_changed(root, path):
            raise InputError(
                f"{path}: has changes that are not committed. Commit or stash them first, so that "
                "you can see what the update does."
            )


def _texts(root: Path, template: Template, name: str) -> Iterator[tuple[str, bytes]]:
    """The text files of what was started with their contents, by their paths from the root."""
    for top in template.paths(name):
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
        ("commit", "--quiet", "--message", "As it is"),
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
