"""What goes with a model, and who would miss it: functions of the graph of targets and of git."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cli.errors import UserError
from tools.contracts.contract_files import FOLDER, from_text
from tools.workspace.git import lines_before, lines_with
from tools.workspace.target_graph import REGISTRY, Target, TargetGraph

_CONTRACTS = "src/datasets/*.py"
_VIEWS = "src/feature_store/views/*.py"
# Python is Pants' to know, and what is generated from it goes with it.
_NOT_TEXTS = (":!*.py", ":!*.ipynb", ":!*.lock", f":!{FOLDER}", ":!.secrets.baseline")


@dataclass(frozen=True)
class Retirement:
    """What the end of a model means; paths are from the root.

    Attributes:
        removed: folders and files that go.
        dependents: whoever needs it, as addresses, each a dependency of the next.
        mentions: lines of pages and configuration that name it, as `file:line: text`.
        kept: contracts that it used and others use too, each with one of these.
        unused: feature views that nobody uses any more.
    """

    name: str
    removed: tuple[str, ...]
    dependents: tuple[tuple[str, ...], ...]
    mentions: tuple[str, ...]
    kept: tuple[tuple[str, str], ...]
    unused: tuple[str, ...]


def models_of(root: Path) -> list[str]:
    """The models of a repository."""
    return sorted(file.parent.name for file in (root / "src/models").glob("*/definition.py"))


def retirement_of(root: Path, name: str, graph: TargetGraph) -> Retirement:
    """What the end of a model means."""
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
    """Remove folders and files: all of them, or none.

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
            for was, is_at in moved:
                is_at.rename(was)
            raise UserError(
                f"{error.filename}: cannot be removed: {error.strerror}. All is as it was."
            ) from error


def _dependents(graph: TargetGraph, own: set[str]) -> tuple[tuple[str, ...], ...]:
    """Packages and images of all models take what there is: only files name a model."""
    paths = graph.paths_from(sorted(own))
    found = [
        path for address, path in paths.items() if address not in own and _is_file(graph, path[1:])
    ]
    return tuple(sorted(found, key=lambda path: (len(path), path[-1])))


def _is_file(graph: TargetGraph, path: Iterable[str]) -> bool:
    outside = [graph.targets[address] for address in path]
    return all(target.is_of_a_file and target.folder for target in outside)


def _contracts(
    graph: TargetGraph, own: set[str]
) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """The contracts' modules that only these targets use, and the others, with who uses them."""
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
    """The files of a pattern that targets depend on, directly or not."""
    needed = [PurePosixPath(address) for address in graph.dependencies_of(own)]
    return tuple(
        sorted(
            str(path) for path in needed if path.full_match(pattern) and path.name != "__init__.py"
        )
    )


def _users(graph: TargetGraph, address: str, without: set[str]) -> list[str]:
    """Files that import another, but for those that walk through all."""
    users = {
        user
        for user in graph.dependents.get(address, ())
        if user not in without and user != REGISTRY and _names_it(graph.targets[user])
    }
    return sorted(users)


def _names_it(target: Target) -> bool:
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
    """Lines that name it; one that did before it was there does so as an example."""
    names = [rf"models[./]{name}\b", rf"--model[ =]{name}\b"]
    names += [rf"datasets[./]{PurePosixPath(module).stem}\b" for module in modules]
    found = lines_with(root, "|".join(names), *_NOT_TEXTS, *(f":!{path}" for path in removed))
    found += lines_with(root, f"`{name}`", "*.md", *(f":!{path}" for path in removed))
    before = {
        file: lines_before(root, f"src/models/{name}", file) for file in {one[0] for one in found}
    }
    return tuple(
        f"{file}:{number}: {text.strip()}"
        for file, number, text in sorted(set(found))
        if text not in before[file]
    )
