"""What a change affects, as text, Markdown, JSON and a graph."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence

from cli.safe_text import on_one_line
from tools.change.affected_artifacts import Artifact, Cause, Change
from tools.change.affected_rules import KINDS
from tools.workspace.git import Revision
from tools.workspace.target_graph import TargetGraph

ARROW = " → "
_SHOWN_FILES = 12
_SHOWN_ROWS = 50
_COLOURS = ("#d7e8fa", "#dcefd9", "#fbe6cf", "#eadff2", "#fbdfe3", "#d9f0ee")
_LISTED = [kind.name for kind in KINDS if kind.is_listed]


def as_text(change: Change, base: Revision, graph: TargetGraph) -> str:
    """List each artifact with the nearest changed file, and the dependencies from it."""
    lines = [f"{_count(len(change.files), 'file')} changed since {base}."]
    for kind in KINDS:
        artifacts = change.of_kind(kind.name)
        lines += ["", f"{kind.name}: {len(artifacts) or 'none'}"]
        if kind.is_listed:
            width = max((len(artifact.name) for artifact in artifacts), default=0)
            lines += [
                on_one_line(f"  {artifact.name:<{width}}  {_why(artifact, graph)}")
                for artifact in artifacts
            ]
    if change.without_target:
        lines += ["", on_one_line(f"Not part of any target: {_shortened(change.without_target)}.")]
    return "\n".join(lines) + "\n"


def as_markdown(
    change: Change, base: Revision, graph: TargetGraph, jobs: Mapping[str, Sequence[str]]
) -> str:
    """The same as `as_text`, for a merge request, with the CI jobs of each group."""
    lines = [
        "### What this change affects",
        "",
        f"{_count(len(change.files), 'file')} changed since {_code(str(base))}.",
    ]
    for kind in KINDS:
        artifacts = change.of_kind(kind.name)
        lines += ["", f"**{kind.name}**: {len(artifacts) or 'none'}"]
        if kind.is_listed and artifacts:
            lines += ["", f"| {kind.name} | reason |", "|---|---|"]
            lines += [
                _row(artifact.name, _why(artifact, graph)) for artifact in artifacts[:_SHOWN_ROWS]
            ]
        if kind.is_listed and len(artifacts) > _SHOWN_ROWS:
            lines += ["", f"… and {len(artifacts) - _SHOWN_ROWS} more."]
    lines += ["", "**jobs**", "", "| group | jobs |", "|---|---|"]
    lines += [_row(group, ", ".join(those)) for group, those in jobs.items()]
    if change.without_target:
        lines += ["", f"Not part of any target: {_code(_shortened(change.without_target))}."]
    return "\n".join(lines) + "\n"


def as_json(change: Change, base: Revision, graph: TargetGraph) -> str:
    """In full: each changed file that reaches an artifact, and every target."""
    report = {
        "since": {"name": base.name, "commit": base.commit},
        "changed": change.files,
        "affected": {
            kind.name: [_as_dict(artifact) for artifact in change.of_kind(kind.name)]
            for kind in KINDS
        },
        "targets": [
            {"address": address, "type": graph.targets[address].type} for address in change.targets
        ],
        "without_target": change.without_target,
    }
    return json.dumps(report, indent=2, ensure_ascii=False) + "\n"


def as_dot(change: Change, graph: TargetGraph) -> str:
    """A graph in the DOT language, from changed files on the left to artifacts on the right."""
    artifacts = [artifact for artifact in change.artifacts if artifact.kind in _LISTED]
    lines = [
        "digraph affected {",
        '  graph [rankdir=LR, ranksep=0.7, nodesep=0.12, bgcolor="transparent"];',
        '  node [shape=box, style="rounded,filled", color="#00000033", fillcolor="#f4f4f4", '
        'fontname="Helvetica,Arial,sans-serif", fontsize=11, height=0.3];',
        '  edge [color="#7a8594", arrowsize=0.6, penwidth=0.8];',
    ]
    edges = {edge for artifact in artifacts for edge in _edges(artifact, graph)}
    boxes = {_node(artifact): artifact for artifact in artifacts}
    for node in sorted({end for edge in edges for end in edge}):
        lines.append(f"  {_quote(node)} [{_attributes(node, boxes.get(node), change)}];")
    lines += [f"  {_quote(one)} -> {_quote(other)};" for one, other in sorted(edges)]
    return "\n".join([*lines, "}"]) + "\n"


def _why(artifact: Artifact, graph: TargetGraph) -> str:
    nearest, *others = artifact.causes
    why = ARROW.join(_steps(nearest, graph))
    if nearest.reason:
        why = f"{nearest.file}: {nearest.reason}"
    return f"{why} (and {_count(len(others), 'more changed file')})" if others else why


def _as_dict(artifact: Artifact) -> dict[str, object]:
    causes = [
        {"file": cause.file, "path": cause.path, "reason": cause.reason}
        for cause in artifact.causes
    ]
    return {"name": artifact.name, "targets": artifact.targets, "causes": causes}


def _steps(cause: Cause, graph: TargetGraph) -> list[str]:
    """A file and what depends on it: paths of files, addresses of other targets."""
    paths = [graph.targets[address].path for address in cause.path]
    steps = [
        address if path.endswith("/") else path
        for address, path in zip(cause.path, paths, strict=True)
    ]
    return [cause.file, *(step for step in steps if step != cause.file)]


def _edges(artifact: Artifact, graph: TargetGraph) -> Iterator[tuple[str, str]]:
    for cause in artifact.causes:
        steps = [cause.file] if cause.reason else _steps(cause, graph)
        # An artifact is one box, whichever of its files is reached.
        inner = steps if len(steps) == 1 else steps[:-1]
        yield from itertools.pairwise([*inner, _node(artifact)])


def _node(artifact: Artifact) -> str:
    return f"{artifact.kind}: {artifact.name}"


def _attributes(node: str, artifact: Artifact | None, change: Change) -> str:
    if artifact:
        colour = _COLOURS[_LISTED.index(artifact.kind) % len(_COLOURS)]
        label = f"{artifact.name}\n{artifact.kind.removesuffix('s')}"
        return f'label={_quote(label)}, fillcolor="{colour}"'
    shape = ", shape=note, style=filled" if node in change.files else ""
    return f"label={_quote(node)}{shape}"


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _row(*cells: str) -> str:
    return f"| {' | '.join(map(_code, cells))} |"


def _code(text: str) -> str:
    """Inline code, on one line: Markdown interprets nothing in it."""
    return f"`{on_one_line(text).replace('`', "'").replace('|', '\\|')}`"


def _shortened(files: Sequence[str]) -> str:
    more = len(files) - _SHOWN_FILES
    return ", ".join(files[:_SHOWN_FILES]) + (f" and {more} more" if more > 0 else "")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
