"""git is started without a copy of the daemon's memory.

Python 3.9 forks, which copies the page tables: an eighth of a second for each of five calls where
the daemon holds some gigabytes. It spawns instead where it need not close files first; those of
Python and of Pants' engine are not inherited anyway (https://peps.python.org/pep-0446/).
"""

from __future__ import annotations

import functools
import subprocess

from pants.core.util_rules import system_binaries


class Spawning:
    """The module `subprocess`, whose `Popen` leaves files open."""

    Popen = functools.partial(subprocess.Popen, close_fds=False)

    def __getattr__(self, name: str) -> object:
        return getattr(subprocess, name)


def take_over() -> None:
    system_binaries.subprocess = Spawning()
