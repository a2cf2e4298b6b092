"""mkdocs hooks: import graphs, references and notebooks in the pages, and checks of the pages.

In a page, `<!-- graph: src/config -->` becomes a picture of who imports whom, and
`<!-- api: src/config -->` the reference of each module in that folder.
`<!-- each: src/models/*/dag.toml -->` shows nothing: it checks that the page names the folder of
each such file.
"""

from __future__ import annotations

import itertools
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

from tools.graphs.import_graph import as_svg, import_graph

# A JSON file with the addresses, dependencies and sources of all targets. Pants' rule for the site
# or serve.py writes it.
TARGETS = "DOCS_TARGETS"
# A folder with the executed notebooks, each at its path in the repository.
EXECUTED = "DOCS_EXECUTED"
NOTEBOOKS = ("notebooks/**/*.ipynb", "src/models/*/notebooks/*.ipynb")
SECTION = "Notebooks"
GRAPH = re.compile(r"<!-- graph: (?P<folder>\S+)(?P<options>( --[a-z-]+)*) -->")
API = re.compile(r"^<!-- api: (?P<folder>\S+) -->$", re.MULTILINE)
EACH = re.compile(r"^<!-- each: (\S+) -->$", re.MULTILINE)
ADDRESS = re.compile(
    r"(?<![\w./-])((?:[\w.-]+/)*[\w.-]+:[\w.-]+|(?:[\w.-]+/)*[\w.-]+::?)(?![\w/:])"
)
PATH = re.compile(
    r"`((?:src|tests|docs|docker|notebooks|benchmarks|3rdparty|pants-plugins)/[\w./-]*)`"
)
# A model that a command of the page creates.
CREATED = re.compile(r"src/tools:new-model -- (\w+)")
VARIABLE = re.compile(r"\b[A-Z_]+=\S+")
MESSAGE = re.compile(r"^### `(.+)`$", re.MULTILINE)
INLINE = re.compile(r"`([^`\n]*\./pants [^`\n]*)`")
# A test also types the `bash` blocks of some pages: tests/integration/readme_test.py.
FENCE = re.compile(r"^```(?:bash|shell)\n(.*?)^```", re.MULTILINE | re.DOTALL)
# nbconvert writes styles as an indented list, which Markdown would show as code.
STYLE = re.compile(r"^ +<style>\n\s*\['.*?</style>", re.MULTILINE | re.DOTALL)
# A page may explain messages of these files.
CODE = (
    ".pants.bootstrap",
    "src/**/*.py",
    "src/BUILD",
    "pants-plugins/**/*.py",
    "3rdparty/python/launcher/*.bash",
    "3rdparty/python/launcher/*.py",
)
MATHJAX = re.compile(r"<script data-mkdocs-jupyter-mathjax=.*?</script>", re.DOTALL)
log = logging.getLogger("mkdocs.hooks")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the notebooks to the navigation, and resolve snippets from the repository's root."""
    config.mdx_configs["pymdownx.snippets"]["base_path"] = [str(_root(config))]
    # mkdocs.yml lists the notebooks that are among the pages.
    found = [uri for uri, path in _notebooks(config) if not path.is_relative_to(config.docs_dir)]
    if found and config.nav is not None:
        config.nav.append({SECTION: found})
    return config


# Before mkdocs-jupyter makes pages of notebooks.
@event_priority(100)
def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the notebooks of the repository, as executed as far as they were executed."""
    for uri, path in _notebooks(config):
        if page := files.get_file_from_path(uri):
            files.remove(page)
        files.append(File.generated(config, uri, abs_src_path=str(_executed(path, config))))
    return files


# Before mkdocstrings reads the page, and after mkdocs-jupyter has converted a notebook.
@event_priority(50)
def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Check the page, and list the modules of each reference."""
    targets = _targets()
    markdown = STYLE.sub("", markdown)
    root = _root(config)
    problems = itertools.chain(
        unknown_names(markdown, targets, root),
        stale_messages(markdown, root),
        missing_names(markdown, root),
    )
    for problem in problems:
        log.warning("%s: %s", page.file.src_uri, problem)
    return API.sub(lambda found: _references(found["folder"], targets), markdown)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Draw the graphs."""
    return GRAPH.sub(lambda found: _picture(found, page, files), html)


# After mkdocs-jupyter, which adds MathJax from another host to each page with a notebook.
@event_priority(-100)
def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Remove what would request a file of another host."""
    return MATHJAX.sub("", output)


def unknown_names(markdown: str, targets: list[Mapping[str, Any]], root: Path) -> Iterator[str]:
    """The addresses and paths in a page that do not exist."""
    addresses = {target["address"] for target in targets}
    sources = {source for target in targets for source in target.get("sources") or ()}
    folders = {str(parent) for source in sources for parent in PurePosixPath(source).parents}
    commands = "\n".join(
        VARIABLE.sub("", line.partition(" -- ")[0])
        for block in (*FENCE.findall(markdown), *INLINE.findall(markdown))
        for line in block.splitlines()
        if "./pants " in line
    )
    created = {f"src/models/{name}" for name in CREATED.findall(markdown)}
    for address in ADDRESS.findall(commands):
        folder = address.rstrip(":")
        if folder.partition(":")[0] in created:
            continue
        if address not in addresses and not (address.endswith(":") and folder in folders):
            yield f"there is no target {address}"
    for path in PATH.findall(markdown):
        known = path.rstrip("/") in sources | folders or path.endswith("/BUILD")
        if not known and not (root / path).exists():
            yield f"there is no file or folder {path}"


def stale_messages(markdown: str, root: Path) -> Iterator[str]:
    """The messages that a page explains and the code does not contain."""
    if messages := MESSAGE.findall(markdown):
        code = "\n".join(path.read_text() for glob in CODE for path in root.glob(glob))
        yield from (f"no code contains {text!r}" for text in messages if text not in code)


def missing_names(markdown: str, root: Path) -> Iterator[str]:
    """The folders that a page must name, by its `each` comment, and does not."""
    for glob in EACH.findall(markdown):
        names = sorted(path.parent.name for path in root.glob(glob))
        if not names:
            yield f"no file is {glob}"
        yield from (
            f"{name} of {glob} is not named" for name in names if f"`{name}`" not in markdown
        )


def _targets() -> list[Mapping[str, Any]]:
    targets: list[Mapping[str, Any]] = json.loads(Path(os.environ[TARGETS]).read_text())
    return targets


def _root(config: MkDocsConfig) -> Path:
    return Path(config.docs_dir).parent.parent


def _notebooks(config: MkDocsConfig) -> Iterator[tuple[str, Path]]:
    """Each notebook, with its path in the site."""
    root, pages = _root(config), Path(config.docs_dir)
    for path in sorted(pages.glob("**/*.ipynb")):
        yield path.relative_to(pages).as_posix(), path
    for path in sorted(path for glob in NOTEBOOKS for path in root.glob(glob)):
        yield path.relative_to(root).as_posix().removeprefix("src/"), path


def _executed(notebook: Path, config: MkDocsConfig) -> Path:
    """The notebook with its outputs, if it was executed for the site."""
    executed = Path(os.environ.get(EXECUTED, "")) / notebook.relative_to(_root(config))
    return executed.resolve() if EXECUTED in os.environ and executed.exists() else notebook


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
