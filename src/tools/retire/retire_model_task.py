"""Find what retiring a model removes and what depends on it, and remove it."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cli.errors import UserError
from tools.contracts.contract_files import FOLDER, from_text
from tools.workspace.git import lines_before, lines_with
from tools.workspace.target_graph import REGISTRY, Target, TargetGraph

_CONTRACTS = "src/datasets/*.py"
_VIEWS = "src/feature_store/views/*.py"
# Pants tracks dependencies of Python files, and the others are generated.
_NOT_SEARCHED = (":!*.py", ":!*.ipynb", ":!*.lock", f":!{FOLDER}", ":!.secrets.baseline")


@dataclass(frozen=True)
class Retirement:
    """What retiring a model removes and keeps; paths are relative to the root.

    Attributes:
        removed: folders and files to remove.
        dependents: what depends on the model, as addresses, each a dependency of the next.
        mentions: lines of documentation and configuration that name it, as `file:line: text`.
        kept: contracts that others use too, each with one of these.
        unused: feature views that nothing uses afterwards.
    """

    name: str
    removed: tuple[str, ...]
    dependents: tuple[tuple[str, ...], ...]
    mentions: tuple[str, ...]
    kept: tuple[tuple[str, str], ...]
    unused: tuple[str, ...]


def plan_retirement(root: Path, name: str, graph: TargetGraph) -> Retirement:
    """Find what retiring a model removes, and what depends on the model."""
    folders = [f"src/models/{name}", f"tests/models/{name}"]
    own = {
        address
        for address, target in graph.targets.items()
        if any(PurePosixPath(target.folder).is_relative_to(folder) for folder in folders)
    }
    modules, kept = _contracts(graph, own)
    gone = own | set(modules)
    removed = [*folders, *modules, *_exported(root, modules)]
    return Retirement(
        name,
        tuple(path for path in removed if (root / path).exists()),
        _dependents(graph, own),
        _mentions(root, name, modules, removed),
        kept,
        tuple(
            path
            for path in _needed(graph, own, _VIEWS)
            if not [user for user in _users(graph, path, gone) if not user.startswith("tests/")]
        ),
    )


def remove(root: Path, paths: Sequence[str]) -> None:
    """Remove folders and files: all or, if one cannot be removed, none.

    Raises:
        UserError: one cannot be removed.
    """
    moved: list[tuple[Path, Path]] = []
    with tempfile.TemporaryDirectory(prefix=".retired-", dir=root) as folder:
        try:
            for number, path in enumerate(paths):
                place = Path(folder) / str(number)
                (root / path).rename(place)
                moved.append((root / path, place))
        except OSError as error:
            for original, moved_to in moved:
                moved_to.rename(original)
            raise UserError(
                f"{error.filename}: cannot be removed: {error.strerror}. Nothing was removed."
            ) from error


def _dependents(graph: TargetGraph, own: set[str]) -> tuple[tuple[str, ...], ...]:
    """The files that depend on the model; packages and images of all models are not obstacles."""
    paths = graph.paths_from(sorted(own))
    found = [
        path
        for address, path in paths.items()
        if address not in own and all(_is_source(graph.targets[one]) for one in path[1:])
    ]
    return tuple(sorted(found, key=lambda path: (len(path), path[-1])))


def _contracts(
    graph: TargetGraph, own: set[str]
) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """The modules of contracts that only these targets use; and the others, each with a user."""
    going = set(_needed(graph, own, _CONTRACTS))
    kept: dict[str, str] = {}
    while found := {
        module: users[0]
        for module in sorted(going)
        if (users := _users(graph, module, own | going))
    }:
        kept |= found
        going -= found.keys()
    return tuple(sorted(going)), tuple(sorted(kept.items()))


def _needed(graph: TargetGraph, own: set[str], pattern: str) -> tuple[str, ...]:
    """The files of a pattern among the targets' transitive dependencies."""
    needed = [PurePosixPath(address) for address in graph.dependencies_of(own)]
    return tuple(
        sorted(
            str(path) for path in needed if path.full_match(pattern) and path.name != "__init__.py"
        )
    )


def _users(graph: TargetGraph, address: str, without: set[str]) -> list[str]:
    """The files that import a module, except the registry, which imports all."""
    users = {
        user
        for user in graph.dependents.get(address, ())
        if user not in without and user != REGISTRY and _is_source(graph.targets[user])
    }
    return sorted(users)


def _is_source(target: Target) -> bool:
    """Whether a target is one file, and not one of the root's copies for tests."""
    return target.is_of_a_file and bool(target.folder)


def _exported(root: Path, modules: Sequence[str]) -> list[str]:
    found = []
    for file in sorted((root / FOLDER).glob("*.yaml")):
        path = file.relative_to(root).as_posix()
        if from_text(file.read_text(encoding="utf-8"), path).file in modules:
            found.append(path)
    return found


def _mentions(
    root: Path, name: str, modules: Sequence[str], removed: Sequence[str]
) -> tuple[str, ...]:
    """Lines that name the model or its contracts, except those from before the model existed."""
    names = [rf"models[./]{name}\b", rf"--model[ =]{name}\b"]
    names += [rf"datasets[./]{PurePosixPath(module).stem}\b" for module in modules]
    found = lines_with(root, "|".join(names), *_NOT_SEARCHED, *(f":!{path}" for path in removed))
    found += lines_with(root, f"`{name}`", "*.md", *(f":!{path}" for path in removed))
    before = {
        file: lines_before(root, f"src/models/{name}", file) for file in {one[0] for one in found}
    }
    return tuple(
        f"{file}:{number}: {text.strip()}"
        for file, number, text in sorted(set(found))
        if text not in before[file]
    )
