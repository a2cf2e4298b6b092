"""A real Dask cluster for tests: a scheduler and workers, each a process that can be killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from integration.servers import answers, free_port
from support.tasks import IMPORT_PATH

SECONDS_TO_START = 120


def certificate(folder: Path) -> dict[str, str]:
    """Make a certificate as docs/pages/predict.md does, and return Dask's variables for it."""
    crt, key = str(folder / "dask.crt"), str(folder / "dask.key")
    made = ("openssl", "req", "-x509", "-newkey", "rsa:3072", "-noenc", "-days", "30")
    named = ("-subj", "/CN=dask", "-keyout", key, "-out", crt)
    subprocess.run([*made, *named], check=True, capture_output=True)
    tls = "DASK_DISTRIBUTED__COMM__TLS__"
    variables = {f"{tls}CA_FILE": crt}
    for role in ("SCHEDULER", "WORKER", "CLIENT"):
        variables |= {f"{tls}{role}__CERT": crt, f"{tls}{role}__KEY": key}
    return variables


class DaskCluster:
    """A scheduler and workers of one thread each; nothing starts a killed one again.

    With the variables of a certificate, they talk by TLS.
    """

    def __init__(
        self,
        folder: Path,
        *,
        workers: int,
        import_path: str = IMPORT_PATH,
        prefix: Sequence[str] = (),
        tls: Mapping[str, str] | None = None,
    ) -> None:
        self._folder = folder
        self._count = workers
        self._import_path = import_path
        # Of the workers' command.
        self._prefix = prefix
        self._tls = tls or {}
        self._protocol = "tls" if tls else "tcp"
        self._port = free_port()
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def address(self) -> str:
        return f"{self._protocol}://127.0.0.1:{self._port}"

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
                f"--protocol={self._protocol}",
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
                env={**os.environ, "PYTHONPATH": self._import_path, **self._tls},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self._processes.append(process)

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._processes):
            process.kill()
            process.wait(timeout=30)
