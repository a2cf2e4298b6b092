"""A real remote cache for Pants: BuildGrid, with its blobs on disk and its index in Redis."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Self

from integration.commands import ROOT
from integration.servers import answers, free_port
from support.requirements import need_program

# Pants builds it into the sandbox. Its first start installs what is packaged.
BUILDGRID = ROOT / "tests.integration/buildgrid.pex"
SECONDS_TO_START = 180
# Of BuildGrid's indexes, the one in memory forgets when it ends; in Redis it is there afterwards.
CONFIGURATION = """\
server:
  - !channel
    address: 127.0.0.1:{port}
    insecure-mode: true
connections:
  - !redis-connection &redis
    host: 127.0.0.1
    port: {redis}
storages:
  - !disk-storage &blobs
    path: {blobs}
caches:
  - !redis-action-cache &actions
    storage: *blobs
    redis: *redis
    allow-updates: true
    cache-failed-actions: false
instances:
  - name: ""
    storages: [*blobs]
    caches: [*actions]
    services:
      - !action-cache
        cache: *actions
      - !cas
        storage: *blobs
      - !bytestream
        storage: *blobs
"""


class BuildGrid:
    """BuildGrid on a free port of this machine, with nothing in it."""

    def __init__(self) -> None:
        need_program("redis-server")
        self._folder = Path(tempfile.mkdtemp(prefix="buildgrid-"))
        self._blobs = self._folder / "blobs"
        self._log = self._folder / "log"
        self._processes: list[subprocess.Popen[bytes]] = []
        self._redis = free_port()
        self.port = free_port()

    @property
    def address(self) -> str:
        return f"grpc://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        (self._folder / "redis").mkdir()
        (self._folder / "configuration.yml").write_text(
            CONFIGURATION.format(port=self.port, redis=self._redis, blobs=self._blobs)
        )
        self.start()
        return self

    def start(self) -> None:
        redis = ["redis-server", "--bind", "127.0.0.1", "--port", str(self._redis)]
        # Each write is on disk before it is answered: what a kill must not lose.
        redis += ["--dir", str(self._folder / "redis"), "--appendonly", "yes"]
        self._start(self._redis, *redis, "--appendfsync", "always", "--save", "")
        python = Path(sys.executable).resolve()
        configuration = self._folder / "configuration.yml"
        self._start(self.port, python, BUILDGRID, "server", "start", configuration)

    def _start(self, port: int, *command: str | Path) -> None:
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=self._folder,
                env={**os.environ, "PYTHONPATH": ""},
                stdout=log,
                stderr=log,
            )
        self._processes.append(process)
        deadline = time.monotonic() + SECONDS_TO_START
        while not answers(port):
            assert process.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline, self._log.read_text()
            time.sleep(0.1)

    def spoil(self) -> int:
        """Overwrite each blob with as many other bytes; how many there were."""
        blobs = [path for path in self._blobs.rglob("*") if path.is_file() and path.stat().st_size]
        for path in blobs:
            path.write_bytes(os.urandom(path.stat().st_size))
        return len(blobs)

    def kill(self) -> None:
        """As a machine that is gone: nobody is told."""
        for process in self._processes:
            process.send_signal(signal.SIGKILL)
            process.wait(timeout=30)
        self._processes.clear()

    def __exit__(self, *_: object) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)
