"""The graph of imports, from Pants' targets, as a value and as a picture."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import pygraphviz

from tools.graphs.svg import hide_fonts, to_svg

ROOT = "src"
# A colour for each package of src, light enough for black text.
COLOURS = (
    "#d7e8fa",
    "#dcefd9",
    "#fbe6cf",
    "#eadff2",
    "#fbdfe3",
    "#d9f0ee",
    "#f6f0c8",
    "#e6e2dd",
    "#dfe3f7",
)
FONT = "Helvetica,Arial,sans-serif"
type Link = Callable[[str], str]


@dataclass(frozen=True)
class ImportGraph:
    """The imports of Python files, or of folders, below src.

    Attributes:
        folders: the folders drawn in detail; any other file is shown as its package.
        imports: the nodes that each node imports, by path.
        packages: all folders directly below src; each has the same colour in every picture.
    """

    folders: tuple[str, ...]
    imports: Mapping[str, tuple[str, ...]]
    packages: tuple[str, ...]

    @property
    def edges(self) -> list[tuple[str, str]]:
        """Each import, as importing and imported node."""
        return [(one, other) for one, others in self.imports.items() for other in others]


def import_graph(
    targets: Iterable[Mapping[str, Any]],
    folders: Sequence[str],
    *,
    by_package: bool = False,
    dependents: bool = False,
    every_import: bool = False,
) -> ImportGraph:
    """The import graph of folders, from the output of `./pants peek ::`.

    Other packages that they import are one node each; with `dependents`, so are the packages that
    import them. Leaves out imports that other imports imply, unless `every_import`.
    """
    files = {
        str(target["address"]): [str(one) for one in target.get("dependencies") or ()]
        for target in targets
        if _is_module(str(target["address"]))
    }

    def node(file: str) -> str:
        if not _is_below(file, folders):
            return _package(file)
        return str(PurePosixPath(file).parent) if by_package else file

    imports: dict[str, set[str]] = {node(file): set() for file in files if _is_below(file, folders)}
    for file, imported in files.items():
        for other in filter(files.__contains__, imported):
            wanted = _is_below(file, folders) or (dependents and _is_below(other, folders))
            if wanted and node(file) != node(other):
                imports.setdefault(node(file), set()).add(node(other))
                imports.setdefault(node(other), set())
    found = {one: tuple(sorted(imports[one])) for one in sorted(imports)}
    packages = sorted({_top(file) for file in files})
    return ImportGraph(tuple(folders), found if every_import else _reduce(found), tuple(packages))


def as_json(graph: ImportGraph) -> str:
    """The graph as JSON."""
    content = {"folders": graph.folders, "imports": graph.imports}
    return json.dumps(content, indent=2, default=list) + "\n"


def as_mermaid(graph: ImportGraph) -> str:
    """A Mermaid flowchart, which GitLab draws in comments."""
    names = {one: f"n{number}" for number, one in enumerate(graph.imports)}
    lines = ["flowchart LR"]
    for cluster in sorted({_cluster(graph, one) for one in names}):
        members = [one for one in names if _cluster(graph, one) == cluster]
        nodes = [f'{names[one]}["{_label(graph, one)}"]' for one in members]
        if cluster:
            lines += [f'  subgraph "{cluster}"', *(f"    {one}" for one in nodes), "  end"]
        else:
            lines += [f"  {one}" for one in nodes]
    lines += [f"  {names[one]} --> {names[other]}" for one, other in graph.edges]
    return "\n".join(lines) + "\n"


def as_dot(graph: ImportGraph, link: Link | None = None) -> str:
    """The graph in Graphviz' DOT language."""
    return str(_draw(graph, link).to_string())


def as_svg(graph: ImportGraph, link: Link | None = None) -> str:
    """A picture; `link` returns the address that a click on a node opens, or an empty string."""
    return to_svg(_draw(graph, link))


FORMATS: Mapping[str, Callable[[ImportGraph], str]] = {
    "svg": as_svg,
    "dot": as_dot,
    "mermaid": as_mermaid,
    "json": as_json,
}


def _draw(graph: ImportGraph, link: Link | None) -> pygraphviz.AGraph:
    drawing = pygraphviz.AGraph(
        directed=True, rankdir="LR", ranksep=0.7, nodesep=0.12, bgcolor="transparent", tooltip=" "
    )
    drawing.node_attr.update(
        shape="box",
        style="rounded,filled",
        color="#00000033",
        fontname=FONT,
        fontsize=11,
        height=0.3,
    )
    drawing.edge_attr.update(color="#7a8594", arrowsize=0.6, penwidth=0.8)
    for one in graph.imports:
        colour = COLOURS[graph.packages.index(_top(one)) % len(COLOURS)]
        options = {"URL": link(one)} if link and link(one) else {}
        drawing.add_node(one, label=_label(graph, one), fillcolor=colour, tooltip=one, **options)
    for cluster in sorted({_cluster(graph, one) for one in graph.imports} - {""}):
        _enclose(
            drawing, cluster, [one for one in graph.imports if _cluster(graph, one) == cluster]
        )
    for one, other in graph.edges:
        drawing.add_edge(one, other, tooltip=f"{one} imports {other}")
    return drawing


def _enclose(drawing: pygraphviz.AGraph, name: str, members: Iterable[str]) -> None:
    """Draw a frame around the modules of a folder, inside the frame of the parent folder."""
    around = drawing
    for parent in reversed([name, *map(str, PurePosixPath(name).parents)]):
        if parent in (".", ROOT):
            continue
        around = around.add_subgraph(
            name=f"cluster_{parent}",
            label=parent.removeprefix(f"{ROOT}/"),
            style="rounded,filled",
            fillcolor="#8899aa14",
            color="#8899aa66",
            fontname=FONT,
            fontsize=12,
            tooltip=parent,
        )
    around.add_nodes_from(members)


def _reduce(imports: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Remove the imports that other imports imply."""
    drawing = pygraphviz.AGraph(directed=True)
    drawing.add_edges_from((one, other) for one, others in imports.items() for other in others)
    with hide_fonts(), warnings.catch_warnings():
        # Graphviz keeps all edges of a cycle, and warns.
        warnings.simplefilter("ignore", RuntimeWarning)
        drawing.tred()
    left = set(map(tuple, drawing.edges()))
    return {
        one: tuple(other for other in others if (one, other) in left)
        for one, others in imports.items()
    }


def _is_module(address: str) -> bool:
    path = PurePosixPath(address)
    # Every module depends on the `__init__.py` of its folder, so this shows nothing.
    return path.suffix == ".py" and path.parts[0] == ROOT and path.name != "__init__.py"


def _is_below(path: str, folders: Iterable[str]) -> bool:
    return any(PurePosixPath(path).is_relative_to(folder) for folder in folders)


def _package(path: str) -> str:
    """The folder below src that a file belongs to; each model counts as a folder."""
    parts = PurePosixPath(path).parts
    is_model = parts[1:2] == ("models",) and len(parts) > (3 if path.endswith(".py") else 2)
    return "/".join(parts[: 3 if is_model else 2])


def _top(path: str) -> str:
    """The folder directly below src."""
    return "/".join(PurePosixPath(path).parts[:2])


def _cluster(graph: ImportGraph, node: str) -> str:
    """The folder whose frame a node is in; empty if a package has no frame."""
    if node.endswith(".py"):
        return str(PurePosixPath(node).parent)
    package = _top(node)
    return package if any(other.startswith(f"{package}/") for other in graph.imports) else ""


def _label(graph: ImportGraph, node: str) -> str:
    path = PurePosixPath(node)
    if path.suffix == ".py":
        return path.stem
    cluster = _cluster(graph, node)
    return node.removeprefix(f"{cluster}/" if cluster not in ("", node) else f"{ROOT}/")
