"""Where this process stores data that does not fit into memory."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import lru_cache


@lru_cache(maxsize=1)
def make_private_folder() -> str:
    """Create a temporary folder of this process (in TMPDIR) that only this user can open.

    DuckDB's file names can be guessed. In a folder that everybody can write to, such as `/tmp`,
    another user's link could choose which file they replace.
    """
    folder = tempfile.mkdtemp(prefix="duckdb-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
