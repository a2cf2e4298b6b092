"""Which artifacts a change affects, and why: computed from changed files and the target graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tools.change.affected_rules import KINDS, OUT_OF_GRAPH_RULES, Kind, OutOfGraphRule
from tools.workspace.target_graph import TargetGraph


@dataclass(frozen=True, order=True)
class Cause:
    """A changed file, and how it reaches an artifact.

    Attributes:
        path: addresses, each a dependency of the next; the first owns the file, the last belongs
            to the artifact.
        reason: why, if an out-of-graph rule applies instead of a dependency.
    """

    file: str
    path: tuple[str, ...]
    reason: str = ""


@dataclass(frozen=True)
class Artifact:
    """An affected model, image, notebook, DAG, contract or test.

    Attributes:
        targets: its targets that the change reaches.
        causes: each changed file that reaches it, nearest first.
    """

    kind: str
    name: str
    targets: tuple[str, ...]
    causes: tuple[Cause, ...]


@dataclass(frozen=True)
class Change:
    """What a change affects.

    Attributes:
        targets: the targets that `./pants --changed-since` lists, and those of out-of-graph rules.
        without_target: changed files that affect no target.
    """

    files: tuple[str, ...]
    artifacts: tuple[Artifact, ...]
    targets: tuple[str, ...]
    without_target: tuple[str, ...]

    def of_kind(self, kind: str) -> tuple[Artifact, ...]:
        """The affected artifacts of one kind."""
        return tuple(artifact for artifact in self.artifacts if artifact.kind == kind)


def trace_change(
    files: Iterable[str],
    graph: TargetGraph,
    *,
    names: Mapping[str, Sequence[str]] | None = None,
    kinds: Sequence[Kind] = KINDS,
    rules: Sequence[OutOfGraphRule] = OUT_OF_GRAPH_RULES,
) -> Change:
    """Trace changed files to the artifacts that depend on them.

    `names` maps a file to the artifacts that it defines, if these are not named after the file.
    """
    changed = tuple(sorted(set(files)))
    artifacts = _Artifacts.of(graph, kinds, names or {})
    owners = {file: graph.owners(file) for file in changed}
    # As in Pants: if some of a generator's files changed, list their targets and not the generator.
    replaced = graph.generators - {owner for some in owners.values() for owner in some}
    targets: set[str] = set()
    without_target = []
    for file in changed:
        by_rule, by_graph = artifacts.match(file, rules), _reach(file, owners[file], graph)
        artifacts.add({**by_rule, **by_graph})
        targets |= by_rule.keys() | (by_graph.keys() - replaced)
        if not by_rule and not by_graph:
            without_target.append(file)
    return Change(changed, artifacts.affected(kinds), tuple(sorted(targets)), tuple(without_target))


@dataclass(frozen=True)
class _Artifacts:
    """The artifacts, as (kind, name), of each target; and the causes found so far."""

    of_target: Mapping[str, Sequence[tuple[str, str]]]
    causes: dict[tuple[str, str], list[Cause]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, graph: TargetGraph, kinds: Iterable[Kind], names: Mapping[str, Sequence[str]]
    ) -> _Artifacts:
        found: dict[str, Sequence[tuple[str, str]]] = {}
        for address, target in graph.targets.items():
            for kind in kinds:
                if name := kind.name_of(target):
                    found[address] = [(kind.name, one) for one in names.get(target.path, [name])]
        known = {artifact for artifacts in found.values() for artifact in artifacts}
        for address, target in graph.targets.items():
            also = {(kind.name, kind.also_affected_by(target) or "") for kind in kinds} & known
            if also:
                found[address] = [*found.get(address, ()), *sorted(also)]
        return cls(found)

    def match(self, file: str, rules: Iterable[OutOfGraphRule]) -> dict[str, Cause]:
        """The targets that out-of-graph rules connect to a file."""
        return {
            address: Cause(file, (address,), rule.reason)
            for rule in rules
            if rule.matches(file)
            for address, artifacts in self.of_target.items()
            # The first is the target's own kind; it only affects the others.
            if not rule.kinds or artifacts[0][0] in rule.kinds
        }

    def add(self, reached: Mapping[str, Cause]) -> None:
        for address, cause in reached.items():
            for artifact in self.of_target.get(address, ()):
                self.causes.setdefault(artifact, []).append(cause)

    def affected(self, kinds: Iterable[Kind]) -> tuple[Artifact, ...]:
        order = [kind.name for kind in kinds]
        found = sorted(self.causes, key=lambda one: (order.index(one[0]), one[1]))
        return tuple(_artifact(*one, self.causes[one]) for one in found)


def _reach(file: str, owners: Iterable[str], graph: TargetGraph) -> dict[str, Cause]:
    """Everything that depends on a file, each with a shortest path."""
    return {address: Cause(file, path) for address, path in graph.paths_from(owners).items()}


def _artifact(kind: str, name: str, causes: Iterable[Cause]) -> Artifact:
    nearest: dict[str, Cause] = {}
    # Dependencies before rules, then the shortest path.
    for cause in sorted(causes, key=lambda one: (bool(one.reason), len(one.path), one)):
        nearest.setdefault(cause.file, cause)
    targets = {cause.path[-1] for cause in causes}
    return Artifact(kind, name, tuple(sorted(targets)), tuple(nearest.values()))
