"""Where this process keeps what does not fit into memory."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import lru_cache


@lru_cache(maxsize=1)
def make_private_folder() -> str:
    """A temporary folder (TMPDIR) of this process, which only this user opens.

    DuckDB gives its files names that can be guessed: in a folder where everybody may write, such as
    `/tmp`, somebody's link would choose what they replace.
    """
    folder = tempfile.mkdtemp(prefix="duckdb-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
