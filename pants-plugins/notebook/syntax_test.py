from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from notebook import syntax

CELLS = ["import os", "x = 1\ndef f(:", "await x", "\0"]
EXPECTED_LINES = [None, 2, None, 1]


def test_each_cell_has_its_own_error() -> None:
    errors = [syntax.syntax_error(cell) for cell in CELLS]
    assert [error and error[0] for error in errors] == EXPECTED_LINES


def test_it_runs_as_a_program(tmp_path: Path) -> None:
    file = tmp_path / "cells.json"
    file.write_text(json.dumps(CELLS))
    printed = subprocess.run(
        [sys.executable, "-I", syntax.__file__, file], check=True, capture_output=True
    ).stdout
    errors = json.loads(printed)
    assert [error and error[0] for error in errors] == EXPECTED_LINES
