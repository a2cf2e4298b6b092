"""Pants' targets, their dependencies, and the files that they own."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from tools.workspace.pants import peek

BUILD_FILE = "BUILD"
# It imports every contract and reads none, so a change of a contract stops here.
REGISTRY = "src/datasets/registry.py"


@dataclass(frozen=True)
class Target:
    """One target; `globs` are the patterns of its sources, relative to its folder."""

    address: str
    type: str
    sources: tuple[str, ...] = ()
    globs: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()
    tags: frozenset[str] = frozenset()

    @classmethod
    def from_peek(cls, entry: Mapping[str, Any]) -> Target:
        """From one entry of the output of `./pants peek`."""
        single = entry.get("source_raw")
        return cls(
            address=entry["address"],
            type=entry["target_type"],
            sources=tuple(entry.get("sources") or ()),
            globs=tuple(entry.get("sources_raw") or ([single] if single else ())),
            dependencies=tuple(entry.get("dependencies") or ()),
            tags=frozenset(entry.get("tags") or ()),
        )

    @cached_property
    def folder(self) -> str:
        """The folder of the BUILD file that declares it."""
        # `tests/models/iris/a_test.py:../tests` belongs to a target in tests/models.
        path, _, name = self._address.partition(":")
        folder = posixpath.dirname(path) if self.is_of_a_file else path
        return posixpath.normpath(posixpath.join(folder, posixpath.dirname(name) or ".")).strip(".")

    @cached_property
    def generator(self) -> str:
        """The address of the target that generates it, empty if none does."""
        path, _, name = self._address.partition(":")
        if self.is_of_a_file:
            name = posixpath.basename(name) or posixpath.basename(self.folder)
        elif "#" in self.address:
            name = name or posixpath.basename(path)
        else:
            return ""
        return f"{self.folder or '//'}:{name}"

    @cached_property
    def path(self) -> str:
        """Its file, if it represents one, else its folder with a trailing slash."""
        return self.sources[0] if self.is_of_a_file else f"{self.folder}/"

    @property
    def _address(self) -> str:
        # Without parameters (`@resolve=docs`) and the name of a generated target (`#pandas`).
        return self.address.removeprefix("//").partition("@")[0].partition("#")[0]

    @property
    def is_of_a_file(self) -> bool:
        """Whether it represents one file, and not a folder or a package."""
        return self._address.partition(":")[0] in self.sources

    def would_own(self, file: str) -> bool:
        """Whether its patterns include a file that is deleted."""
        path = PurePosixPath(file)
        if not path.is_relative_to(self.folder or "."):
            return False
        path = path.relative_to(self.folder or ".")
        matching = [glob for glob in self.globs if path.full_match(glob.removeprefix("!"))]
        return bool(matching) and not any(glob.startswith("!") for glob in matching)


@dataclass(frozen=True)
class TargetGraph:
    """Every target, by its address."""

    targets: Mapping[str, Target]

    @classmethod
    def from_peek(cls, entries: Iterable[Mapping[str, Any]]) -> TargetGraph:
        """From the output of `./pants peek ::`."""
        targets = map(Target.from_peek, entries)
        return cls({target.address: target for target in targets})

    @classmethod
    def of_repository(cls, root: Path, *options: str) -> TargetGraph:
        """Ask Pants for all targets.

        Raises:
            PantsError: Pants cannot be started, or fails.
        """
        return cls.from_peek(peek(root, *options))

    @cached_property
    def dependents(self) -> Mapping[str, tuple[str, ...]]:
        """The direct dependents of each target."""
        found: dict[str, list[str]] = {}
        for address in sorted(self.targets):
            for dependency in self.targets[address].dependencies:
                found.setdefault(dependency, []).append(address)
        return {address: tuple(those) for address, those in found.items()}

    def paths_from(
        self, addresses: Iterable[str], *, except_through: Collection[str] = ()
    ) -> dict[str, tuple[str, ...]]:
        """The targets and all their transitive dependents, each with a shortest path.

        Deterministic. Leaves out `except_through`, and what is reached only through these.
        """
        reached: dict[str, tuple[str, ...]] = {address: (address,) for address in addresses}
        waiting = list(reached)
        for address in waiting:
            for dependent in self.dependents.get(address, ()):
                if dependent not in reached and dependent not in except_through:
                    reached[dependent] = (*reached[address], dependent)
                    waiting.append(dependent)
        return reached

    def dependencies_of(self, addresses: Iterable[str]) -> frozenset[str]:
        """The targets and all their transitive dependencies."""
        reached = dict.fromkeys(addresses)
        waiting = list(reached)
        for address in waiting:
            new = set(self.targets[address].dependencies) & self.targets.keys() - reached.keys()
            reached |= dict.fromkeys(new)
            waiting += new
        return frozenset(reached)

    @cached_property
    def generators(self) -> frozenset[str]:
        """The targets that generate others."""
        return frozenset(target.generator for target in self.targets.values()) - {""}

    def owners(self, file: str) -> tuple[str, ...]:
        """The targets that own a file, as in Pants; a BUILD file also owns those it declares."""
        name = posixpath.basename(file)
        if name == BUILD_FILE or name.startswith(f"{BUILD_FILE}."):
            declared = self._declared_in(posixpath.dirname(file))
            return tuple(sorted({*declared, *self._owners_of_source(file)}))
        return tuple(sorted(self._owners_of_source(file)))

    def _declared_in(self, folder: str) -> list[str]:
        return [
            address
            for address, target in self.targets.items()
            if target.folder == folder and address not in self.generators
        ]

    def _owners_of_source(self, file: str) -> Iterable[str]:
        if file in self._by_source:
            return self._by_source[file]
        return [address for address, target in self.targets.items() if target.would_own(file)]

    @cached_property
    def _by_source(self) -> Mapping[str, tuple[str, ...]]:
        found: dict[str, list[str]] = {}
        for address, target in self.targets.items():
            for source in target.sources if address not in self.generators else ():
                found.setdefault(source, []).append(address)
        return {source: tuple(those) for source, those in found.items()}
