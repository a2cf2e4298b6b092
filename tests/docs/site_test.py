"""The site as a browser sees it, and every link in it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import cache, partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from support.requirements import need_program

SITE = Path(__file__).resolve().parents[2] / "docs/site"
PAGES = sorted(page.relative_to(SITE).as_posix() for page in SITE.rglob("*.html"))
NOTEBOOK = "notebooks/formula.html"
MODULES = [
    "cli",
    "config",
    "data_access_layer",
    "data_exports",
    "datasets",
    "feature_store",
    "modelling",
    "models",
    "tools",
    "validation",
]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    handler = partial(QuietHandler, directory=str(SITE))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = need_program("Chromium", *BROWSERS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program,
            args=[
                # Chromium has no sandbox for root; only this site is opened.
                "--no-sandbox",
                "--disable-gpu",
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            ],
        )
        yield browser
        browser.close()


class WatchedPage:
    """A page of the browser, with its failures, messages and requests to other hosts."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address
        self.problems: list[str] = []
        page.on("request", lambda request: self._check_host(request.url))
        page.on("requestfailed", lambda request: self._add_problem(f"failed: {request.url}"))
        page.on("console", lambda message: self._check_message(message.type, message.text))
        page.on("pageerror", lambda error: self._add_problem(str(error)))

    def open(self, path: str) -> Page:
        self.page.goto(f"{self.address}/{path}", wait_until="networkidle")
        return self.page

    def _check_host(self, url: str) -> None:
        if not url.startswith((f"{self.address}/", "data:", "blob:")):
            self._add_problem(f"request to another host: {url}")

    def _check_message(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self._add_problem(f"{kind}: {text}")

    def _add_problem(self, problem: str) -> None:
        self.problems.append(problem)


@pytest.fixture
def watched(browser: Browser, address: str) -> Iterator[WatchedPage]:
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    yield WatchedPage(page, address)
    page.close()


@pytest.mark.parametrize("path", PAGES)
def test_a_page_requests_no_other_host_and_logs_no_problem(watched: WatchedPage, path: str) -> None:
    watched.open(path)
    assert watched.problems == []


def test_a_request_to_another_host_is_a_problem(watched: WatchedPage) -> None:
    page = watched.open("index.html")
    page.evaluate("fetch('https://example.com/').catch(() => null)")
    page.wait_for_load_state("networkidle")
    assert "request to another host: https://example.com/" in watched.problems


def test_a_notebook_shows_the_output_of_its_cells(watched: WatchedPage) -> None:
    page = watched.open(NOTEBOOK)
    expect(page.get_by_role("heading", name="How a formula becomes a feature")).to_be_visible()
    picture = page.locator(".jp-OutputArea-output img")
    assert picture.evaluate("image => image.naturalWidth") > 400
    expect(page.locator(".jp-OutputArea-output table").first).to_contain_text("revenue")
    marked = page.locator(".jp-OutputArea-output pre", has_text="did you mean 'employees'")
    expect(marked).to_contain_text("^^^^^^^^")
    expect(page.locator("article")).not_to_contain_text("<style>", use_inner_text=True)
    assert watched.problems == []


@pytest.mark.parametrize("module", MODULES)
def test_a_module_has_its_picture_and_its_reference(watched: WatchedPage, module: str) -> None:
    page = watched.open(f"modules/{module}.html")
    picture = page.locator(".graph svg").first
    box = picture.bounding_box()
    assert box is not None
    assert box["width"] > 300
    assert page.locator(".graph .node").count() > 1
    assert page.locator(".doc-module").count() > 0


def test_a_box_of_the_architecture_opens_its_module(watched: WatchedPage) -> None:
    page = watched.open("architecture.html")
    # `tools` has only subfolders: it is a frame without a box.
    names = set(page.locator(".graph .node text, .graph .cluster text").all_text_contents())
    assert names >= {*MODULES, "iris"}
    page.locator(".graph .node", has_text="validation").locator("a").first.click()
    expect(page.get_by_role("heading", name="validation", level=1)).to_be_visible()
    assert watched.problems == []


def test_the_search_finds_a_class(watched: WatchedPage) -> None:
    page = watched.open("index.html")
    # As a reader types: the click loads the index, and each letter searches it.
    page.get_by_role("textbox", name="Search").click()
    page.get_by_role("textbox", name="Search").press_sequentially("FormulaTransformer", delay=50)
    result = page.locator(".md-search-result__link:visible", has_text="FormulaTransformer").first
    expect(result).to_be_visible(timeout=20_000)
    assert watched.problems == []


@pytest.mark.parametrize("path", ["index.html", "modules/feature_store.html", NOTEBOOK])
def test_a_page_fits_on_a_phone(watched: WatchedPage, path: str) -> None:
    watched.page.set_viewport_size({"width": 390, "height": 800})
    page = watched.open(path)
    assert page.evaluate("document.documentElement.scrollWidth") == 390


class Links(HTMLParser):
    """The links of a page, and its anchors."""

    def __init__(self) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.loaded: set[str] = set()
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        target = found.get("href") or found.get("xlink:href") or found.get("src")
        if target:
            (self.links if tag == "a" else self.loaded).add(target)
        self.anchors |= {found[name] for name in ("id", "name") if found.get(name)}


@cache
def links_of(path: str) -> Links:
    parser = Links()
    parser.feed((SITE / path).read_text())
    return parser


def is_broken(path: str, link: str) -> bool:
    parts = urlsplit(link)
    if parts.scheme in ("data", "mailto", "https", "http"):
        return False
    target = (SITE / path).parent / unquote(parts.path) if parts.path else SITE / path
    # 404.html is shown at any address, so its links start at the root.
    if parts.path.startswith("/"):
        target = SITE / parts.path.lstrip("/")
    target = (target / "index.html" if target.is_dir() else target).resolve()
    if not target.is_file():
        return True
    anchors = links_of(target.relative_to(SITE).as_posix()).anchors if parts.fragment else set()
    return bool(parts.fragment) and unquote(parts.fragment) not in anchors


@pytest.mark.parametrize("path", PAGES)
def test_every_link_has_a_target(path: str) -> None:
    page = links_of(path)
    assert sorted(link for link in page.links | page.loaded if is_broken(path, link)) == []
    assert [link for link in page.loaded if link.startswith(("http:", "https:", "//"))] == []


def test_the_site_has_every_page() -> None:
    expected = {"index.html", "data_scientist.html", "mle.html", "errors.html", "architecture.html"}
    assert set(PAGES) >= expected | {f"modules/{module}.html" for module in MODULES} | {NOTEBOOK}
