"""Read what an editor needs: from pants.toml, BUILD files and the exported environments."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cli.errors import InputError
from tools.workspace import lockfiles

EXPORT = "./pants export"
RUFF = "ruff"
# Tests with this tag start servers, or need a repository that exists only in Pants' sandbox.
SLOW = "integration"
TASKS = "src"
TESTS = "python_tests"
_IS_STARTED = re.compile(r'^if __name__ == "__main__":', re.M)
_PYTHON = re.compile(r"python_(source|test)s?")


@dataclass(frozen=True)
class Workspace:
    """A clone as an editor needs it; paths are relative to `root`.

    Attributes:
        root: the clone.
        interpreter: the exported Python of the default resolve.
        ruff: the exported Ruff, empty if it was not exported.
        all_roots: all source roots.
        source_roots: the source roots with code of the default resolve.
        test_roots: the source roots with tests of the default resolve.
        other_tests: folders and files of tests that an editor cannot run: integration tests, and
            tests of other resolves.
        tasks: the modules that can be started.
    """

    root: Path
    interpreter: str
    ruff: str
    all_roots: tuple[str, ...]
    source_roots: tuple[str, ...]
    test_roots: tuple[str, ...]
    other_tests: tuple[str, ...]
    tasks: tuple[str, ...]

    @classmethod
    def read(cls, root: Path) -> Workspace:
        """Read a clone.

        Raises:
            InputError: its default resolve is not exported.
        """
        options = tomllib.loads((root / lockfiles.SETTINGS).read_text())
        resolve = options["python"]["default_resolve"]
        roots = [pattern.strip("/") for pattern in options["source"]["root_patterns"]]
        builds = list(_build_files(root, roots, resolve))
        code = [(of, build) for of, build in builds if _has_python(build, resolve)]
        tests = {build.parent: _has_tests(build, resolve) for _, build in builds}
        others = (path for folder in tests for path in _others(folder, tests))
        return cls(
            root=root,
            interpreter=_interpreter(root, resolve),
            ruff=_exported(root, RUFF, RUFF),
            all_roots=tuple(name for name in roots if (root / name).is_dir()),
            source_roots=_unique(of for of, _ in code),
            test_roots=_unique(of for of, build in builds if tests[build.parent]),
            other_tests=tuple(str(path.relative_to(root)) for path in others),
            tasks=tuple(sorted(_tasks(root / TASKS, {build.parent for _, build in code}))),
        )


def _interpreter(root: Path, resolve: str) -> str:
    found = _exported(root, resolve, "python")
    if found:
        return found
    where = f"{_folder(resolve)}/{lockfiles.python_version(root)}.*/bin/python"
    raise InputError(
        f"{where}: no such file, or a broken link. Run "
        f"`{EXPORT} --resolve={resolve} --resolve={RUFF}`, then run this again."
    )


def _folder(resolve: str) -> str:
    return f"dist/export/python/virtualenvs/{resolve}"


def _exported(root: Path, resolve: str, program: str) -> str:
    """A program of an exported resolve, from the newest Python; empty if there is none."""
    version = lockfiles.python_version(root)
    found = [
        path
        for path in (root / _folder(resolve)).glob(f"{version}.*/bin/{program}")
        if os.access(path, os.X_OK)
    ]
    newest = max(found, key=lambda path: int(path.parts[-3].split(".")[2]), default=None)
    return str(newest.relative_to(root)) if newest else ""


def _build_files(root: Path, roots: list[str], resolve: str) -> Iterator[tuple[str, Path]]:
    """The BUILD files of each source root, except roots that belong to another resolve."""
    for name in roots:
        files = sorted((root / name).rglob("BUILD"))
        if _is_of(root / name / "BUILD", resolve):
            yield from ((name, file) for file in files)


def _is_of(top: Path, resolve: str) -> bool:
    """Whether the targets below have a resolve by default."""
    calls = lockfiles.calls(top) if top.exists() else ()
    return all(of == resolve for of, call in calls if lockfiles.name_of(call) == "__defaults__")


def _has_python(build: Path, resolve: str) -> bool:
    return any(
        of == resolve and _PYTHON.fullmatch(lockfiles.name_of(call))
        for of, call in lockfiles.calls(build)
    )


def _has_tests(build: Path, resolve: str) -> bool | None:
    """Whether an editor can run the tests of a folder; None if there are none."""
    tests = [(of, call) for of, call in lockfiles.calls(build) if lockfiles.name_of(call) == TESTS]
    if not tests:
        return None
    return any(
        of == resolve and SLOW not in lockfiles.constants(call, "tags") for of, call in tests
    )


def _others(folder: Path, tests: Mapping[Path, bool | None]) -> Iterator[Path]:
    """A folder if no tests below it can run; if some can, only its own files."""
    if tests[folder] is not False:
        return
    if any(tests[other] for other in tests if other.is_relative_to(folder)):
        yield from sorted(folder.glob("*_test.py"))
    else:
        yield folder


def _tasks(source_root: Path, folders: Container[Path]) -> Iterator[str]:
    for path in source_root.rglob("*.py"):
        if path.parent in folders and _IS_STARTED.search(path.read_text()):
            yield ".".join(path.relative_to(source_root).with_suffix("").parts)


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
