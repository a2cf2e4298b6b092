"""Targets as command-line specs: folders if all targets of a folder are meant, else files."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterator, Mapping, Set

from tools.workspace.target_graph import Target


def specs_of(
    chosen: Collection[str], every: Mapping[str, Target], *, least_depth: int = 2
) -> tuple[str, ...]:
    """The shortest list of specs that selects exactly `chosen` among `every`.

    A folder spec (`tests/tools::`) has at least `least_depth` parts.
    """
    taken = set(chosen)
    others = {folder for address in every.keys() - taken for folder in _folders(every[address])}
    found = {_spec(address, every, taken, others, least_depth) for address in taken}
    return tuple(sorted(found))


def _spec(
    address: str,
    every: Mapping[str, Target],
    taken: Set[str],
    others: Collection[str],
    least_depth: int,
) -> str:
    for folder in _folders(every[address]):
        if folder not in others and folder.count("/") + 1 >= least_depth:
            return f"{folder}::"
    file = every[address].path
    same_file = [one for one, target in every.items() if target.path == file]
    return file if not file.endswith("/") and taken >= set(same_file) else address


def _folders(target: Target) -> Iterator[str]:
    """The folders that contain a target, outermost first."""
    parts = posixpath.dirname(target.path).split("/")
    yield from ("/".join(parts[: count + 1]) for count in range(len(parts)))
