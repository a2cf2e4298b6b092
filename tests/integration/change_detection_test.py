"""What a change touches, asked of the real Pants in a git repository with two models."""

from __future__ import annotations

import re
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from integration.commands import LAUNCHER, ROOT, Result, copy_launcher, start

MODELS = ("iris", "tulip")
TASKS = ("evaluate", "predict", "train")
LOCKFILE = "3rdparty/python/locks/default.lock"
CHANGED = ("--changed-since=HEAD", "--changed-dependents=transitive")
SCHEMA_TEST = """\
from models.{model}.schema import SPECIES


def test_a_flower_is_one_of_three_species() -> None:
    assert len(SPECIES) == 3
"""


@dataclass(frozen=True)
class Clone:
    """A commit of the build definition, the shared modules, iris, and a copy of it named tulip."""

    root: Path

    @classmethod
    def new(cls, root: Path) -> Clone:
        clone = cls(root)
        copy_launcher(root)
        shutil.copy(ROOT / "pants.toml", root / "pants.toml")
        for folder in ("src", "pants-plugins", "3rdparty/python"):
            shutil.copytree(
                ROOT / folder,
                root / folder,
                ignore=shutil.ignore_patterns("__pycache__", Path(LAUNCHER).name),
                dirs_exist_ok=True,
            )
        clone.write(".gitignore", "/.pants.d/\n/.pids/\n/dist/\n__pycache__/\n")
        clone.copy_model("iris", to="tulip")
        for model in MODELS:
            clone.write(f"tests/models/{model}/BUILD", 'python_tests(name="tests")\n')
            clone.write(f"tests/models/{model}/schema_test.py", SCHEMA_TEST.format(model=model))
        clone.run("git", "init", "--quiet")
        clone.run("git", "add", ".")
        author = ("-c", "user.name=Test", "-c", "user.email=test@example.com")
        clone.run("git", *author, "commit", "--quiet", "--message=Two models")
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

    def replace(self, file: str, pattern: str, by: str) -> None:
        text, count = re.subn(pattern, by, (self.root / file).read_text(), flags=re.DOTALL)
        assert count == 1, (file, pattern, count)
        self.write(file, text)

    def upgrade(self, project: str, *, file: str) -> None:
        """As `generate-lockfiles` does when a new version of one project changes nothing else."""
        self.replace(f"3rdparty/python/{file}", rf"(?<=\b{project}==)[\w.]+", "999")
        self.replace(LOCKFILE, rf'(?<="{project}==)[\w.]+', "999")
        pin = rf'("project_name": "{project}",(?:(?!"project_name").)*?"version": )"[\w.]+"'
        self.replace(LOCKFILE, pin, r'\g<1>"999"')
        self.pants("fmt", "--only=requirement-closures", "3rdparty/python::")

    def run(self, *command: str) -> Result:
        # A daemon makes each call after the first a quick one; `stop_pantsd` ends it.
        result = Result.of(start(*command, cwd=self.root, env={"PANTS_PANTSD": "true"}))
        assert result.code == 0, (command, result.out, result.err)
        return result

    def pants(self, *arguments: str) -> Result:
        return self.run("./pants", "--no-dynamic-ui", "--no-colors", *arguments)

    def touched(self, folder: str = "") -> set[str]:
        """The targets in `folder` that Pants lists for the changes since the commit."""
        targets = self.pants(*CHANGED, "list").out.split()
        return {target for target in targets if target.startswith(folder)}

    def packages(self) -> set[str]:
        return {str(path.relative_to(self.root)) for path in (self.root / "dist").glob("*/*.pex")}

    def discard_changes(self) -> None:
        self.run("git", "reset", "--quiet", "--hard")
        shutil.rmtree(self.root / "dist", ignore_errors=True)

    def stop_pantsd(self) -> None:
        for file in self.root.glob(".pids/*/pantsd/pid"):
            process = psutil.Process(int(file.read_text()))
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    clone = Clone.new(tmp_path_factory.mktemp("clone"))
    try:
        yield clone
    finally:
        clone.stop_pantsd()


@pytest.fixture
def clone(committed: Clone) -> Iterator[Clone]:
    yield committed
    committed.discard_changes()


def of_model(model: str, *names: str) -> set[str]:
    """Addresses of a model's modules (`schema.py`) and binaries (`:train`)."""
    return {f"src/models/{model}{'' if name[0] == ':' else '/'}{name}" for name in names}


def of_models(*names: str) -> set[str]:
    return {address for model in MODELS for address in of_model(model, *names)}


def shared(*names: str) -> set[str]:
    return {f"src/models{'' if name[0] == ':' else '/'}{name}" for name in names}


def test_a_change_of_one_model_touches_it_and_the_binaries_of_all_models(clone: Clone) -> None:
    clone.append("src/models/tulip/schema.py")
    print(sorted(clone.touched()))


def test_shared(clone: Clone) -> None:
    clone.append("src/models/metrics.py")
    print(sorted(clone.touched()))


@pytest.mark.parametrize(("project", "file"), [("matplotlib", "plots.txt"), ("skops", "modelling.txt"), ("jupyterlab", "notebooks.txt")])
def test_requirement(clone: Clone, project: str, file: str) -> None:
    clone.upgrade(project, file=file)
    print(sorted(clone.touched()))


def test_test(clone: Clone) -> None:
    clone.append("src/models/tulip/schema.py")
    r = clone.pants(*CHANGED, "test")
    print(r)


def test_package(clone: Clone) -> None:
    clone.append("src/models/tulip/predict.py")
    r = clone.pants(*CHANGED, "package")
    print(r, clone.packages())
