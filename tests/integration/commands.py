"""Commands that the tests start, and the launcher that many of them start."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

# In Pants' sandbox: a folder with the files that this folder's BUILD names, and nothing else.
ROOT = Path(__file__).resolve().parents[2]
LAUNCHER = "3rdparty/python/launcher"


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @classmethod
    def of(cls, process: subprocess.Popen[str], *, timeout: float = 180) -> Result:
        out, err = process.communicate(timeout=timeout)
        return cls(process.returncode, out, err)


def start(
    *command: str | Path, cwd: Path, env: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """Start a command in a process group of its own, `env` laid over this process' environment."""
    return subprocess.Popen(
        command,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def copy_launcher(root: Path) -> None:
    """Make a folder in which `./pants` works, once a pants.toml is there."""
    ignored = shutil.ignore_patterns("__pycache__", "BUILD")
    shutil.copytree(ROOT / LAUNCHER, root / LAUNCHER, ignore=ignored)
    for name in ("pants", ".pants.bootstrap"):
        shutil.copy(ROOT / name, root / name)


def copy_repository(root: Path) -> None:
    """Copy the launcher, the build definition and all sources that the sandbox holds."""
    copy_launcher(root)
    for name in (".gitignore", "copier.yml", "pants.toml", "pytest.ini", "ruff.toml"):
        shutil.copy(ROOT / name, root / name)
    for folder in ("src", "pants-plugins", "3rdparty/python", "docker"):
        shutil.copytree(
            ROOT / folder,
            root / folder,
            ignore=shutil.ignore_patterns("__pycache__", Path(LAUNCHER).name),
            dirs_exist_ok=True,
        )


def copy_test_support(root: Path) -> None:
    """Copy what the tests of models share."""
    shutil.copytree(ROOT / "tests/support", root / "tests/support", dirs_exist_ok=True)
    for name in ("BUILD", "conftest.py"):
        shutil.copy(ROOT / "tests" / name, root / "tests" / name)


def commit_all(root: Path) -> str:
    """Commit whatever there is, in a repository that is made where there is none; the commit."""
    git = ("git", "-c", "user.name=Test", "-c", "user.email=test@example.com")
    for command in (
        ("init", "--quiet", "--initial-branch=main"),
        ("add", "--all"),
        ("commit", "--quiet", "--allow-empty", "--message=Test"),
    ):
        subprocess.run([*git, *command], cwd=root, check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, check=True, capture_output=True)
    return head.stdout.decode().strip()


def stop_pantsd(root: Path) -> None:
    """End the daemons of a repository, its tools' too; nothing that was started there may stay."""
    for file in root.glob(".pids/**/pantsd/pid"):
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(int(file.read_text()))
            process.terminate()
            process.wait(timeout=30)
    deadline = time.monotonic() + 10
    while (alive := _started_in(root)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert alive == []


def _started_in(root: Path) -> list[object]:
    processes = [process.info for process in psutil.process_iter(["pid", "cmdline"])]
    return [info for info in processes if str(root) in str(info["cmdline"])]
