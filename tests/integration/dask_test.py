"""Prediction by Dask: on processes here, and through a real scheduler one of whose workers dies."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import HTTPError

import numpy as np
import pandas as pd
import psutil
import pytest
from distributed import Client
from distributed.security import Security

from integration.commands import Result
from integration.dask_cluster import DaskCluster, certificate
from integration.servers import S3, free_port
from support.tasks import enter, make_repository

PARTS, ROWS = 24, 5_000
DASK = ("--engine", "dask", "--input", "flowers")
SECONDS = 300


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A repository with a champion, a folder of flowers, and what the local engine makes of it."""
    repository = make_repository(tmp_path_factory.mktemp("dask") / "repository")
    with pytest.MonkeyPatch.context() as patch:
        enter(repository, patch)
        draw = np.random.default_rng(0)
        (repository / "flowers").mkdir()
        for number in range(PARTS):
            first = number * ROWS
            flowers = {
                "flower": np.arange(first, first + ROWS),
                "sepal_length_cm": draw.uniform(4, 8, ROWS),
                "sepal_width_cm": draw.uniform(2, 4.5, ROWS),
                "petal_length_cm": draw.uniform(1, 7, ROWS),
                "petal_width_cm": draw.uniform(0.1, 2.5, ROWS),
            }
            path = repository / "flowers" / f"part-{number:02}.parquet"
            pd.DataFrame(flowers).to_parquet(path)
        local = Result.of(predict("--input", "flowers", "--output", "local"), timeout=SECONDS)
        assert local.code == 0, local.err
        yield repository


@pytest.fixture(scope="module")
def cluster(repository: Path) -> Iterator[DaskCluster]:
    """A scheduler with two workers; a test may kill the first one."""
    with DaskCluster(repository.parent / "cluster", workers=2) as cluster:
        yield cluster


def predict(*argv: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "models.iris.predict", *argv],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def hidden_from(folder: Path) -> tuple[str, ...]:
    """What to put before a command so that it sees an empty folder there, as another machine."""
    mount = ("sh", "-c", 'mount -t tmpfs tmpfs "$0" && exec "$@"', str(folder))
    for unshare in (("unshare", "--mount"), ("unshare", "--mount", "--map-root-user")):
        if (
            shutil.which("unshare")
            and not subprocess.run([*unshare, *mount, "true"], check=False).returncode
        ):
            return (*unshare, *mount)
    pytest.skip("NOT TESTED: no folder can be hidden here, neither as root nor as a user")


def files(folder: Path) -> dict[str, bytes]:
    """Everything in a folder, hidden things too."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def wait_until(happened: Callable[[], bool], task: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + SECONDS
    while not happened():
        assert task.poll() is None, task.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)


def without_progress(text: str) -> list[str]:
    """On a busy machine, a line now and then says how far it is."""
    return [line for line in text.splitlines() if not line.startswith("predicting: ")]


def written(repository: Path, output: str) -> int:
    """How many parts of a running prediction are there."""
    return len(list(repository.glob(f".{output}.writing-*/*.parquet")))


def test_processes_here_make_the_files_that_the_local_engine_makes(repository: Path) -> None:
    result = Result.of(predict(*DASK, "--workers", "2", "--output", "here"), timeout=SECONDS)
    assert result.code == 0, result.err
    assert f"{PARTS * ROWS:,}" in result.out
    assert files(repository / "here") == files(repository / "local")


def listening(task: subprocess.Popen[str]) -> set[tuple[str, int]]:
    """Where a task and its processes take connections."""
    own = psutil.Process(task.pid)
    connections = [c for one in (own, *own.children(recursive=True)) for c in one.net_connections()]
    return {(c.laddr.ip, c.laddr.port) for c in connections if c.status == psutil.CONN_LISTEN}


def answered(port: int) -> bool:
    """Whether somebody else's program learns anything at a port, or has code run there."""
    for scheme, security in (("tcp", None), ("tls", Security.temporary())):
        try:
            with Client(f"{scheme}://127.0.0.1:{port}", security=security, timeout=3) as client:
                client.run_on_scheduler(os.getpid)
        except (OSError, ValueError):
            continue
        return True
    for page in ("health", "metrics", "info/main/workers.html", "json/identity.json"):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/{page}", timeout=3).close()
        except (OSError, HTTPError):
            continue
        return True
    return False


def test_nobody_else_on_this_machine_has_code_run_by_the_processes_here(repository: Path) -> None:
    task = predict(*DASK, "--workers", "1", "--output", "alone")
    try:
        wait_until(lambda: written(repository, "alone") > 0, task)
        for process in (psutil.Process(task.pid), *psutil.Process(task.pid).children()):
            assert not [word for word in process.cmdline() if "PRIVATE KEY" in word]
        places = listening(task)
        # Stopped parts would end the task, and with it what is asked here.
        assert len(places) >= 2
        assert {ip for ip, _ in places} == {"127.0.0.1"}
        assert not [port for _, port in sorted(places) if answered(port)]
    finally:
        task.kill()
        task.communicate()


def test_a_scheduler_with_certificates_is_used_by_those_who_have_them(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = certificate(tmp_path)
    with DaskCluster(tmp_path / "cluster", workers=1, tls=tls) as cluster:
        argv = (*DASK, "--scheduler", cluster.address, "--output", "by-tls")
        without = Result.of(predict(*argv), timeout=SECONDS)
        assert (without.code, without.out) == (1, "")
        assert f"--scheduler {cluster.address}: needs certificates" in without.err
        for name, value in tls.items():
            monkeypatch.setenv(name, value)
        result = Result.of(predict(*argv), timeout=SECONDS)
    assert result.code == 0, result.err
    assert files(repository / "by-tls") == files(repository / "local")


def test_a_worker_that_is_killed_costs_no_row_and_doubles_none(
    repository: Path, cluster: DaskCluster
) -> None:
    task = predict(*DASK, "--scheduler", cluster.address, "--output", "killed")
    try:
        wait_until(lambda: written(repository, "killed") > 0, task)
        doomed = psutil.Process(cluster.workers[0].pid)
        # Frozen before it is counted what is left to do, so that it has a part in hand.
        doomed.suspend()
        left = PARTS - written(repository, "killed")
        doomed.kill()
        result = Result.of(task, timeout=SECONDS)
    finally:
        task.kill()
    assert left > 1
    assert cluster.workers[0].wait(timeout=30) == -signal.SIGKILL
    assert cluster.workers[1].poll() is None
    assert result.code == 0, result.err
    assert files(repository / "killed") == files(repository / "local")
    parts = [pd.read_parquet(path) for path in (repository / "killed").glob("*.parquet")]
    assert sorted(pd.concat(parts)["flower"]) == list(range(PARTS * ROWS))


def test_what_breaks_the_contract_in_any_part_is_the_local_engines_message(
    repository: Path, cluster: DaskCluster
) -> None:
    bad = repository / "bad"
    bad.mkdir()
    for number in range(4):
        path = repository / "flowers" / f"part-{number:02}.parquet"
        flowers = pd.read_parquet(path)
        if number % 2:
            flowers.loc[[number, 4_000], "petal_width_cm"] = -1.0
        flowers.to_parquet(bad / path.name)
    earlier = files(repository / "local")
    results = []
    for engine in ((), ("--engine", "dask", "--scheduler", cluster.address)):
        task = predict(*engine, "--input", "bad", "--output", "local")
        results.append(Result.of(task, timeout=SECONDS))
    local, dask = results
    assert "bad/part-01.parquet: column 'petal_width_cm'" in local.err
    assert "bad/part-03.parquet: column 'petal_width_cm'" in local.err
    assert "in 2 rows: 4, 4001." in local.err
    assert (dask.code, dask.out) == (local.code, local.out) == (2, "")
    assert without_progress(dask.err) == without_progress(local.err)
    assert files(repository / "local") == earlier


def terminate(task: subprocess.Popen[str]) -> None:
    task.terminate()


def interrupt(task: subprocess.Popen[str]) -> None:
    """As a terminal does at Ctrl-C: all processes get it."""
    os.killpg(task.pid, signal.SIGINT)


@pytest.mark.parametrize(
    ("end", "code", "said"), [(terminate, 143, "Terminated"), (interrupt, 130, "Interrupted")]
)
def test_an_end_before_the_end_ends_the_processes_and_leaves_nothing(
    end: Callable[[subprocess.Popen[str]], None], code: int, said: str, repository: Path
) -> None:
    before = sorted(os.listdir(repository))
    task = predict(*DASK, "--workers", "2", "--output", "ended")
    try:
        wait_until(lambda: written(repository, "ended") > 0, task)
        workers = psutil.Process(task.pid).children(recursive=True)
        end(task)
        result = Result.of(task, timeout=SECONDS)
    finally:
        task.kill()
    assert (result.code, result.out) == (code, "")
    assert [line for line in without_progress(result.err) if line] == [
        f"{said}; the earlier output is untouched."
    ]
    assert len(workers) >= 2
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert alive == []
    assert sorted(os.listdir(repository)) == before


def test_a_worker_that_sees_another_folder_under_the_path_is_told(
    repository: Path, tmp_path: Path
) -> None:
    flowers = repository / "flowers"
    hiding = hidden_from(flowers)
    with DaskCluster(tmp_path / "cluster", workers=1, prefix=hiding) as cluster:
        task = predict(*DASK, "--scheduler", cluster.address, "--output", "unseen")
        result = Result.of(task, timeout=SECONDS)
    assert (result.code, result.out) == (1, "")
    assert re.fullmatch(
        rf"{flowers}/part-\d\d.parquet: is different on the worker tcp://127.0.0.1:\d+ on \S+ "
        r"\(No such file or directory\). With --scheduler, --input and --output must be on storage "
        r"that all machines share under the same paths.\n",
        result.err,
    )
    assert not (repository / "unseen").exists()


def test_the_objects_of_s3_are_predicted_as_files_are(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with S3("garden") as s3:
        for number in range(2):
            name = f"part-{number:02}.parquet"
            s3.put(f"flowers/{name}", (repository / "flowers" / name).read_bytes())
        monkeypatch.setenv("DATASCIENCE_STORES_S3_ENDPOINT_URL", s3.endpoint)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        task = predict(
            *("--engine", "dask", "--workers", "2", "--input", "s3://garden/flowers"),
            *("--output", "of-s3"),
        )
        result = Result.of(task, timeout=SECONDS)
    assert result.code == 0, result.err
    for number in range(2):
        made = f"part-{number:02}.parquet"
        assert (repository / "of-s3" / made).read_bytes() == (
            repository / "local" / made
        ).read_bytes()


def test_an_address_without_a_scheduler_is_one_message(repository: Path) -> None:
    address = f"tcp://127.0.0.1:{free_port()}"
    result = Result.of(
        predict(*DASK, "--scheduler", address, "--output", "nowhere"), timeout=SECONDS
    )
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(f"--scheduler {address}: no Dask scheduler answers there (")
    assert result.err.count("\n") == 1
    assert not (repository / "nowhere").exists()


def test_a_worker_without_our_code_is_told(repository: Path, tmp_path: Path) -> None:
    ours = ("models", "config")
    elsewhere = os.pathsep.join(
        entry for entry in sys.path if not any((Path(entry) / name).exists() for name in ours)
    )
    with DaskCluster(tmp_path / "cluster", workers=1, import_path=elsewhere) as cluster:
        task = predict(*DASK, "--scheduler", cluster.address, "--output", "nowhere")
        result = Result.of(task, timeout=SECONDS)
    assert (result.code, result.out) == (1, "")
    assert result.err == (
        f"--scheduler {cluster.address}: a worker cannot import this code (No module named "
        "'modelling'). Start the workers from the same package or image as this task.\n"
    )
