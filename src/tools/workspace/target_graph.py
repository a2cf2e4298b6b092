"""The targets of the repository, who depends on whom, and who owns a file, as Pants knows it."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from tools.workspace.pants import peek

BUILD_FILE = "BUILD"
# It imports every contract and reads none: a change of one does not reach further through it.
REGISTRY = "src/datasets/registry.py"


@dataclass(frozen=True)
class Target:
    """One target; `globs` are what its BUILD file says of its sources, seen from its folder."""

    address: str
    type: str
    sources: tuple[str, ...] = ()
    globs: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()
    tags: frozenset[str] = frozenset()

    @classmethod
    def from_peek(cls, told: Mapping[str, Any]) -> Target:
        """From one entry of what `./pants peek` prints."""
        single = told.get("source_raw")
        return cls(
            address=told["address"],
            type=told["target_type"],
            sources=tuple(told.get("sources") or ()),
            globs=tuple(told.get("sources_raw") or ([single] if single else ())),
            dependencies=tuple(told.get("dependencies") or ()),
            tags=frozenset(told.get("tags") or ()),
        )

    @cached_property
    def folder(self) -> str:
        """The folder of the BUILD file that declares it."""
        # `tests/models/iris/a_test.py:../tests` is of a target in tests/models.
        path, _, name = self._address.partition(":")
        folder = posixpath.dirname(path) if self.is_of_a_file else path
        return posixpath.normpath(posixpath.join(folder, posixpath.dirname(name) or ".")).strip(".")

    @cached_property
    def generator(self) -> str:
        """The address of the target that makes it, if one does: one per file or requirement."""
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
        """The file that it stands for, else its folder with a slash at the end."""
        return self.sources[0] if self.is_of_a_file else f"{self.folder}/"

    @property
    def _address(self) -> str:
        # Without what it is for (`@resolve=docs`), and which part of another it is (`#pandas`).
        return self.address.removeprefix("//").partition("@")[0].partition("#")[0]

    @property
    def is_of_a_file(self) -> bool:
        """Whether it stands for one file, and not for a folder or a package."""
        return self._address.partition(":")[0] in self.sources

    def would_own(self, file: str) -> bool:
        """Whether a file that is gone was one of its sources."""
        seen = PurePosixPath(file)
        if not seen.is_relative_to(self.folder or "."):
            return False
        seen = seen.relative_to(self.folder or ".")
        fits = [glob for glob in self.globs if seen.full_match(glob.removeprefix("!"))]
        return bool(fits) and not any(glob.startswith("!") for glob in fits)


@dataclass(frozen=True)
class TargetGraph:
    """Every target, by its address."""

    targets: Mapping[str, Target]

    @classmethod
    def from_peek(cls, told: Iterable[Mapping[str, Any]]) -> TargetGraph:
        """From what `./pants peek ::` prints."""
        targets = map(Target.from_peek, told)
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
        """Of each target, those that name or import it."""
        found: dict[str, list[str]] = {}
        for address in sorted(self.targets):
            for dependency in self.targets[address].dependencies:
                found.setdefault(dependency, []).append(address)
        return {address: tuple(those) for address, those in found.items()}

    def paths_from(
        self, addresses: Iterable[str], *, except_through: Collection[str] = ()
    ) -> dict[str, tuple[str, ...]]:
        """The targets themselves and all that depend on them, each with a shortest path.

        Deterministic. What is reached only through one of `except_through` is left out, with that.
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
        """The targets themselves and all that they depend on, directly or not."""
        reached = dict.fromkeys(addresses)
        waiting = list(reached)
        for address in waiting:
            new = set(self.targets[address].dependencies) & self.targets.keys() - reached.keys()
            reached |= dict.fromkeys(new)
            waiting += new
        return frozenset(reached)

    @cached_property
    def generators(self) -> frozenset[str]:
        """The targets that make others: what changes is one of those."""
        return frozenset(target.generator for target in self.targets.values()) - {""}

    def owners(self, file: str) -> tuple[str, ...]:
        """The targets that a changed file is part of, or that it declares; as Pants finds them."""
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
