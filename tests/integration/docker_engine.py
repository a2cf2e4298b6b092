"""A real Docker engine for tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

import pytest

from integration.commands import Result, start
from support.requirements import need_program

SECONDS_TO_START = 30
SECONDS_TO_STOP = 30
SECONDS_FOR_A_COMMAND = 300


class DockerEngine:
    """An engine of its own for a test, else the one that answers already.

    Its own has no images and no network (a build or container takes `--network=none` or `host`), so
    that it needs no bridge, no iptables, and nothing of an engine that runs beside it.
    """

    def __init__(self, disk: str = "") -> None:
        """With `disk`, such as `100m`, its images lie on a disk in memory of that size."""
        need_program("Docker", "docker")
        self._disk = disk
        # A socket's path has to be short, which one in a sandbox is not.
        self._folder = Path(tempfile.mkdtemp(prefix="engine-", dir="/tmp"))
        self._process: subprocess.Popen[bytes] | None = None
        self._host = os.environ.get("DOCKER_HOST", "")
        self._log = self._folder / "log"

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    @property
    def env(self) -> Mapping[str, str]:
        """What makes a `docker` in a subprocess talk to this engine, and with nobody's logins."""
        return {"DOCKER_CONFIG": str(self._folder / "config"), "DOCKER_HOST": self._host}

    @property
    def is_own(self) -> bool:
        return self._process is not None

    def __enter__(self) -> Self:
        try:
            reason = self._start_own()
            if reason is None or not (problem := self._problem()):
                return self
            need_program("Docker", "dockerd")
            pytest.skip(f"NOT TESTED: {reason}; and no other engine answers: {problem}")
        except BaseException:
            self._leave()
            raise

    def _start_own(self) -> str | None:
        """Why there is no engine of its own, or None."""
        if not shutil.which("dockerd"):
            return "dockerd is not installed"
        if os.getuid():
            return "only root can start dockerd"
        if self._disk and (problem := self._mount()):
            return problem
        own, before = f"unix://{self._folder}/socket", self._host
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(self._command(own), stdout=log, stderr=log)
        self._host = own
        deadline = time.monotonic() + SECONDS_TO_START
        while self._problem() and self._process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
        if self._process.poll() is None and not self._problem():
            return None
        self._stop()
        self._host = before
        return f"dockerd did not start: {self.log().strip().splitlines()[-1:]}"

    def _mount(self) -> str | None:
        self._data.mkdir()
        done = self._run("mount", "-t", "tmpfs", "-o", f"size={self._disk}", "engine", self._data)
        return f"no disk can be mounted: {done.err.strip()}" if done.code else None

    def resize_disk(self, disk: str) -> None:
        """Give it more room, as who clears a disk does."""
        done = self._run("mount", "-o", f"remount,size={disk}", self._data)
        assert done.code == 0, done.err

    def _run(self, *command: str | Path) -> Result:
        return Result.of(start(*command, cwd=self._folder), timeout=30)

    def _command(self, host: str) -> list[str]:
        """It chooses overlay2 where the folder's file system can, else vfs."""
        folder = self._folder
        # containerd takes no `_` beside a `-`, nor at the end.
        namespace = folder.name.replace("_", "x")
        return [
            # Where a test is killed, its engine goes too.
            *("setpriv", "--pdeathsig=TERM"),
            "dockerd",
            "--iptables=false",
            "--bridge=none",
            f"--host={host}",
            f"--data-root={self._data}",
            f"--exec-root={folder}/run",
            f"--pidfile={folder}/pid",
            # Where the machine's own containerd runs, dockerd keeps its containers in that one.
            f"--containerd-namespace={namespace}",
            f"--containerd-plugins-namespace={namespace}-plugins",
        ]

    def docker(self, *arguments: str | Path, timeout: float = SECONDS_FOR_A_COMMAND) -> Result:
        """Call the client, in an empty folder."""
        command = start("docker", *arguments, cwd=self._folder, env=self.env)
        return Result.of(command, timeout=timeout)

    def log(self) -> str:
        return self._log.read_text() if self._log.exists() else ""

    def _problem(self) -> str:
        """Why no engine answers, or nothing."""
        asked = self.docker("version", "--format", "{{.Server.Version}}", timeout=30)
        return (asked.err.strip() or "no answer") if asked.code else ""

    def _stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(timeout=SECONDS_TO_STOP)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def _leave(self) -> None:
        self._stop()
        if self._data.is_mount():
            self._run("umount", self._data)
        with suppress(FileNotFoundError):
            shutil.rmtree(self._folder)

    def __exit__(self, *_: object) -> None:
        self._leave()
