"""Pants, started from a command that Pants started."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from config.errors import UserError

# Ours, and not for the Pants that we start: it has a Python of its own.
_NOT_INHERITED = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PEX")
# While `./pants run` runs this, its daemon answers nobody else.
_ALONE = ("--no-pantsd", "--no-dynamic-ui", "--no-colors")
_SHOWN_LINES = 5


def call_pants(root: Path, *arguments: str, problem: str) -> str:
    """What Pants prints.

    Raises:
        UserError: it fails; `problem` is what that means to a person.
    """
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)
    }
    try:
        done = subprocess.run(
            [str(root / "pants"), *_ALONE, *arguments],
            cwd=root,
            env=inherited,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        raise UserError(f"{root / 'pants'} cannot be started: {error.strerror}.") from error
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise UserError(f"{problem}:\n  " + "\n  ".join(lines[-_SHOWN_LINES:]))
    return done.stdout
