"""What a change affects, and why: a function of the changed files and the graph of targets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tools.change.affected_rules import BEYOND_THE_GRAPH, KINDS, Beyond, Kind
from tools.workspace.target_graph import TargetGraph


@dataclass(frozen=True, order=True)
class Cause:
    """A changed file, and how it reaches a thing.

    Attributes:
        path: addresses, each a dependency of the next; the first owns the file, the last is part
            of the thing.
        reason: why, where no dependency leads there.
    """

    file: str
    path: tuple[str, ...]
    reason: str = ""


@dataclass(frozen=True)
class Thing:
    """A model, an image or the like that is affected: by which of its targets, and why.

    `causes` has each changed file that reaches it, the nearest first.
    """

    kind: str
    name: str
    targets: tuple[str, ...]
    causes: tuple[Cause, ...]


@dataclass(frozen=True)
class Change:
    """What a change affects.

    Attributes:
        targets: those that Pants, too, lists for it, and those beyond the graph.
        without_target: the changed files that affect nothing, as far as anybody knows.
    """

    files: tuple[str, ...]
    things: tuple[Thing, ...]
    targets: tuple[str, ...]
    without_target: tuple[str, ...]

    def of_kind(self, kind: str) -> tuple[Thing, ...]:
        """The affected things of one kind."""
        return tuple(thing for thing in self.things if thing.kind == kind)


def change_of(
    files: Iterable[str],
    graph: TargetGraph,
    *,
    names: Mapping[str, Sequence[str]] | None = None,
    kinds: Sequence[Kind] = KINDS,
    beyond: Sequence[Beyond] = BEYOND_THE_GRAPH,
) -> Change:
    """What a change of files affects; `names` has files that hold things of other names."""
    changed = tuple(sorted(set(files)))
    things = _Things.of(graph, kinds, names or {})
    owners = {file: graph.owners(file) for file in changed}
    # A target that stands for all of its sources, where some of these are changed; as in Pants.
    passed_over = graph.generators - {owner for some in owners.values() for owner in some}
    targets: set[str] = set()
    without_target = []
    for file in changed:
        beyond_it, reached = things.beyond(file, beyond), _reached(file, owners[file], graph)
        things.add({**beyond_it, **reached})
        targets |= beyond_it.keys() | (reached.keys() - passed_over)
        if not beyond_it and not reached:
            without_target.append(file)
    return Change(changed, things.affected(kinds), tuple(sorted(targets)), tuple(without_target))


@dataclass(frozen=True)
class _Things:
    """Which things each target is part of, as (kind, name); and the causes that are found."""

    of_target: Mapping[str, Sequence[tuple[str, str]]]
    causes: dict[tuple[str, str], list[Cause]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, graph: TargetGraph, kinds: Iterable[Kind], names: Mapping[str, Sequence[str]]
    ) -> _Things:
        found: dict[str, Sequence[tuple[str, str]]] = {}
        for address, target in graph.targets.items():
            for kind in kinds:
                if name := kind.name_of(target):
                    found[address] = [(kind.name, one) for one in names.get(target.path, [name])]
        there = {thing for things in found.values() for thing in things}
        for address, target in graph.targets.items():
            carried = {(kind.name, kind.carried_by(target) or "") for kind in kinds} & there
            if carried:
                found[address] = [*found.get(address, ()), *sorted(carried)]
        return cls(found)

    def beyond(self, file: str, rules: Iterable[Beyond]) -> dict[str, Cause]:
        """What a file reaches without being anybody's dependency."""
        return {
            address: Cause(file, (address,), rule.reason)
            for rule in rules
            if rule.fits(file)
            for address, things in self.of_target.items()
            # The first is what it is itself, and not what it only changes.
            if not rule.kinds or things[0][0] in rule.kinds
        }

    def add(self, reached: Mapping[str, Cause]) -> None:
        for address, cause in reached.items():
            for thing in self.of_target.get(address, ()):
                self.causes.setdefault(thing, []).append(cause)

    def affected(self, kinds: Iterable[Kind]) -> tuple[Thing, ...]:
        order = [kind.name for kind in kinds]
        found = sorted(self.causes, key=lambda thing: (order.index(thing[0]), thing[1]))
        return tuple(_thing(*thing, self.causes[thing]) for thing in found)


def _reached(file: str, owners: Iterable[str], graph: TargetGraph) -> dict[str, Cause]:
    """Whatever depends on a file, each by a shortest path."""
    return {address: Cause(file, path) for address, path in graph.paths_from(owners).items()}


def _thing(kind: str, name: str, causes: Iterable[Cause]) -> Thing:
    nearest: dict[str, Cause] = {}
    # By a dependency first, and by the shortest path.
    for cause in sorted(causes, key=lambda one: (bool(one.reason), len(one.path), one)):
        nearest.setdefault(cause.file, cause)
    targets = {cause.path[-1] for cause in causes}
    return Thing(kind, name, tuple(sorted(targets)), tuple(nearest.values()))
