"""A real registry of images, which asks for a password."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self
from urllib.request import Request, urlopen

from integration.servers import SECONDS_TO_START, answers, free_port
from support.requirements import need_program

USER = "publisher"
OCI = "application/vnd.oci.image"
MANIFESTS = (
    f"{OCI}.index.v1+json",
    f"{OCI}.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
WRITES = ("POST ", "PUT ", "PATCH ", "DELETE ")


class DockerRegistry:
    """Debian's docker-registry on a free port of this machine, with nothing in it."""

    def __init__(self, password: str) -> None:
        need_program("docker-registry")
        need_program("htpasswd")
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

    def writes(self, since: int) -> list[str]:
        """Those of the later requests that changed something, or tried to."""
        return [line for line in self.requests()[since:] if line.startswith(WRITES)]

    def ask(
        self,
        method: str,
        repository: str,
        tag: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
    ) -> bytes:
        """Ask for a manifest, or hand one in."""
        login = base64.b64encode(f"{USER}:{self._password}".encode()).decode()
        url = f"http://{self.host}/v2/{repository}/manifests/{tag}"
        request = Request(url, body, {"Authorization": f"Basic {login}", **headers}, method=method)
        with urlopen(request) as answer:
            return bytes(answer.read())

    def manifest(self, repository: str, tag: str) -> bytes:
        """What a tag names, byte for byte."""
        return self.ask("GET", repository, tag, {"Accept": ", ".join(MANIFESTS)})

    def digest(self, repository: str, tag: str) -> str:
        return f"sha256:{hashlib.sha256(self.manifest(repository, tag)).hexdigest()}"

    def log_in(self, folder: Path, engine: Mapping[str, str]) -> None:
        """As a person does; docker keeps the password in the folder."""
        subprocess.run(
            ["docker", "login", "--username", USER, "--password-stdin", self.host],
            env={**os.environ, **engine, "DOCKER_CONFIG": str(folder)},
            input=self._password.encode(),
            check=True,
            capture_output=True,
        )

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
        self.start()
        return self

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                ["docker-registry", "serve", self._folder / "config.yml"], stdout=log, stderr=log
            )
        deadline = time.monotonic() + SECONDS_TO_START
        while not answers(self.port):
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=30)
            self._process = None

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)
