from __future__ import annotations

from warm_daemon import build_files, git


def rules():
    build_files.take_over()
    git.take_over()
    return ()
