"""A real registry of images, which asks for a password."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

import pytest

from integration.servers import SECONDS_TO_START, answers, free_port

USER = "publisher"


class DockerRegistry:
    """Debian's docker-registry on a free port of this machine, with nothing in it."""

    def __init__(self, password: str) -> None:
        if not shutil.which("docker-registry"):
            pytest.skip("NOT TESTED: no docker-registry (apt-get install docker-registry)")
        if not shutil.which("htpasswd"):
            pytest.skip("NOT TESTED: no htpasswd (apt-get install apache2-utils)")
        self._folder = Path(tempfile.mkdtemp(prefix="registry-"))
        self._log = self._folder / "log"
        self._password = password
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def requests(self) -> list[str]:
        """The method and path of each request so far."""
        return [
            line.partition('"')[2].partition(" HTTP/")[0]
            for line in self._log.read_text(errors="replace").splitlines()
            if line.startswith("127.0.0.1 ")
        ]

    def __enter__(self) -> Self:
        users = subprocess.run(
            ["htpasswd", "-nbB", USER, self._password], check=True, capture_output=True
        ).stdout
        (self._folder / "users").write_bytes(users)
        (self._folder / "config.yml").write_text(
            "version: 0.1\n"
            f"storage: {{filesystem: {{rootdirectory: {self._folder / 'images'}}}}}\n"
            f"http: {{addr: '{self.host}', secret: test}}\n"
            f"auth: {{htpasswd: {{realm: test, path: {self._folder / 'users'}}}}}\n"
        )
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                ["docker-registry", "serve", self._folder / "config.yml"], stdout=log, stderr=log
            )
        deadline = time.monotonic() + SECONDS_TO_START
        while not answers(self.port):
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=30)
        shutil.rmtree(self._folder, ignore_errors=True)
