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
    """A file is not a Python notebook. The message says why, and how to fix it."""


@dataclass(frozen=True)
class CodeCell:
    """`number` counts all cells from 1, including text cells, as in Ruff's messages."""

    number: int
    source: str
    python: str
    is_python: bool

    @classmethod
    def of(cls, number: int, source: str) -> CodeCell:
        python = one_module_each(python_of(source))
        return cls(number, source, python, is_python(python))


def one_module_each(code: str) -> str:
    """Split `import a, b`, since the parser of Pants 2.17 finds only `a` in it."""
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
    """The Python of all cells as one file, and the cell and line of each of its lines."""

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
            f"{path}:{error.lineno}:{error.colno} is not JSON: {error.msg}. Resolve any merge "
            "conflict in the file, or restore the last good version from git."
        ) from error
    except RecursionError as error:
        raise UnreadableNotebookError(f"{path} is nested too deeply.") from error
    except ValueError as error:
        raise UnreadableNotebookError(f"{path} has a number that is too long: {error}.") from error
    _check(notebook, path)
    if _ESCAPED_HALF.search(content) and (half := _half_character(notebook)):
        raise UnreadableNotebookError(f"{path}: {half}. It cannot be encoded: delete it.")
    return notebook


def _half_character(notebook: dict[str, Any]) -> str:
    """Where the notebook has half of a surrogate pair, for example in a truncated string."""
    for number, cell in enumerate(notebook["cells"], start=1):
        if found := _HALF.search(source_of(cell)):
            return f"cell {number} has half of a character, {ascii(found[0])}"
    if found := _HALF.search(json.dumps(notebook, ensure_ascii=False)):
        return f"an output, or metadata, has half of a character, {ascii(found[0])}"
    return ""


def _check(notebook: Any, path: str) -> None:
    if not isinstance(notebook, dict) or "nbformat" not in notebook:
        raise UnreadableNotebookError(f"{path} is not a notebook: it has no `nbformat`.")
    if notebook["nbformat"] != NBFORMAT:
        raise UnreadableNotebookError(
            f"{path}: expected nbformat {NBFORMAT}, got {notebook['nbformat']!r}. Save it again "
            f"in JupyterLab, or run `jupyter nbconvert --to notebook --inplace {path}`."
        )
    cells = notebook.get("cells")
    if not isinstance(cells, list) or not all(map(_is_cell, cells)):
        raise UnreadableNotebookError(
            f"{path}: expected `cells` to be a list of cells, each with `cell_type` and `source`."
        )
    language = _language(notebook)
    if not _PYTHON.fullmatch(language):
        raise UnreadableNotebookError(
            f"{path}: expected a Python notebook, got {language!r}. Exclude it from the target: "
            f'sources=["*.ipynb", "!{path.rpartition("/")[2]}"].'
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
    sections = ((metadata.get(key), name) for key, name in _LANGUAGE_KEYS)
    names = (section.get(name) for section, name in sections if isinstance(section, dict))
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
    """The files in `%run` magics, each with its first line."""
    found: dict[str, CellLine] = {}
    for cell in cells:
        for path in runs_of(cell.source):
            line = next(i for i, text in enumerate(cell.source.split("\n"), 1) if path in text)
            found.setdefault(path, CellLine(cell.number, line))
    return found


def executable(content: bytes, path: str) -> bytes:
    """The notebook without outputs and most metadata, which do not affect its execution."""
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
