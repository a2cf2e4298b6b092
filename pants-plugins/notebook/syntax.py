"""Find the first syntax error of each cell: a JSON list of cells to a list of `[line, message]`.

A cell without errors gets null. This is also a program, which runs on the notebook's Python,
because that may support newer syntax than Pants' Python.
"""

from __future__ import annotations

import ast
import json
import sys
import warnings
from pathlib import Path

FLAGS = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT


def syntax_error(source: str) -> tuple[int, str] | None:
    """The line and the error; `await` outside a function is allowed."""
    try:
        compile(source, "cell", "exec", FLAGS)
    except SyntaxError as error:
        return error.lineno or 1, error.msg
    except (ValueError, RecursionError, MemoryError) as error:
        return 1, str(error)
    return None


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    cells = json.loads(Path(sys.argv[1]).read_bytes())
    print(json.dumps([syntax_error(cell) for cell in cells]))
