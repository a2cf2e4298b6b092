"""What depends on a contract, by kind."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tools.workspace.target_graph import REGISTRY, TargetGraph


@dataclass(frozen=True)
class Dependents:
    """What depends on a contract: names of models, and paths of other files."""

    models: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    notebooks: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()

    @classmethod
    def of_files(cls, files: Iterable[str]) -> Dependents:
        """Sort paths by kind; a file in a model's folder counts as the model."""
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

    @classmethod
    def of_contract(cls, file: str, graph: TargetGraph) -> Dependents:
        """The transitive dependents of a contract's file."""
        return cls.of_files(_files_reached(graph, [file]) - {file})

    @classmethod
    def of_importers(cls, files: Iterable[str], graph: TargetGraph) -> Dependents:
        """Files that import a contract, and their transitive dependents."""
        importers = list(files)
        return cls.of_files(_files_reached(graph, importers) | set(importers))


def _files_reached(graph: TargetGraph, files: Iterable[str]) -> set[str]:
    reached = graph.paths_from(files, except_through=[REGISTRY])
    targets = [graph.targets[address] for address in reached if address in graph.targets]
    return {target.path for target in targets if target.is_of_a_file}
