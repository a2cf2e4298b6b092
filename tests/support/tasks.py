"""Repositories to run tasks in, and how a task came out."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"

# For processes that a test starts: Pants gives relative entries, which `enter` would break.
IMPORT_PATH = os.pathsep.join(os.path.abspath(entry) for entry in sys.path)

type CallTask = Callable[..., Result]


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


def make_repository(folder: Path) -> Path:
    """A folder that models take for a repository: they keep their embedded store in it."""
    folder.mkdir(exist_ok=True)
    (folder / "pants.toml").touch()
    return folder


def enter(repository: Path, patch: pytest.MonkeyPatch) -> None:
    """Make `repository` the current folder, and let no setting of this machine count."""
    for name in list(os.environ):
        if name.startswith(("DATASCIENCE_", "MLFLOW_TRACKING_", "CI_COMMIT_")):
            patch.delenv(name)
    patch.setenv("DATASCIENCE_GIT_COMMIT", COMMIT)
    patch.setenv("PYTHONPATH", IMPORT_PATH)
    patch.chdir(repository)
