from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from cli.errors import InputError
from tools.graphs.draw import main
from tools.graphs.import_graph import as_dot, as_json, as_mermaid, as_svg, import_graph


def target(file: str, *imports: str) -> Mapping[str, Any]:
    return {"address": file, "dependencies": list(imports), "sources": [file]}


CONFIG = "src/config/task.py"
VIEW = "src/feature_store/view.py"
VIEWS = "src/feature_store/views/company.py"
JOINS = "src/feature_store/joins.py"
MODEL = "src/models/iris/train.py"
TARGETS = [
    target(CONFIG),
    target("src/config/__init__.py"),
    target(VIEW, CONFIG, "src/config/__init__.py", "3rdparty/python:data#pandas"),
    target(VIEWS, VIEW),
    target(JOINS, VIEW, CONFIG),
    target(MODEL, JOINS),
    target("tests/feature_store/view_test.py", VIEW),
    # A target that makes one per file has no module of its own.
    {"address": "src/config:config", "dependencies": [CONFIG], "sources": [CONFIG]},
]


def test_a_folder_has_its_modules_and_one_node_for_each_package_that_they_import() -> None:
    graph = import_graph(TARGETS, ["src/feature_store"])
    assert graph.imports == {
        "src/config": (),
        JOINS: (VIEW,),
        VIEW: ("src/config",),
        VIEWS: (VIEW,),
    }


def test_no_import_is_left_out_where_each_is_asked_for() -> None:
    graph = import_graph(TARGETS, ["src/feature_store"], every_import=True)
    assert graph.imports[JOINS] == ("src/config", VIEW)


def test_dependents_are_packages_and_a_model_is_its_own() -> None:
    graph = import_graph(TARGETS, ["src/feature_store"], dependents=True)
    assert graph.imports["src/models/iris"] == (JOINS,)


def test_by_package_a_folder_is_one_node() -> None:
    graph = import_graph(TARGETS, ["src"], by_package=True)
    assert graph.imports == {
        "src/config": (),
        "src/feature_store": ("src/config",),
        "src/feature_store/views": ("src/feature_store",),
        "src/models/iris": ("src/feature_store",),
    }


def test_a_circle_is_kept_whole() -> None:
    one, other = "src/config/one.py", "src/config/other.py"
    graph = import_graph([target(one, other), target(other, one)], ["src/config"])
    assert graph.imports == {one: (other,), other: (one,)}


def test_the_picture_has_a_frame_for_each_folder_and_an_arrow_for_each_import() -> None:
    graph = import_graph(TARGETS, ["src/feature_store"])
    svg = as_svg(graph, lambda node: f"../{node}.html" if node == "src/config" else "")
    frames = set(re.findall(r'<g id="[^"]+" class="cluster">\s*<title>cluster_([^<]+)', svg))
    assert frames == {"src/feature_store", "src/feature_store/views"}
    assert svg.count('class="edge"') == len(graph.edges) == 3
    assert svg.count("../src/config.html") == 1
    # What a browser would ask another host for, or a reader could not read.
    assert not re.search(r'(href|src)="https?:', svg)


def test_a_package_has_one_colour_in_every_picture() -> None:
    def colours(folder: str) -> set[str]:
        dot = as_dot(import_graph(TARGETS, [folder], dependents=True))
        return set(
            re.findall(r'"src/(?:models/iris|models/iris/train.py)"\s*\[fillcolor="(#\w+)"', dot)
        )

    assert len(colours("src/feature_store") | colours("src/models")) == 1


def test_mermaid_and_json_tell_the_same() -> None:
    graph = import_graph(TARGETS, ["src/feature_store"])
    assert json.loads(as_json(graph)) == {
        "folders": ["src/feature_store"],
        "imports": {node: list(imported) for node, imported in graph.imports.items()},
    }
    mermaid = as_mermaid(graph)
    names = dict(re.findall(r'(n\d+)\["([^"]+)"\]', mermaid))
    arrows = {
        (names[one], names[other]) for one, other in re.findall(r"(n\d+) --> (n\d+)", mermaid)
    }
    assert arrows == {("joins", "view"), ("view", "config"), ("company", "view")}


@pytest.mark.parametrize("folder", ["tests", "src/nothing", "src/config.py"])
def test_a_wrong_folder_is_told(
    folder: str,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = tmp_path_factory.mktemp("clone")
    (root / "pants.toml").touch()
    (root / "tests").mkdir()
    (root / "src").mkdir()
    monkeypatch.chdir(root)
    assert main([folder]) == InputError.exit_code
    assert capsys.readouterr().err == (
        f"{folder}: expected a folder at or below src/, such as src/feature_store.\n"
    )
