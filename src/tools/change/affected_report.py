"""What a change affects, as a person, a program or Graphviz reads it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence

from cli.safe_text import on_one_line
from tools.change.affected_artifacts import Cause, Change, Thing
from tools.change.affected_rules import KINDS
from tools.workspace.git import Revision
from tools.workspace.target_graph import TargetGraph

ARROW = " → "
_SHOWN_FILES = 12
_SHOWN_ROWS = 50
_COLOURS = ("#d7e8fa", "#dcefd9", "#fbe6cf", "#eadff2", "#fbdfe3", "#d9f0ee")
_LISTED = [kind.name for kind in KINDS if kind.is_listed]


def as_text(change: Change, base: Revision, graph: TargetGraph) -> str:
    """Every thing with the nearest changed file, and how it leads there."""
    lines = [f"Compared with {base}, {_count(len(change.files), 'file')} changed."]
    for kind in KINDS:
        things = change.of_kind(kind.name)
        lines += ["", f"{kind.name}: {len(things) or 'none'}"]
        if kind.is_listed:
            width = max((len(thing.name) for thing in things), default=0)
            lines += [
                on_one_line(f"  {thing.name:<{width}}  {_why(thing, graph)}") for thing in things
            ]
    if change.without_target:
        lines += ["", on_one_line(f"No target has {_some(change.without_target)}.")]
    return "\n".join(lines) + "\n"


def as_markdown(
    change: Change, base: Revision, graph: TargetGraph, jobs: Mapping[str, Sequence[str]]
) -> str:
    """The same as `as_text`, as a note beside a merge request; `jobs` are those of each group."""
    lines = [
        "### What this change affects, and why",
        "",
        f"Compared with {_code(str(base))}, {_count(len(change.files), 'file')} changed.",
    ]
    for kind in KINDS:
        things = change.of_kind(kind.name)
        lines += ["", f"**{kind.name}**: {len(things) or 'none'}"]
        if kind.is_listed and things:
            lines += ["", f"| {kind.name} | because of |", "|---|---|"]
            lines += [_row(thing.name, _why(thing, graph)) for thing in things[:_SHOWN_ROWS]]
        if kind.is_listed and len(things) > _SHOWN_ROWS:
            lines += ["", f"… and {len(things) - _SHOWN_ROWS} more."]
    lines += ["", "**jobs**", "", "| of | jobs |", "|---|---|"]
    lines += [_row(group, ", ".join(those)) for group, those in jobs.items()]
    if change.without_target:
        lines += ["", f"No target has {_code(_some(change.without_target))}."]
    return "\n".join(lines) + "\n"


def as_json(change: Change, base: Revision, graph: TargetGraph) -> str:
    """The same in full, for programs: each changed file of each thing, and every target."""
    told = {
        "since": {"name": base.name, "commit": base.commit},
        "changed": change.files,
        "affected": {
            kind.name: [_told(thing) for thing in change.of_kind(kind.name)] for kind in KINDS
        },
        "targets": [
            {"address": address, "type": graph.targets[address].type} for address in change.targets
        ],
        "without_target": change.without_target,
    }
    return json.dumps(told, indent=2, ensure_ascii=False) + "\n"


def as_dot(change: Change, graph: TargetGraph) -> str:
    """From changed files, on the left, to things, on the right, in the language of Graphviz."""
    things = [thing for thing in change.things if thing.kind in _LISTED]
    lines = [
        "digraph affected {",
        '  graph [rankdir=LR, ranksep=0.7, nodesep=0.12, bgcolor="transparent"];',
        '  node [shape=box, style="rounded,filled", color="#00000033", fillcolor="#f4f4f4", '
        'fontname="Helvetica,Arial,sans-serif", fontsize=11, height=0.3];',
        '  edge [color="#7a8594", arrowsize=0.6, penwidth=0.8];',
    ]
    edges = {edge for thing in things for edge in _edges(thing, graph)}
    boxes = {_node(thing): thing for thing in things}
    for node in sorted({end for edge in edges for end in edge}):
        lines.append(f"  {_quoted(node)} [{_drawn(node, boxes.get(node), change)}];")
    lines += [f"  {_quoted(one)} -> {_quoted(other)};" for one, other in sorted(edges)]
    return "\n".join([*lines, "}"]) + "\n"


def _why(thing: Thing, graph: TargetGraph) -> str:
    nearest, *others = thing.causes
    why = ARROW.join(_steps(nearest, graph))
    if nearest.reason:
        why = f"{nearest.file}: {nearest.reason}"
    return f"{why} (and {_count(len(others), 'more changed file')})" if others else why


def _told(thing: Thing) -> dict[str, object]:
    causes = [
        {"file": cause.file, "path": cause.path, "reason": cause.reason} for cause in thing.causes
    ]
    return {"name": thing.name, "targets": thing.targets, "causes": causes}


def _steps(cause: Cause, graph: TargetGraph) -> list[str]:
    """A file, and what depends on it: files by their paths, all else by its address."""
    paths = [graph.targets[address].path for address in cause.path]
    steps = [
        address if path.endswith("/") else path
        for address, path in zip(cause.path, paths, strict=True)
    ]
    return [cause.file, *(step for step in steps if step != cause.file)]


def _edges(thing: Thing, graph: TargetGraph) -> Iterator[tuple[str, str]]:
    for cause in thing.causes:
        steps = [cause.file] if cause.reason else _steps(cause, graph)
        # A model is one box, whichever of its files was reached; so is what was itself changed.
        inner = steps if len(steps) == 1 else steps[:-1]
        yield from itertools.pairwise([*inner, _node(thing)])


def _node(thing: Thing) -> str:
    return f"{thing.kind}: {thing.name}"


def _drawn(node: str, thing: Thing | None, change: Change) -> str:
    if thing:
        colour = _COLOURS[_LISTED.index(thing.kind) % len(_COLOURS)]
        # Of models, one.
        label = f"{thing.name}\n{thing.kind.removesuffix('s')}"
        return f'label={_quoted(label)}, fillcolor="{colour}"'
    shape = ", shape=note, style=filled" if node in change.files else ""
    return f"label={_quoted(node)}{shape}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _row(*cells: str) -> str:
    return f"| {' | '.join(map(_code, cells))} |"


def _code(text: str) -> str:
    """As it is, whatever Markdown takes it for; in one line, or the rest would be outside."""
    return f"`{on_one_line(text).replace('`', "'").replace('|', '\\|')}`"


def _some(files: Sequence[str]) -> str:
    more = len(files) - _SHOWN_FILES
    return ", ".join(files[:_SHOWN_FILES]) + (f" and {more} more" if more > 0 else "")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
