"""Run .gitlab-ci.yml on this machine with gitlab-ci-local.

Examples:
  ./pants run src/tools:gitlab-ci-local -- --list
  ./pants run src/tools:gitlab-ci-local -- --file dist/affected/jobs.yml --list
  ./pants run src/tools:gitlab-ci-local -- --shell-isolation --force-shell-executor contracts

Passes all arguments to gitlab-ci-local. It reports a failed child pipeline as passed, so run the
child's file separately. It uses only files that git tracks, and needs rsync. npm installs it once,
with the versions of package-lock.json in 3rdparty/node.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.ci.node_tools import NODE, environment, install

LOCK = "3rdparty/node/package-lock.json"
PROGRAM = "node_modules/gitlab-ci-local/dist/index.js"


def main(argv: Sequence[str] | None = None) -> int:
    """Install gitlab-ci-local if needed, and replace this process with it."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    lock = Path(LOCK)
    if not lock.is_file():
        print(f"{lock.resolve()}: no such file. Run this at the root of a clone.", file=sys.stderr)
        return 2
    try:
        program = install(lock.parent, PROGRAM)
    except subprocess.CalledProcessError as error:
        print(f"{LOCK} cannot be installed:\n{error.stderr.strip()}", file=sys.stderr)
        return 1
    return os.execve(NODE, [str(NODE), str(program), *arguments], environment())


if __name__ == "__main__":
    sys.exit(main())
