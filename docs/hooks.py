"""What the pages show of the repository, as mkdocs' hooks: graphs, references, notebooks, checks.

A page says where: `<!-- graph: src/config -->` becomes a picture of who imports whom, and
`<!-- api: src/config -->` the reference of each module in that folder.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from mkdocs.utils import get_relative_url

from tools.import_graph import as_svg, import_graph

# Written by Pants' rules, or by serve.py: addresses, dependencies and sources of every target.
TARGETS = "DOCS_TARGETS"
# A folder with notebooks as they are after they ran, each at its path in the repository.
EXECUTED = "DOCS_EXECUTED"
NOTEBOOKS = ("notebooks/**/*.ipynb", "src/models/*/notebooks/*.ipynb")
SECTION = "Notebooks"
GRAPH = re.compile(r"<!-- graph: (?P<folder>\S+)(?P<options>( --[a-z-]+)*) -->")
API = re.compile(r"^<!-- api: (?P<folder>\S+) -->$", re.MULTILINE)
ADDRESS = re.compile(r"(?<![\w./-])((?:[\w.-]+/)*[\w.-]+:[\w.-]+|(?:[\w.-]+/)*[\w.-]+::?)(?![\w/:])")
PATH = re.compile(r"`((?:src|tests|docs|docker|notebooks|benchmarks|3rdparty|pants-plugins)/[\w./-]*)`")
FENCE = re.compile(r"^```bash\n(.*?)^```", re.MULTILINE | re.DOTALL)
log = logging.getLogger("mkdocs.hooks")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the notebooks into the navigation."""
    found = [uri for uri, _ in _notebooks(config)]
    if found and config.nav is not None:
        config.nav.append({SECTION: found})
    return config


# Before mkdocs-jupyter makes pages of notebooks.
@event_priority(100)
def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the notebooks that lie elsewhere; take those that ran for those that did not."""
    for uri, path in _notebooks(config):
        if known := files.get_file_from_path(uri):
            files.remove(known)
        files.append(File.generated(config, uri, abs_src_path=str(path)))
    return files


# Before mkdocstrings reads the page.
@event_priority(100)
def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Name the modules of which the page shows the reference; check what the page tells to type."""
    targets = _targets()
    for problem in problems(markdown, targets):
        log.warning("%s: %s", page.file.src_uri, problem)
    return API.sub(lambda found: _references(found["folder"], targets), markdown)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Draw the graphs."""
    return GRAPH.sub(lambda found: _picture(found, page, files), html)


def problems(markdown: str, targets: list[Mapping[str, Any]]) -> Iterator[str]:
    """Which addresses and paths a page names that are not there."""
    addresses = {target["address"] for target in targets}
    sources = {source for target in targets for source in target.get("sources") or ()}
    folders = {str(parent) for source in sources for parent in PurePosixPath(source).parents}
    commands = "\n".join(
        line.partition(" -- ")[0]
        for block in FENCE.findall(markdown)
        for line in block.splitlines()
        if "./pants " in line
    )
    for address in ADDRESS.findall(commands):
        folder = address.rstrip(":")
        if address not in addresses and not (address.endswith(":") and folder in folders):
            yield f"there is no target {address}"
    for path in PATH.findall(markdown):
        if path.rstrip("/") not in sources | folders and not path.endswith("/BUILD"):
            yield f"there is no file or folder {path}"


def _targets() -> list[Mapping[str, Any]]:
    targets: list[Mapping[str, Any]] = json.loads(Path(os.environ[TARGETS]).read_text())
    return targets


def _root(config: MkDocsConfig) -> Path:
    return Path(config.config_file_path).parent.parent


def _notebooks(config: MkDocsConfig) -> Iterator[tuple[str, Path]]:
    """Each notebook's place in the site, and its file, as it is after it ran where it did."""
    root, pages = _root(config), Path(config.docs_dir)
    executed = Path(os.environ.get(EXECUTED, "/nowhere"))
    own = sorted(pages.glob("**/*.ipynb"))
    for path in [*own, *(path for glob in NOTEBOOKS for path in sorted(root.glob(glob)))]:
        place = path.relative_to(pages if path in own else root).as_posix()
        ran = executed / path.relative_to(root)
        yield place.removeprefix("src/"), ran if ran.exists() else path


def _references(folder: str, targets: list[Mapping[str, Any]]) -> str:
    files = sorted(
        source
        for target in targets
        if target["address"] in (target.get("sources") or ())
        for source in target["sources"]
        if source.endswith(".py") and str(PurePosixPath(source).parent) == folder
    )
    modules = [
        file.removeprefix("src/").removesuffix(".py").replace("/", ".")
        for file in files
        if PurePosixPath(file).name != "__init__.py"
    ]
    return "\n\n".join(f"::: {module}" for module in modules)


def _picture(found: re.Match[str], page: Page, files: Files) -> str:
    options = {name.removeprefix("--").replace("-", "_"): True for name in found["options"].split()}
    graph = import_graph(_targets(), [found["folder"]], **options)

    def link(node: str) -> str:
        parts = PurePosixPath(node).with_suffix("").parts[1:]
        other = files.get_file_from_path(f"modules/{parts[0]}.md") if parts else None
        if other is None:
            return ""
        anchor = f"#{'.'.join(parts)}" if node.endswith(".py") and len(parts) < 3 else ""
        return get_relative_url(other.url, page.url) + anchor

    svg = as_svg(graph, link)
    return f'<div class="graph">{svg[svg.index("<svg") :]}</div>'
