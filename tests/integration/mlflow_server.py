"""A real MLflow server for tests."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Self
from urllib.error import URLError

import psutil

from integration.servers import free_port
from support.tasks import IMPORT_PATH

SECONDS_TO_START = 120


class MLflowServer:
    """An MLflow server on SQLite, which hands the artifacts through."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._log = folder / "log"
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._folder.mkdir(exist_ok=True)
        self.start()
        return self

    def start(self) -> None:
        # Without the seven processes that wait for jobs.
        variables = {
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1"]
        command += ["--port", str(self.port), "--workers", "1"]
        command += ["--backend-store-uri", f"sqlite:///{self._folder / 'mlflow.db'}"]
        command += ["--artifacts-destination", str(self._folder / "artifacts")]
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                cwd=self._folder,
                env={**os.environ, "PYTHONPATH": IMPORT_PATH, **variables},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise

    def _wait(self) -> None:
        assert self._process
        deadline = time.monotonic() + SECONDS_TO_START
        while time.monotonic() < deadline:
            assert self._process.poll() is None, self._log.read_text()
            with (
                suppress(URLError, ConnectionError),
                urllib.request.urlopen(f"{self.uri}/health") as answer,
            ):
                assert answer.status == 200
                return
            time.sleep(0.2)
        raise AssertionError(f"no answer from {self.uri}:\n{self._log.read_text()}")

    def stop(self) -> None:
        """The server and its children, which outlive it."""
        if self._process is None:
            return
        server = psutil.Process(self._process.pid)
        processes = [*server.children(recursive=True), server]
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.terminate()
        _, alive = psutil.wait_procs(processes, timeout=20)
        for process in alive:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()
        self._process = None

    def __exit__(self, *_: object) -> None:
        self.stop()
