"""What the pages show of the repository, as mkdocs' hooks: graphs, references, notebooks, checks.

A page says where: `<!-- graph: src/config -->` becomes a picture of who imports whom, and
`<!-- api: src/config -->` the reference of each module in that folder; and
`<!-- readme: ./pants run src/models/iris:train -->` what the README has in the block, or paragraph,
that starts so. A test types what the README tells to type.

`<!-- each: src/models/*/dag.toml -->` shows nothing: the page has to name each such file's folder.
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

# Written by Pants' rules, or by serve.py: addresses, dependencies and sources of every target.
TARGETS = "DOCS_TARGETS"
# A folder with notebooks as they are after they ran, each at its path in the repository.
EXECUTED = "DOCS_EXECUTED"
NOTEBOOKS = ("notebooks/**/*.ipynb", "src/models/*/notebooks/*.ipynb")
SECTION = "Notebooks"
GRAPH = re.compile(r"<!-- graph: (?P<folder>\S+)(?P<options>( --[a-z-]+)*) -->")
API = re.compile(r"^<!-- api: (?P<folder>\S+) -->$", re.MULTILINE)
README = re.compile(r"^<!-- readme: (?P<start>.+) -->$", re.MULTILINE)
EACH = re.compile(r"^<!-- each: (\S+) -->$", re.MULTILINE)
BLOCK = re.compile(r"^```\w*\n(?:.*?)^```$|^(?:\S[^\n]*\n)+", re.MULTILINE | re.DOTALL)
ADDRESS = re.compile(
    r"(?<![\w./-])((?:[\w.-]+/)*[\w.-]+:[\w.-]+|(?:[\w.-]+/)*[\w.-]+::?)(?![\w/:])"
)
PATH = re.compile(
    r"`((?:src|tests|docs|docker|notebooks|benchmarks|3rdparty|pants-plugins)/[\w./-]*)`"
)
# The model that a page starts.
STARTED = re.compile(r"src/tools:new-model -- (\w+)")
VARIABLE = re.compile(r"\b[A-Z_]+=\S+")
MESSAGE = re.compile(r"^### `(.+)`$", re.MULTILINE)
INLINE = re.compile(r"`([^`\n]*\./pants [^`\n]*)`")
FENCE = re.compile(r"^```bash\n(.*?)^```", re.MULTILINE | re.DOTALL)
# What nbconvert writes into a notebook's page as a list, indented, would be shown as code.
STYLE = re.compile(r"^ +<style>\n\s*\['.*?</style>", re.MULTILINE | re.DOTALL)
# Whose messages a page may explain.
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
    """Put the notebooks into the navigation; snippets start at the root, wherever mkdocs does."""
    config.mdx_configs["pymdownx.snippets"]["base_path"] = [str(_root(config))]
    # Those among the pages have their places in mkdocs.yml.
    found = [uri for uri, path in _notebooks(config) if not path.is_relative_to(config.docs_dir)]
    if found and config.nav is not None:
        config.nav.append({SECTION: found})
    return config


# Before mkdocs-jupyter makes pages of notebooks.
@event_priority(100)
def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the notebooks that lie elsewhere; take those that ran for those that did not."""
    for uri, path in _notebooks(config):
        if page := files.get_file_from_path(uri):
            files.remove(page)
        files.append(File.generated(config, uri, abs_src_path=str(_after_it_ran(path, config))))
    return files


# Before mkdocstrings reads the page, and after mkdocs-jupyter has written a notebook's.
@event_priority(50)
def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Show parts of the README, name modules for the reference, check what the page names."""
    targets = _targets()
    markdown = STYLE.sub("", markdown)
    markdown = README.sub(lambda found: _of_readme(found["start"], page, config), markdown)
    root = _root(config)
    found = (problems(markdown, targets, root), unsaid(markdown, root), unnamed(markdown, root))
    for problem in itertools.chain(*found):
        log.warning("%s: %s", page.file.src_uri, problem)
    return API.sub(lambda found: _references(found["folder"], targets), markdown)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Draw the graphs."""
    return GRAPH.sub(lambda found: _picture(found, page, files), html)


# After mkdocs-jupyter, which would load MathJax from another host into each page with a notebook.
@event_priority(-100)
def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Leave out what would ask another host."""
    return MATHJAX.sub("", output)


def problems(markdown: str, targets: list[Mapping[str, Any]], root: Path) -> Iterator[str]:
    """Which addresses and paths a page names that are not there."""
    addresses = {target["address"] for target in targets}
    sources = {source for target in targets for source in target.get("sources") or ()}
    folders = {str(parent) for source in sources for parent in PurePosixPath(source).parents}
    commands = "\n".join(
        VARIABLE.sub("", line.partition(" -- ")[0])
        for block in (*FENCE.findall(markdown), *INLINE.findall(markdown))
        for line in block.splitlines()
        if "./pants " in line
    )
    started = {f"src/models/{name}" for name in STARTED.findall(markdown)}
    for address in ADDRESS.findall(commands):
        folder = address.rstrip(":")
        if folder.partition(":")[0] in started:
            continue
        if address not in addresses and not (address.endswith(":") and folder in folders):
            yield f"there is no target {address}"
    for path in PATH.findall(markdown):
        known = path.rstrip("/") in sources | folders or path.endswith("/BUILD")
        if not known and not (root / path).exists():
            yield f"there is no file or folder {path}"


def unsaid(markdown: str, root: Path) -> Iterator[str]:
    """Which messages a page explains that no code gives."""
    if messages := MESSAGE.findall(markdown):
        code = "\n".join(path.read_text() for glob in CODE for path in root.glob(glob))
        yield from (f"no code says {text!r}" for text in messages if text not in code)


def unnamed(markdown: str, root: Path) -> Iterator[str]:
    """Which folders a page leaves out that says it names each."""
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
    """Each notebook, with its place in the site."""
    root, pages = _root(config), Path(config.docs_dir)
    for path in sorted(pages.glob("**/*.ipynb")):
        yield path.relative_to(pages).as_posix(), path
    for path in sorted(path for glob in NOTEBOOKS for path in root.glob(glob)):
        yield path.relative_to(root).as_posix().removeprefix("src/"), path


def _after_it_ran(notebook: Path, config: MkDocsConfig) -> Path:
    """The notebook with its outputs, where it was run for the site."""
    ran = Path(os.environ.get(EXECUTED, "")) / notebook.relative_to(_root(config))
    return ran.resolve() if EXECUTED in os.environ and ran.exists() else notebook


def _of_readme(start: str, page: Page, config: MkDocsConfig) -> str:
    for block in BLOCK.findall((_root(config) / "README.md").read_text()):
        if re.sub(r"^```\w*\n", "", block).startswith(start):
            return str(block).rstrip()
    log.warning("%s: no block of README.md starts with %r", page.file.src_uri, start)
    return ""


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
