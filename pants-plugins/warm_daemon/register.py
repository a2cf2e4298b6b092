from __future__ import annotations

from warm_daemon import build_files, git


def rules():
    build_files.replace_rule()
    git.replace_subprocess()
    return ()
