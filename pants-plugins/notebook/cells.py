"""The code cells of a notebook file: no Pants rules."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from notebook.magics import is_python, python_of, runs_of

NBFORMAT = 4
# Spyder's kernel calls its language python3.
_PYTHON = re.compile(r"i?python(3[\d.]*)?")
# In JSON, a character beyond the first 65,536 is two escapes.
_ESCAPED_HALF = re.compile(rb"\\u[dD][89a-fA-F]")
_HALF = re.compile("[\ud800-\udfff]")
_MODULE = r"[\w.]+(?:[ \t]+as[ \t]+\w+)?"
_IMPORTS = re.compile(
    rf"((?:^|[:;])[ \t]*import[ \t]+)({_MODULE}(?:[ \t]*,[ \t]*{_MODULE})+)", re.MULTILINE
)


class UnreadableNotebookError(Exception):
    """A file that is no notebook of Python; the message says why and what to do."""


@dataclass(frozen=True)
class CodeCell:
    """`number` counts all cells from 1, text too, as Ruff and a reader do."""

    number: int
    source: str
    python: str
    is_python: bool

    @classmethod
    def of(cls, number: int, source: str) -> CodeCell:
        python = one_module_each(python_of(source))
        return cls(number, source, python, is_python(python))


def one_module_each(code: str) -> str:
    """Of `import a, b` the parser of Pants 2.17 sees `a` alone."""
    return _IMPORTS.sub(
        lambda match: match[1] + re.sub(r"[ \t]*,[ \t]*", "; import ", match[2]), code
    )


@dataclass(frozen=True)
class CellLine:
    cell: int
    line: int

    def __str__(self) -> str:
        return f"cell {self.cell}, line {self.line}"


@dataclass(frozen=True)
class Joined:
    """The Python of cells as one file, and where each of its lines came from."""

    code: str
    starts: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, cells: Iterable[CodeCell]) -> Joined:
        code, starts, line = [], [], 1
        for cell in cells:
            starts.append((line, cell.number))
            code.append(cell.python)
            line += cell.python.count("\n") + 1
        return cls("".join(f"{text}\n" for text in code), tuple(starts))

    def locate(self, line: int) -> CellLine:
        start, number = max(entry for entry in self.starts if entry[0] <= line)
        return CellLine(number, line - start + 1)


def load(content: bytes, path: str) -> dict[str, Any]:
    try:
        notebook = json.loads(content.decode())
    except UnicodeDecodeError as error:
        raise UnreadableNotebookError(f"{path} is not UTF-8: {error.reason}.") from error
    except json.JSONDecodeError as error:
        raise UnreadableNotebookError(
            f"{path}:{error.lineno}:{error.colno} is not JSON: {error.msg}. A notebook is; take "
            "the last good version from git, or resolve the conflict that was left in it."
        ) from error
    except RecursionError as error:
        raise UnreadableNotebookError(f"{path} is nested too deeply for a notebook.") from error
    except ValueError as error:
        raise UnreadableNotebookError(f"{path} has a number that is too long: {error}.") from error
    _check(notebook, path)
    if _ESCAPED_HALF.search(content) and (half := _half_character(notebook)):
        raise UnreadableNotebookError(f"{path}: {half}. No file can hold it: delete it.")
    return notebook


def _half_character(notebook: dict[str, Any]) -> str:
    """Where JSON's escapes name half of a character, as what cut a text by bytes leaves it."""
    for number, cell in enumerate(notebook["cells"], start=1):
        if found := _HALF.search(source_of(cell)):
            return f"cell {number} has half of a character, {ascii(found[0])}"
    if found := _HALF.search(json.dumps(notebook, ensure_ascii=False)):
        return f"an output, or metadata, has half of a character, {ascii(found[0])}"
    return ""


def _check(notebook: Any, path: str) -> None:
    if not isinstance(notebook, dict) or "nbformat" not in notebook:
        raise UnreadableNotebookError(f"{path} is JSON but no notebook: it has no `nbformat`.")
    if notebook["nbformat"] != NBFORMAT:
        raise UnreadableNotebookError(
            f"{path} has nbformat {notebook['nbformat']!r}, expected {NBFORMAT}. Save it again "
            f"from JupyterLab, or `jupyter nbconvert --to notebook --inplace {path}`."
        )
    cells = notebook.get("cells")
    if not isinstance(cells, list) or not all(map(_is_cell, cells)):
        raise UnreadableNotebookError(
            f"{path} is broken: `cells` is not a list of cells, each with `cell_type` and `source`."
        )
    language = _language(notebook)
    if not _PYTHON.fullmatch(language):
        raise UnreadableNotebookError(
            f"{path} is a notebook of {language!r}; only those of Python can be targets. Leave it "
            f'out: sources=["*.ipynb", "!{path.rpartition("/")[2]}"].'
        )


def _is_cell(cell: Any) -> bool:
    if not isinstance(cell, dict) or not isinstance(cell.get("cell_type"), str):
        return False
    source = cell.get("source")
    return isinstance(source, str) or (
        isinstance(source, list) and all(isinstance(line, str) for line in source)
    )


def _language(notebook: dict[str, Any]) -> str:
    metadata = notebook.get("metadata")
    if not isinstance(metadata, dict):
        return "python"
    told = ((metadata.get(key), name) for key, name in _LANGUAGE_KEYS)
    names = (place.get(name) for place, name in told if isinstance(place, dict))
    return next((str(name).lower() for name in names if name), "python")


_LANGUAGE_KEYS = (("language_info", "name"), ("kernelspec", "language"))


def source_of(cell: dict[str, Any]) -> str:
    source = cell["source"]
    return source if isinstance(source, str) else "".join(source)


def code_cells(content: bytes, path: str) -> tuple[CodeCell, ...]:
    return tuple(
        CodeCell.of(number, source_of(cell))
        for number, cell in enumerate(load(content, path)["cells"], start=1)
        if cell["cell_type"] == "code"
    )


def runs(cells: Iterable[CodeCell]) -> dict[str, CellLine]:
    """The files that `%run` names, each with the first cell that does."""
    found: dict[str, CellLine] = {}
    for cell in cells:
        for path in runs_of(cell.source):
            line = next(i for i, text in enumerate(cell.source.split("\n"), 1) if path in text)
            found.setdefault(path, CellLine(cell.number, line))
    return found


def executable(content: bytes, path: str) -> bytes:
    """What an execution depends on: neither outputs, nor most metadata, nor the order of keys."""
    notebook = load(content, path)
    stripped = {
        "nbformat": NBFORMAT,
        "nbformat_minor": notebook.get("nbformat_minor", 0),
        "metadata": _only(notebook.get("metadata"), "kernelspec"),
        "cells": [_executable_cell(cell) for cell in notebook["cells"]],
    }
    return json.dumps(stripped, sort_keys=True, ensure_ascii=False).encode()


def _executable_cell(cell: dict[str, Any]) -> dict[str, Any]:
    kept = {**_only(cell, "cell_type", "id", "attachments"), "source": source_of(cell)}
    tags = _only(cell.get("metadata"), "tags").get("tags")
    kept["metadata"] = {"tags": tags} if tags else {}
    if cell["cell_type"] == "code":
        kept |= {"outputs": [], "execution_count": None}
    return kept


def _only(values: Any, *keys: str) -> dict[str, Any]:
    return {key: values[key] for key in keys if key in values} if isinstance(values, dict) else {}
