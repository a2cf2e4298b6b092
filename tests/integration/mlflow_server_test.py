"""Training and prediction through a real MLflow server."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.mlflow_server import MLflowServer
from integration.servers import free_port
from support.tasks import Result, enter, make_repository


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    with MLflowServer(tmp_path / "server") as server:
        yield server.uri


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


def test_no_task_shows_the_password_of_the_server(
    server: str, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "geheim4711"  # pragma: allowlist secret
    monkeypatch.setenv("DATASCIENCE_DEBUG", "1")
    host = server.removeprefix("http://")
    for place, code in ((host, 0), (f"127.0.0.1:{free_port()}", 1)):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:{secret}@{place}")
        for module in ("train", "evaluate", "predict"):
            result = task(module)
            assert result.code == code, result.err
            assert secret not in result.out + result.err
            if code:
                assert f"MLflow at http://**********@{place}: " in result.err
    kept = [path for path in repository.rglob("*") if path.is_file()]
    assert kept
    assert not [path for path in kept if secret.encode() in path.read_bytes()]
