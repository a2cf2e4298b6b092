"""Which Python runs our code."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path


def python() -> Path:
    """The interpreter that `./pants` runs our code on."""
    found = shutil.which("python3.13")
    pyenv = sorted(Path.home().glob(".pyenv/versions/3.13.*/bin/python3.13"))
    installed = sorted(Path.home().glob(".cache/pants/setup/bin-*/python3.13"))
    if pyenv:
        return pyenv[-1]
    if found:
        return Path(found)
    if not installed:
        sys.exit("CPython 3.13 is not installed. Run ./pants --version, which installs it.")
    return installed[0]
