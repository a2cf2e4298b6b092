"""A Docker engine of a test's own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

import pytest

from integration.commands import Result, start

SECONDS_TO_START = 60


class DockerEngine:
    """A private engine; without networks, so that it changes nothing of this machine's.

    Where none can be started, the engine that DOCKER_HOST or the default socket leads to serves,
    and without that the test is skipped.
    """

    def __init__(self) -> None:
        if not shutil.which("docker"):
            pytest.skip("NOT TESTED: no docker program (apt-get install docker.io)")
        self._folder = Path(tempfile.mkdtemp(prefix="docker-", dir="/tmp"))
        self._log = self._folder / "log"
        self._process: subprocess.Popen[bytes] | None = None
        self.env: dict[str, str] = {}

    def docker(self, *arguments: str, timeout: float = 600) -> Result:
        """Call the docker program."""
        started = start("docker", *arguments, cwd=self._folder, env=self.env)
        return Result.of(started, timeout=timeout)

    def __enter__(self) -> Self:
        if shutil.which("dockerd") and os.getuid() == 0:
            # `overlay2` needs a file system that can carry it; `vfs` works on all, with more space.
            for driver in ("overlay2", "vfs"):
                if self._start(driver):
                    return self
        self.env = {}
        if self.docker("version").code == 0:
            return self
        said = self._log.read_text()[-500:] if self._log.exists() else "no dockerd, or not root"
        shutil.rmtree(self._folder, ignore_errors=True)
        pytest.skip(f"NOT TESTED: no Docker engine answers and none can be started: {said}")

    def _start(self, driver: str) -> bool:
        socket = f"unix://{self._folder / 'docker.sock'}"
        command = ["dockerd", "--iptables=false", "--bridge=none", f"--storage-driver={driver}"]
        command += [f"--host={socket}", f"--pidfile={self._folder / 'pid'}"]
        command += [f"--data-root={self._folder / 'data'}", f"--exec-root={self._folder / 'exec'}"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        self.env = {"DOCKER_HOST": socket}
        deadline = time.monotonic() + SECONDS_TO_START
        while self.docker("version").code:
            if self._process.poll() is not None or time.monotonic() > deadline:
                self._stop()
                return False
            time.sleep(0.1)
        return True

    def _stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=60)
            self._process = None

    def __exit__(self, *_: object) -> None:
        self._stop()
        shutil.rmtree(self._folder, ignore_errors=True)
