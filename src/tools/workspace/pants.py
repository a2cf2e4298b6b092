"""Call Pants from a program that Pants itself may have started.

Imports the standard library and `cli.errors` only, so that tools of any resolve can use it.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cli.errors import UserError

# Variables of our Python. Pants has its own Python.
_NOT_INHERITED = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PEX")
# While `./pants run` runs this program, its daemon accepts no other call. Start a second daemon,
# which keeps running for later calls.
_ARGUMENTS = ("--pants-subprocessdir=.pids/tools", "--no-dynamic-ui", "--no-colors")
_LINES_OF_AN_ERROR = 5


class PantsError(UserError):
    """Pants failed; the message includes Pants' last lines."""


def peek(root: Path, *options: str) -> list[Mapping[str, Any]]:
    """Return every target of the repository, as `./pants peek ::` prints it.

    Raises:
        PantsError: Pants cannot be started, or fails.
    """
    targets: list[Mapping[str, Any]] = json.loads(call_pants(root, [*options, "peek", "::"]))
    return targets


def call_pants(
    root: Path,
    arguments: Sequence[str],
    *,
    stdin: str = "",
    lines: int | None = _LINES_OF_AN_ERROR,
) -> str:
    """Call Pants, and return its standard output.

    An error includes the last `lines` lines of Pants' output; with None, all lines.

    Raises:
        PantsError: Pants cannot be started, or fails.
    """
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)
    }
    try:
        done = subprocess.run(
            [str(root / "pants"), *_ARGUMENTS, *arguments],
            cwd=root,
            env=inherited,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        raise PantsError(f"{root / 'pants'} cannot be started: {error.strerror}.") from error
    if done.returncode:
        messages = [line for line in done.stderr.splitlines() if line.strip()]
        shown = messages if lines is None else messages[-lines:]
        raise PantsError(f"Pants failed at `{' '.join(arguments)}`:\n  " + "\n  ".join(shown))
    return done.stdout
