"""Apply later changes of a template to the files that were started from it.

Copier's `update` takes a whole git repository: all of it must be committed, and Copier compares all
of it with the template. So the text files are copied into a separate repository, updated there, and
copied back.
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
from data_access_layer.atomic import stage_path
from tools.scaffold.template import ALL, MODEL, Template, update
from tools.workspace.git import has_commit, is_changed

MARKER = b"<<<<<<< "
# Without the user's identity, hooks and signatures.
_GIT = (
    *("git", "-c", "user.name=update", "-c", "user.email=update@localhost"),
    *("-c", "commit.gpgSign=false", "-c", "core.hooksPath=/dev/null"),
)


@dataclass(frozen=True)
class Update:
    """Paths of changed files, and of those with conflicts, from the root."""

    changed: tuple[str, ...]
    conflicts: tuple[str, ...]


def find_template(root: Path, name: str) -> Template:
    """The template that a model, dataset or feature view was started from.

    Raises:
        InputError: nothing with this name was started from a template.
    """
    for template in ALL:
        if (root / template.answers_file(name)).is_file():
            return template
    known = sorted(_started_names(root))
    raise InputError(
        f"{name!r} was not started from a template: there is no {MODEL.answers_file(name)}, nor an "
        "answers file of a dataset or a feature view. Started from templates: "
        f"{', '.join(known) or 'nothing yet'}."
    )


def _started_names(root: Path) -> Iterator[str]:
    for template in ALL:
        before, _, after = template.answers.partition("{name}")
        for file in root.glob(template.answers_file("*")):
            yield file.relative_to(root).as_posix().removeprefix(before).removesuffix(after)


def update_files(root: Path, name: str) -> Update:
    """Update the files of a model, dataset or feature view from its template.

    Raises:
        InputError: it has no answers file, has uncommitted changes, or this clone lacks the commit
            of its template.
        UserError: Copier fails. Nothing was written.
    """
    template = find_template(root, name)
    _check(root, template, name)
    say(f"{name}: Copier renders the template …")
    answers = template.answers_file(name)
    with tempfile.TemporaryDirectory(prefix="update-") as temporary:
        project = Path(temporary) / "project"
        before = dict(_read_text_files(root, template, name))
        for path, content in before.items():
            (project / path).parent.mkdir(parents=True, exist_ok=True)
            (project / path).write_bytes(content)
        _set_source(root, project / answers)
        _commit(project)
        update(root, template, name, project)
        _set_source(Path("."), project / answers)
        after = dict(_read_text_files(project, template, name))
    changed = tuple(
        path for path in sorted({*before, *after}) if before.get(path) != after.get(path)
    )
    for path in changed:
        _replace(root / path, after.get(path))
    conflicts = tuple(path for path in changed if MARKER in after.get(path, b""))
    return Update(changed, conflicts)


def _check(root: Path, template: Template, name: str) -> None:
    file = template.answers_file(name)
    commit = str(yaml.safe_load((root / file).read_text(encoding="utf-8"))["_commit"])
    if not has_commit(root, commit):
        raise InputError(
            f"{file}: _commit: {commit} is not in this clone. Fetch it. If the commit is lost, "
            f"replace it by the commit of {template.sources[-1]} that is most similar."
        )
    for path in template.paths(name):
        if is_changed(root, path):
            raise InputError(
                f"{path} has uncommitted changes. Commit or stash them first, so that you can see "
                "what the update changes."
            )


def _read_text_files(root: Path, template: Template, name: str) -> Iterator[tuple[str, bytes]]:
    """The text files that the template may have written, by path from the root."""
    for top in template.paths(name):
        owned = root / top
        for file in sorted(owned.rglob("*")) if owned.is_dir() else [owned]:
            if file.is_file() and "__pycache__" not in file.parts:
                content = file.read_bytes()
                if b"\0" not in content:
                    yield file.relative_to(root).as_posix(), content


def _set_source(template: Path, answers: Path) -> None:
    """Set the repository of the template: `.` is this one, elsewhere it is an absolute path."""
    lines = answers.read_text(encoding="utf-8").splitlines(keepends=True)
    new = [f"_src_path: {template}\n" if line.startswith("_src_path:") else line for line in lines]
    answers.write_text("".join(new), encoding="utf-8")


def _commit(project: Path) -> None:
    for command in (
        ("init", "--quiet"),
        ("add", "--all", "--force"),
        ("commit", "--quiet", "--message", "Before the update"),
    ):
        subprocess.run([*_GIT, *command], cwd=project, check=True, capture_output=True)


def _replace(file: Path, content: bytes | None) -> None:
    if content is None:
        file.unlink()
        return
    with stage_path(file, option="file") as staging:
        staging.write_bytes(content)
        if file.exists():
            shutil.copymode(file, staging)
