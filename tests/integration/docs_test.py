"""`mkdocs_site`, packaged by a real Pants in a repository of its own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from integration.commands import ROOT, Result, copy_launcher, start, stop_pantsd

BUILD = """\
python_requirements(name="mkdocs", source="docs.txt", resolve="docs")
python_source(name="hooks", source="hooks.py", resolve="docs", dependencies=[":mkdocs"])
mkdocs_site(name="site", dependencies=[":hooks"], reads=["docs/docs.txt"])
"""
HOOKS = """\
import json, os


def on_page_markdown(markdown, **_):
    with open(os.environ["DOCS_TARGETS"]) as targets:
        return markdown + ", ".join(target["address"] for target in json.load(targets))
"""
MKDOCS = """\
site_name: Test
docs_dir: pages
hooks: [hooks.py]
theme:
  name: material
  font: false
validation:
  links:
    anchors: warn
"""


@dataclass(frozen=True)
class Repository:
    root: Path

    def package(self) -> Result:
        # A daemon makes each call after the first a quick one; the fixture ends it.
        command = (self.root / "pants", "--no-dynamic-ui", "package", "docs:site")
        env = {"PANTS_PANTSD": "true"}
        return Result.of(start(*command, cwd=self.root, env=env), timeout=600)

    def write(self, name: str, text: str) -> None:
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_text(text)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    root = tmp_path_factory.mktemp("docs")
    copy_launcher(root)
    shutil.copy(ROOT / "pants.toml", root)
    shutil.copytree(ROOT / "pants-plugins", root / "pants-plugins")
    shutil.copytree(ROOT / "3rdparty/python/locks", root / "3rdparty/python/locks")
    (root / "docs").mkdir()
    shutil.copy(ROOT / "3rdparty/python/tools/docs.txt", root / "docs")
    repository = Repository(root)
    repository.write("docs/BUILD", BUILD)
    repository.write("docs/pages/index.md", "# Start\n\n[There](there.md#part)\n")
    repository.write("docs/pages/there.md", "# There\n\n## Part\n")
    repository.write("docs/mkdocs.yml", MKDOCS)
    repository.write("docs/hooks.py", HOOKS)
    try:
        yield repository
    finally:
        stop_pantsd(root)


def test_a_site_is_packaged_whole_or_not_at_all(repository: Repository) -> None:
    made = repository.package()
    assert made.code == 0, made.err
    index = repository.root / "dist/docs/site/index.html"
    assert "docs:hooks, docs:mkdocs" in index.read_text()

    repository.write("docs/pages/index.md", "# Start\n\n[Nowhere](nowhere.md)\n")
    failed = repository.package()
    assert failed.code == 1
    assert "Doc file 'index.md' contains a link 'nowhere.md'" in failed.err
    assert "There" in index.read_text()

    repository.write("docs/pages/index.md", "# Start\n\n[There](there.md#nothing)\n")
    failed = repository.package()
    assert failed.code == 1
    assert "does not contain an anchor '#nothing'" in failed.err
