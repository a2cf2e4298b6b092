"""Training and prediction through a real MLflow server."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.error import URLError

import psutil
import pytest

from support.tasks import IMPORT_PATH, Result, enter, make_repository


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert server.poll() is None, log.read_text()
        with suppress(URLError, ConnectionError), urllib.request.urlopen(url) as answer:
            assert answer.status == 200
            return
        time.sleep(0.2)
    raise AssertionError(f"no answer from {url}:\n{log.read_text()}")


def stop(server: subprocess.Popen[bytes]) -> None:
    """The server and its children, which outlive it."""
    processes = [*psutil.Process(server.pid).children(recursive=True), psutil.Process(server.pid)]
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    _, alive = psutil.wait_procs(processes, timeout=20)
    for process in alive:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    server.wait()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of an MLflow server on SQLite, which hands the artifacts through."""
    folder = tmp_path / "server"
    folder.mkdir()
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": IMPORT_PATH, "MLFLOW_DISABLE_TELEMETRY": "true"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for(f"http://127.0.0.1:{port}/health", process, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        stop(process)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, a repository."""
    repository = make_repository(tmp_path / "repository")
    enter(repository, monkeypatch)
    return repository


def task(module: str, *argv: str) -> Result:
    command = [sys.executable, "-m", f"models.iris.{module}", *argv]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    return Result(done.returncode, done.stdout, done.stderr)


def test_training_evaluation_and_prediction_go_through_a_server(
    server: str, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    monkeypatch.setenv("DATASCIENCE_ENVIRONMENT", "prod")
    missing = task("predict")
    assert (missing.code, missing.out) == (1, "")
    assert missing.err == (
        f"iris has no champion in {server}. Train one: ./pants run src/models/iris:train\n"
    )
    trained = task("train")
    assert trained.code == 0, trained.err
    assert "iris version 1 is now the champion." in trained.err
    assert f"in {server}\n" in trained.err
    evaluated = task("evaluate")
    assert evaluated.code == 0, evaluated.err
    assert "accuracy" in evaluated.out
    predicted = task("predict", "--output", "species.parquet")
    assert (predicted.code, predicted.err) == (0, "")
    assert sorted(os.listdir(repository)) == [
        "pants.toml",
        "species.parquet",
        "species.parquet.manifest.json",
    ]
    assert list((repository.parent / "server" / "artifacts").glob("**/model.skops"))


def test_a_server_that_is_down_is_told_in_one_line_and_soon(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    for module in ("predict", "train"):
        started = time.monotonic()
        result = task(module)
        # Most of it is imports, and the cross-validation of a training; MLflow alone would take
        # minutes.
        assert time.monotonic() - started < 60
        assert (result.code, result.out) == (1, "")
        *_, message = result.err.splitlines()
        assert message.startswith(f"MLflow at {address}: ")
        assert "Connection refused" in message
        assert "Traceback" not in result.err
    assert os.listdir(repository) == ["pants.toml"]
