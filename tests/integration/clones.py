"""Repositories made of the real build definition, for tests that change them.

To start a Pants and to read a repository takes 20 to 30 s of processor time, so the test files of
one batch take turns in a single repository, whose daemon keeps running.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from integration.commands import Result, commit_all, copy_repository, start

MODELS = ("iris", "tulip")
LOCKFILE = "3rdparty/python/locks/default.lock"
NEW = "999.0"
CHANGED = ("--changed-since=HEAD", "--changed-dependents=transitive")
SCHEMA_TEST = """\
from models.{model}.schema import SpeciesPredictions


def test_a_flower_is_one_of_three_species() -> None:
    assert len(SpeciesPredictions.to_schema().columns) == 1 + 3
"""
# Depends on nothing that a test changes, in the folder of one that does.
SIBLING_TEST = """\
def test_that_nothing_is_something() -> None:
    assert not None
"""


@dataclass(frozen=True)
class SharedRepository:
    """A commit of the build definition, the shared modules and iris, with Pants' daemon running."""

    root: Path
    commit: str

    @classmethod
    def new(cls, root: Path) -> SharedRepository:
        copy_repository(root)
        for folder in (root / "src/models").iterdir():
            # The sandbox may hold further models, for another file of the batch.
            if folder.is_dir() and folder.name != "iris":
                shutil.rmtree(folder)
        return cls(root, commit_all(root))

    @contextmanager
    def lend(self) -> Iterator[Path]:
        """Lend the repository to one test file, and restore it afterwards."""
        try:
            yield self.root
        finally:
            self._restore()

    def _restore(self) -> None:
        self._git("checkout", "--quiet", "--force", "-B", "main", self.commit)
        for branch in self._git("branch", "--format=%(refname:short)").split():
            if branch != "main":
                self._git("branch", "--quiet", "-D", branch)
        # Not what the daemon works in.
        kept = (option for name in (".pants.d", ".pids") for option in ("--exclude", f"/{name}/"))
        self._git("clean", "--quiet", "--force", "-d", "-x", *kept)
        shutil.rmtree(self.root / ".git/hooks", ignore_errors=True)

    def _git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=self.root, check=True, capture_output=True, text=True
        )
        return done.stdout


@dataclass(frozen=True)
class Clone:
    """A shared repository with a copy of iris named tulip."""

    root: Path

    @classmethod
    def new(cls, root: Path) -> Clone:
        clone = cls(root)
        clone.copy_model("iris", to="tulip")
        for model in MODELS:
            clone.write(f"tests/models/{model}/BUILD", 'python_tests(name="tests")\n')
            clone.write(f"tests/models/{model}/schema_test.py", SCHEMA_TEST.format(model=model))
            clone.write(f"tests/models/{model}/sibling_test.py", SIBLING_TEST)
        commit_all(root)
        return clone

    def copy_model(self, name: str, *, to: str) -> None:
        for source in (self.root / "src/models" / name).iterdir():
            text = re.sub(rf'(models[./]|")\b{name}\b', rf"\g<1>{to}", source.read_text())
            self.write(f"src/models/{to}/{source.name}", text)

    def write(self, file: str, text: str) -> None:
        path = self.root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def append(self, file: str, text: str = "# Changed.\n") -> None:
        self.write(file, (self.root / file).read_text() + text)

    def replace(self, file: str, pattern: str, by: str, *, times: int = 1) -> None:
        text, count = re.subn(pattern, by, (self.root / file).read_text(), flags=re.DOTALL)
        assert count == times, (file, pattern, count)
        self.write(file, text)

    def upgrade(self, project: str, *, file: str | None) -> None:
        """What is left of a new version that needs the same as the old one.

        `file` holds the requirement's line, None where only other packages ask for the project.
        """
        if file:
            self.replace(f"3rdparty/python/{file}", rf"(?<=\b{project}==)[\w.]+", NEW)
            # Once in the lockfile's header, once among what was asked for.
            self.replace(LOCKFILE, rf'(?<="{project}==)[\w.]+(?=")', NEW, times=2)
        pin = rf'("project_name": "{project}",(?:(?!"project_name").)*?"version": )"[\w.]+"'
        self.replace(LOCKFILE, pin, rf'\g<1>"{NEW}"')
        self.pants("fmt", "--only=requirement-closures", "3rdparty/python::")

    def run(self, *command: str, code: int = 0) -> Result:
        # A daemon makes each call after the first a quick one; the fixture ends it.
        result = Result.of(start(*command, cwd=self.root, env={"PANTS_PANTSD": "true"}))
        assert result.code == code, (command, result.out, result.err)
        return result

    def pants(self, *arguments: str, code: int = 0) -> Result:
        return self.run("./pants", "--no-dynamic-ui", "--no-colors", *arguments, code=code)

    def touched(self) -> set[str]:
        """The targets that Pants lists for the changes since the commit.

        Without the helpers of requirements (`…#closure/…`), on which only requirements depend.
        """
        listed = self.pants(*CHANGED, "list").out.split()
        return {target for target in listed if "#closure" not in target}

    def packages(self) -> set[str]:
        return {str(path.relative_to(self.root)) for path in (self.root / "dist").glob("*/*.pex")}

    def discard_changes(self) -> None:
        self.run("git", "reset", "--quiet", "--hard")
        shutil.rmtree(self.root / "dist", ignore_errors=True)
