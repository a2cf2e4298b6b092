"""Run .gitlab-ci.yml on this machine: gitlab-ci-local, with its own Node.js.

Examples:
  ./pants run src/tools:gitlab-ci-local -- --list
  ./pants run src/tools:gitlab-ci-local -- --file dist/affected/jobs.yml --list
  ./pants run src/tools:gitlab-ci-local -- --shell-isolation --force-shell-executor contracts

All arguments are gitlab-ci-local's. It shows a child pipeline that fails as one that passed: run
the child's file by itself. It reads the files that git knows, and copies the repository by rsync.
npm installs it once, as package-lock.json in 3rdparty/node says.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.ci.node_tools import NODE, environment, installed

LOCK = "3rdparty/node/package-lock.json"
PROGRAM = "node_modules/gitlab-ci-local/dist/index.js"


def main(argv: Sequence[str] | None = None) -> int:
    """Install it where it is not, and become it; the exit code where that fails."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    lock = Path(LOCK)
    if not lock.is_file():
        print(
            f"{lock.resolve()}: there is none: call this at the root of a clone.", file=sys.stderr
        )
        return 2
    try:
        program = installed(lock.parent, PROGRAM)
    except subprocess.CalledProcessError as error:
        print(f"{LOCK} cannot be installed:\n{error.stderr.strip()}", file=sys.stderr)
        return 1
    return os.execve(NODE, [str(NODE), str(program), *arguments], environment())


if __name__ == "__main__":
    sys.exit(main())
