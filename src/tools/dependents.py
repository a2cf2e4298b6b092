"""Who depends on a source file, as Pants knows it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.launcher import call_pants

# Whoever walks through all contracts takes each as it is, and reads no column of any.
NOT_THROUGH = ("src/datasets/registry.py",)
# An import of a module that is gone is no reason not to say who imports the others.
_FORGIVING = "--python-infer-unowned-dependency-behavior=ignore"


@dataclass(frozen=True)
class Dependents:
    """Whom a change reaches: names of models, and paths of all else."""

    models: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    notebooks: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()

    @classmethod
    def of_files(cls, files: Iterable[str]) -> Dependents:
        """Sort paths by what they are; a model stands for the files of its folder."""
        models, modules, notebooks, tests = set(), set(), set(), set()
        for file in files:
            parts = file.split("/")
            if parts[:2] == ["src", "models"] and len(parts) > 3:
                models.add(parts[2])
            if file.endswith(".ipynb"):
                notebooks.add(file)
            elif parts[0] == "tests":
                tests.add(file)
            elif file.endswith(".py"):
                modules.add(file)
        return cls(*(tuple(sorted(found)) for found in (models, modules, notebooks, tests)))


@dataclass(frozen=True)
class Graph:
    """Each target's sources, and the targets that depend on it."""

    sources: Mapping[str, Sequence[str]]
    dependents: Mapping[str, Sequence[str]]

    @classmethod
    def from_peek(cls, targets: Iterable[Mapping[str, object]]) -> Graph:
        """From what `./pants peek ::` prints."""
        sources: dict[str, list[str]] = {}
        dependents: dict[str, list[str]] = {}
        for target in targets:
            address = str(target["address"])
            sources[address] = _strings(target.get("sources"))
            for dependency in _strings(target.get("dependencies")):
                dependents.setdefault(dependency, []).append(address)
        return cls(sources, dependents)

    def reached_from(self, files: Iterable[str], *, with_them: bool = False) -> Dependents:
        """Whatever depends, directly or not, on one of these files; and they, if they count too."""
        start = set(files)
        waiting, seen = sorted(start), set(start)
        while waiting:
            for dependent in self.dependents.get(waiting.pop(), ()):
                if dependent not in seen and dependent not in NOT_THROUGH:
                    seen.add(dependent)
                    waiting.append(dependent)
        # Of a target that makes one per file, only those that were reached count.
        reached = {file for one in seen for file in self.sources.get(one, ()) if _is_of(one, file)}
        return Dependents.of_files(reached | start if with_them else reached - start)


def ask_pants(root: Path) -> Graph:
    """The graph of the whole repository.

    Raises:
        UserError: Pants does not answer.
    """
    printed = call_pants(
        root, _FORGIVING, "peek", "::", problem="Pants does not say who depends on it"
    )
    return Graph.from_peek(json.loads(printed))


def _strings(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []


def _is_of(address: str, file: str) -> bool:
    """Whether an address is that of one file (`a/b.py`, `a/b_test.py:tests`)."""
    return address.partition(":")[0] == file
