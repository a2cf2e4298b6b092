"""A real Dask cluster for tests: a scheduler and workers, each a process that can be killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from integration.servers import answers, free_port
from support.tasks import IMPORT_PATH

SECONDS_TO_START = 120


class DaskCluster:
    """A scheduler and workers of one thread each; nothing starts a killed one again."""

    def __init__(
        self,
        folder: Path,
        *,
        workers: int,
        import_path: str = IMPORT_PATH,
        prefix: Sequence[str] = (),
    ) -> None:
        self._folder = folder
        self._count = workers
        self._import_path = import_path
        # Of the workers' command.
        self._prefix = prefix
        self._port = free_port()
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def address(self) -> str:
        return f"tcp://127.0.0.1:{self._port}"

    @property
    def workers(self) -> list[subprocess.Popen[bytes]]:
        return self._processes[1:]

    def __enter__(self) -> Self:
        self._folder.mkdir()
        try:
            self._start(
                "scheduler",
                sys.executable,
                "-m",
                "distributed.cli.dask_scheduler",
                "--host=127.0.0.1",
                f"--port={self._port}",
            )
            deadline = time.monotonic() + SECONDS_TO_START
            while not answers(self._port):
                assert self._processes[0].poll() is None, self.log("scheduler")
                assert time.monotonic() < deadline, self.log("scheduler")
                time.sleep(0.05)
            for number in range(self._count):
                self._start(
                    f"worker-{number}",
                    *self._prefix,
                    sys.executable,
                    "-m",
                    "distributed.cli.dask_worker",
                    self.address,
                    "--nthreads=1",
                    "--no-nanny",
                    f"--local-directory={self._folder}",
                )
        except BaseException:
            self.__exit__()
            raise
        return self

    def log(self, name: str) -> str:
        return (self._folder / f"{name}.log").read_text()

    def _start(self, name: str, *command: str) -> None:
        with (self._folder / f"{name}.log").open("wb") as output:
            process = subprocess.Popen(
                [*command, "--no-dashboard"],
                # Not where the task runs: what is sent to a worker must not depend on that.
                cwd=self._folder,
                env={**os.environ, "PYTHONPATH": self._import_path},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self._processes.append(process)

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._processes):
            process.kill()
            process.wait(timeout=30)
