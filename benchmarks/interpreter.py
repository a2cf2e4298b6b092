"""Which Python runs our code."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path


def python() -> Path:
    """The interpreter that `./pants` runs our code on."""
    found = shutil.which("python3.13")
    pyenv = sorted(Path.home().glob(".pyenv/versions/3.13.*/bin/python3.13"))
    if not found and not pyenv:
        sys.exit(
            "There is no CPython 3.13. Which one is missing, ./pants run src/tools:doctor says."
        )
    return Path(found) if found and not pyenv else pyenv[-1]
