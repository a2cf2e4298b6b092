"""Which modules decide what a pipeline computes, on packages that are written for each test."""

from __future__ import annotations

import importlib
import py_compile
import sys
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from cli.errors import UserError
from modelling.stored_models import pipeline_code
from modelling.stored_models.pipeline_code import NO_SOURCE, Code, code_of

type Write = Callable[..., Code]
SHOP = {
    "shop/__init__.py": "",
    "shop/pipeline.py": "from shop import prices\n\n\ndef build():\n    return prices.double(1)\n",
    "shop/prices.py": "def double(x):\n    return 2 * x\n",
    "shop/other.py": "X = 1\n",
}


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Write the package `shop` with some files changed, and look at its `pipeline.build`."""
    count = 0

    def write(changes: dict[str, str] | None = None, *, zipped: bool = False) -> Code:
        nonlocal count
        count += 1
        root = tmp_path / f"root_{count}"
        for name, text in {**SHOP, **(changes or {})}.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        return code_of(build(packed(root) if zipped else root))

    def build(root: Path) -> Callable[[], int]:
        forget()
        with monkeypatch.context() as patch:
            patch.syspath_prepend(root)
            found: Callable[[], int] = importlib.import_module("shop.pipeline").build
        return found

    yield write
    forget()


def packed(root: Path) -> Path:
    archive = root.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w") as file:
        for path in root.rglob("*.py"):
            file.write(path, path.relative_to(root))
    return archive


def forget() -> None:
    """Another root has another shop."""
    pipeline_code._collect.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "shop"]:
        del sys.modules[name]


def test_the_pipelines_module_and_all_that_it_imports_count(shop: Write) -> None:
    assert list(shop().modules) == ["shop", "shop.pipeline", "shop.prices"]


def test_a_change_of_what_is_imported_is_other_code_and_names_its_module(shop: Write) -> None:
    before = shop()
    after = shop({"shop/prices.py": "def double(x):\n    return 3 * x\n"})
    assert before.fingerprint != after.fingerprint
    assert {name for name in before.modules if before.modules[name] != after.modules[name]} == {
        "shop.prices"
    }


def test_a_change_outside_of_what_is_imported_is_the_same_code(shop: Write) -> None:
    assert shop().fingerprint == shop({"shop/other.py": "X = 2\n"}).fingerprint


@pytest.mark.parametrize(
    "source",
    [
        '"""About it."""\n' + SHOP["shop/prices.py"],
        "# Why.\n" + SHOP["shop/prices.py"],
        'def double(x):\n    """Twice."""\n\n    return (2 *\n        x)  # twice\n',
    ],
    ids=["docstring of the module", "comment", "docstring of the function, layout"],
)
def test_comments_docstrings_and_layout_are_no_other_code(source: str, shop: Write) -> None:
    assert shop({"shop/prices.py": source}).fingerprint == shop().fingerprint


@pytest.mark.parametrize(
    "source",
    [
        "def double(x):\n    return 2.0 * x\n",
        "def double(x):\n    yield 2 * x\n",
        SHOP["shop/prices.py"] + "double(1)\n",
        "def double(y):\n    return 2 * y\n",
    ],
    ids=["constant", "statement", "one more line", "name"],
)
def test_what_computes_something_else_is_other_code(source: str, shop: Write) -> None:
    assert shop({"shop/prices.py": source}).fingerprint != shop().fingerprint


@pytest.mark.parametrize(
    "line",
    [
        "import shop.other",
        "import shop.other as o",
        "from shop import other",
        "from shop.other import X",
        "from shop.other import *",
        "from . import other",
        "from .other import X",
        "def late():\n    from shop import other",
        "class Late:\n    def late(self):\n        import shop.other",
        "try:\n    import missing\nexcept ImportError:\n    import shop.other",
        "match 1:\n    case 1:\n        import shop.other",
        "with open(__file__):\n    import shop.other",
        "import typing\nif typing.TYPE_CHECKING:\n    pass\nelse:\n    import shop.other",
    ],
)
def test_each_way_to_import_counts(line: str, shop: Write) -> None:
    assert "shop.other" in shop({"shop/prices.py": f"{line}\n"}).modules


@pytest.mark.parametrize("test", ["TYPE_CHECKING", "typing.TYPE_CHECKING"])
def test_what_only_a_type_checker_imports_does_not_count(test: str, shop: Write) -> None:
    source = f"import typing\nfrom typing import TYPE_CHECKING\nif {test}:\n    import shop.other\n"
    assert "shop.other" not in shop({"shop/prices.py": source + SHOP["shop/prices.py"]}).modules


def test_relative_imports_of_a_package_and_its_init_count(shop: Write) -> None:
    files = {
        "shop/prices.py": "from shop.inner.deep import leaf\n",
        "shop/inner/__init__.py": "from .beside import X\n",
        "shop/inner/beside.py": "X = 1\n",
        "shop/inner/deep/__init__.py": "from ... import other\n",
        "shop/inner/deep/leaf.py": "",
    }
    found = set(shop(files).modules)
    assert found == {
        *("shop", "shop.pipeline", "shop.prices", "shop.other"),
        *("shop.inner", "shop.inner.beside", "shop.inner.deep", "shop.inner.deep.leaf"),
    }


def test_modules_are_read_and_not_imported(shop: Write) -> None:
    files = {
        "shop/prices.py": "def late():\n    import shop.bomb\n",
        "shop/bomb/__init__.py": "raise RuntimeError\n",
    }
    assert "shop.bomb" in shop(files).modules
    assert "shop.bomb" not in sys.modules


def test_the_standard_library_and_distributions_do_not_count(shop: Write) -> None:
    """Those of a virtual environment that holds our code, too, as that of a package does."""
    files = {
        "shop/prices.py": "import json\nimport pandas\nimport vendored.part\nimport single\n",
        "vendored/__init__.py": "",
        "vendored/part.py": "",
        "single.py": "",
        "vendored-1.dist-info/RECORD": "vendored/__init__.py,,\nvendored/part.py,,\nsingle.py,,\n",
    }
    assert list(shop(files).modules) == ["shop", "shop.pipeline", "shop.prices"]


def test_the_same_code_has_one_fingerprint_wherever_it_lies(shop: Write) -> None:
    assert shop(zipped=True) == shop()


def test_a_module_without_its_source_has_no_fingerprint(
    shop: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = tmp_path / "bare" / "shop"
    compiled.mkdir(parents=True)
    for name in ("__init__", "prices"):
        source = tmp_path / f"{name}.py"
        source.write_text(SHOP[f"shop/{name}.py"])
        py_compile.compile(str(source), cfile=str(compiled / f"{name}.pyc"))
    (compiled / "pipeline.py").write_text(SHOP["shop/pipeline.py"])
    forget()
    monkeypatch.syspath_prepend(tmp_path / "bare")
    code = code_of(importlib.import_module("shop.pipeline").build)
    assert code.modules["shop.prices"] == NO_SOURCE
    assert code.fingerprint == NO_SOURCE


def test_a_function_without_a_file_has_no_fingerprint() -> None:
    def build() -> None:
        """Typed into a notebook."""

    build.__module__ = "nowhere"
    assert code_of(build).fingerprint == NO_SOURCE


def test_a_partial_is_its_function() -> None:
    assert code_of(partial(code_of)) == code_of(code_of)
    assert "modelling.stored_models.pipeline_code" in code_of(code_of).modules


def test_trusted_types_of_all_modules_are_read(shop: Write) -> None:
    files = {
        "shop/prices.py": 'TRUSTED_TYPES = ("shop.prices.B", "a.A")\n',
        "shop/__init__.py": 'TRUSTED_TYPES: tuple[str, ...] = ("c.C",)\n',
        "shop/other.py": 'TRUSTED_TYPES = ("not.imported",)\n',
    }
    assert shop(files).trusted_types == ("a.A", "c.C", "shop.prices.B")


@pytest.mark.parametrize("value", ["tuple(OTHER)", '("a", 1)', "1", "OTHER"])
def test_trusted_types_that_are_not_written_out_are_refused(value: str, shop: Write) -> None:
    files = {
        "shop/prices.py": "def late():\n    import shop.other\n",
        "shop/other.py": f"OTHER = ()\nTRUSTED_TYPES = {value}\n",
    }
    with pytest.raises(
        UserError, match=r"shop\.other: expected TRUSTED_TYPES to be a literal tuple"
    ):
        shop(files)
