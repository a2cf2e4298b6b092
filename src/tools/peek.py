"""What Pants knows of every target, asked from a program that Pants itself may have started.

Stands on the standard library alone, so that tools of any resolve can use it.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# Ours, and not for the Pants that we start: it has a Python of its own.
_NOT_INHERITED = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PEX")
# While `./pants run` runs this, its daemon answers nobody else. A second one serves the calls from
# inside, and stays for later ones.
_ARGUMENTS = ("--pants-subprocessdir=.pids/tools", "--no-dynamic-ui", "--no-colors")
_LINES_OF_AN_ERROR = 5


class PantsError(Exception):
    """Pants does not answer; the message ends with what it said."""


def peek(root: Path, *options: str) -> list[Mapping[str, Any]]:
    """Every target of the repository, as `./pants peek ::` prints it.

    Raises:
        PantsError: Pants does not answer.
    """
    targets: list[Mapping[str, Any]] = json.loads(ask(root, [*options, "peek", "::"]))
    return targets


def ask(
    root: Path,
    arguments: Sequence[str],
    *,
    given: str = "",
    lines: int | None = _LINES_OF_AN_ERROR,
) -> str:
    """What a call of Pants prints; `given` is its standard input.

    Of an error the last `lines` are told, all of it with None.

    Raises:
        PantsError: Pants does not answer.
    """
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)
    }
    try:
        done = subprocess.run(
            [str(root / "pants"), *_ARGUMENTS, *arguments],
            cwd=root,
            env=inherited,
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        raise PantsError(f"{root / 'pants'} cannot be started: {error.strerror}.") from error
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        told = said if lines is None else said[-lines:]
        raise PantsError(f"Pants failed at `{' '.join(arguments)}`:\n  " + "\n  ".join(told))
    return done.stdout
