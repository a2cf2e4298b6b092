from __future__ import annotations

import json
import re
from typing import Any

import pytest

from notebook.cells import (
    CellLine,
    Joined,
    UnreadableNotebookError,
    code_cells,
    executable,
    one_module_each,
    runs,
)


def code(*lines: str, **more: Any) -> dict[str, Any]:
    return {"cell_type": "code", "source": list(lines), **more}


def notebook(*cells: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"nbformat": 4, "cells": cells, "metadata": {}, **more}).encode()


TEXT = {"cell_type": "markdown", "source": "# Title"}


def test_cells_are_counted_from_one_with_those_of_text() -> None:
    cells = code_cells(notebook(TEXT, code("import os\n", "!ls"), TEXT, code("x = 1")), "a.ipynb")
    assert [(cell.number, cell.source, cell.python) for cell in cells] == [
        (2, "import os\n!ls", "import os\npass"),
        (4, "x = 1", "x = 1"),
    ]


def test_a_line_of_the_joined_file_is_located_in_its_cell() -> None:
    cells = code_cells(notebook(code("a\n", "b"), TEXT, code(), code("c")), "a.ipynb")
    joined = Joined.of(cells)
    assert joined.code == "a\nb\n\nc\n"
    places = [CellLine(1, 1), CellLine(1, 2), CellLine(3, 1), CellLine(4, 1)]
    assert [joined.locate(line) for line in (1, 2, 3, 4)] == places
    assert str(places[1]) == "cell 1, line 2"


def test_each_module_on_one_line_is_imported() -> None:
    code = "import a, b.c as d ,e  # and, more\nif a: import f, g\nfrom h import i, j\nk = f(a, b)"
    assert one_module_each(code) == (
        "import a; import b.c as d; import e  # and, more\nif a: import f; import g\n"
        "from h import i, j\nk = f(a, b)"
    )


def test_run_files_are_located() -> None:
    cells = code_cells(notebook(TEXT, code("x = 1\n", "%run helpers.py")), "a.ipynb")
    assert runs(cells) == {"helpers.py": CellLine(2, 2)}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"cells": [\n<<<<<<< HEAD', "a/b.ipynb:2:1 is not JSON: Expecting value."),
        (b"\xff\xfe", "a/b.ipynb is not UTF-8"),
        (b"[]", "a/b.ipynb is not a notebook: it has no `nbformat`."),
        (notebook(nbformat=3), "a/b.ipynb: expected nbformat 4, got 3. Save it again"),
        (notebook({"cell_type": "code"}), "a/b.ipynb: expected `cells` to be a list of cells"),
        (notebook({"cell_type": "code", "source": [1]}), "a/b.ipynb: expected `cells`"),
        (
            notebook(metadata={"kernelspec": {"language": "R"}}),
            "a/b.ipynb: expected a Python notebook, got 'r'. Exclude it from the target: "
            'sources=["*.ipynb", "!b.ipynb"].',
        ),
        (
            notebook(TEXT, code("import os  # \ud83d")),
            "a/b.ipynb: cell 2 has half of a character, '\\ud83d'. It cannot be encoded: delete",
        ),
        (
            notebook(code("x", outputs=[{"text": "\udc00"}])),
            "a/b.ipynb: an output, or metadata, has half of a character, '\\udc00'. It cannot",
        ),
    ],
)
def test_an_invalid_notebook_is_reported(content: bytes, message: str) -> None:
    with pytest.raises(UnreadableNotebookError, match=f"^{re.escape(message)}"):
        code_cells(content, "a/b.ipynb")


@pytest.mark.parametrize("language", ["python", "Python", "python3", "python3.13", "ipython"])
def test_pythons_languages_have_several_names(language: str) -> None:
    content = notebook(code("x"), metadata={"kernelspec": {"language": language}})
    assert [cell.python for cell in code_cells(content, "a.ipynb")] == ["x"]


def test_a_surrogate_pair_is_one_character() -> None:
    content = notebook(code("x = '\N{SLIGHTLY SMILING FACE}'"))
    assert b"\\ud83d" in content
    assert executable(content, "a.ipynb").decode().count("\N{SLIGHTLY SMILING FACE}") == 1


def test_outputs_and_counts_do_not_affect_an_execution() -> None:
    plain = notebook(TEXT, code("x\n", "y", outputs=[], execution_count=None))
    metadata = {"execution": {"iopub.status.busy": "2026-11-25"}, "tags": []}
    shown = notebook(
        TEXT,
        code("x\n", "y", outputs=[{"text": "3"}], execution_count=7, metadata=metadata),
        metadata={"language_info": {"name": "python", "version": "3.13.0"}},
    )
    assert executable(plain, "a.ipynb") == executable(shown, "a.ipynb")
    assert executable(plain, "a.ipynb") != executable(notebook(TEXT, code("x")), "a.ipynb")


def test_tags_are_an_input_of_an_execution() -> None:
    tagged = executable(notebook(code("x = 1", metadata={"tags": ["parameters"]})), "a.ipynb")
    assert json.loads(tagged)["cells"][0]["metadata"] == {"tags": ["parameters"]}
    assert tagged != executable(notebook(code("x = 1")), "a.ipynb")
