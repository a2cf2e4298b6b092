"""Start git without forking the daemon.

Python 3.9 forks, which copies the page tables. If the daemon uses some gigabytes, that takes 0.12 s
for each of five calls. With `close_fds=False`, Python spawns instead. That is safe, because files
of Python and of Pants' engine are not inherited anyway (https://peps.python.org/pep-0446/).
"""

from __future__ import annotations

import functools
import subprocess

from pants.core.util_rules import system_binaries


class Spawning:
    """The module `subprocess`, whose `Popen` does not close files."""

    Popen = functools.partial(subprocess.Popen, close_fds=False)

    def __getattr__(self, name: str) -> object:
        return getattr(subprocess, name)


def replace_subprocess() -> None:
    """Make Pants' git module spawn its processes."""
    system_binaries.subprocess = Spawning()
