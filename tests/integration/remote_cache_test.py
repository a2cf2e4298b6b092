"""What Pants does with a real remote cache that works, and with those that fail."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from integration.build_grid import BuildGrid
from integration.commands import ROOT, Result, commit_all, copy_launcher, start
from integration.servers import free_port

BUILD = """\
python_sources()
python_tests(name="tests")
pex_binary(name="greet", entry_point="greeting.py")
"""
GREETING = 'def greet(name: str) -> str:\n    return f"Hello {name}"\n'
GREETING_TEST = """\
from greeting.greeting import greet


def test_greet() -> None:
    assert greet("you") == "Hello you"
"""
# Lets whoever started the build do something in the midst of it.
WAITING_TEST = """\
import time
from pathlib import Path

from greeting.greeting import greet


def test_greet() -> None:
    Path("{started}").touch()
    while not Path("{go_on}").exists():
        time.sleep(0.1)
    assert greet("you") == "Hello you"
"""
ALL = ("test", "package")
# A warning about what prints the counters.
IGNORED = "+['Please run with `--plugins=hdrhistogram`']"


@dataclass(frozen=True)
class Build:
    counters: dict[str, int]
    warnings: list[str]

    @classmethod
    def of(cls, process: subprocess.Popen[str]) -> Build:
        result = Result.of(process, timeout=600)
        assert result.code == 0, (result.out, result.err)
        return cls(
            {name: int(count) for name, count in re.findall(r"^  (\w+): (\d+)$", result.err, re.M)},
            re.findall(r"\[(?:WARN|ERROR)\] (.*)", result.err),
        )

    def __getitem__(self, counter: str) -> int:
        return self.counters[f"remote_cache_{counter}"]


@dataclass(frozen=True)
class Clone:
    """A clone whose local store is its own, and empty before the first build."""

    root: Path

    @classmethod
    def of(cls, origin: Path, root: Path) -> Clone:
        subprocess.run(["git", "clone", "--quiet", origin, root], check=True)
        return cls(root)

    @property
    def greet(self) -> bytes:
        return (self.root / "dist/src.greeting/greet.pex").read_bytes()

    def write(self, name: str, text: str) -> None:
        (self.root / "src/greeting" / name).write_text(text)

    def start(
        self, address: str, *goals: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        return start(
            self.root / "pants",
            "--stats-log",
            *goals,
            "src/greeting::",
            cwd=self.root,
            env={
                "PANTS_CONFIG_FILES": "pants.ci.toml",
                # Without a daemon, which would outlive the test and know what it found before.
                "PANTS_PANTSD": "false",
                "PANTS_COLORS": "false",
                "PANTS_IGNORE_WARNINGS": IGNORED,
                # What the build and the cache need. Each start of all backends takes 3 s longer.
                "PANTS_BACKEND_PACKAGES": "['pants.backend.python', 'remote_cache']",
                "PANTS_VERIFY_CONFIG": "false",
                "PANTS_LOCAL_STORE_DIR": str(self.root.with_suffix(".store")),
                # As the documentation says.
                "PANTS_REMOTE_STORE_ADDRESS": address,
                "PANTS_REMOTE_CACHE_READ": "true",
                "PANTS_REMOTE_CACHE_WRITE": "true",
                **(environment or {}),
            },
        )

    def package(self, address: str) -> Build:
        """What is soonest done, since it installs nothing."""
        return Build.of(self.start(address, "package"))


@dataclass(frozen=True)
class Ran:
    build: Build
    greet: bytes


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("origin")
    copy_launcher(root)
    for name in (".gitignore", "pants.toml", "pants.ci.toml", "pytest.ini"):
        shutil.copy(ROOT / name, root)
    for folder in ("pants-plugins", "3rdparty/python/locks"):
        shutil.copytree(
            ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__", "BUILD")
        )
    (root / "src/greeting").mkdir(parents=True)
    for name, text in (
        ("BUILD", BUILD),
        ("greeting.py", GREETING),
        ("greeting_test.py", GREETING_TEST),
    ):
        (root / "src/greeting" / name).write_text(text)
    commit_all(root)
    return root


@pytest.fixture(scope="module")
def cache() -> Iterator[BuildGrid]:
    with BuildGrid() as server:
        yield server


@pytest.fixture(scope="module")
def ran(origin: Path, cache: BuildGrid, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """What one clone ran, of which the cache has all."""
    clone = Clone.of(origin, tmp_path_factory.mktemp("first") / "clone")
    return Ran(Build.of(clone.start(cache.address, *ALL)), clone.greet)


@pytest.fixture
def clone(origin: Path, tmp_path: Path) -> Clone:
    return Clone.of(origin, tmp_path / "clone")


def assert_one_warning(build: Build, address: str) -> None:
    """The build, which ended well, said once that the cache failed, and nothing else."""
    assert len(build.warnings) == 1, build.warnings
    assert build.warnings[0].startswith(f"The remote cache {address} failed: ")


def test_what_one_clone_ran_runs_in_no_other(
    cache: BuildGrid, ran: Ran, clone: Clone, tmp_path: Path
) -> None:
    first = ran.build
    assert first.warnings == []
    # At least: pytest installed, the test run, the package made.
    assert first["requests"] == first["requests_uncached"] == first["write_successes"] >= 3

    # Whatever it knows after that, it has on disk.
    cache.kill()
    cache.start()

    # Nothing that is kept beside the local store is of help either.
    other = {"PANTS_NAMED_CACHES_DIR": str(tmp_path / "named")}
    second = Build.of(clone.start(cache.address, *ALL, environment=other))
    assert second.warnings == []
    assert second["requests"] == second["requests_cached"] == first["requests"]
    # A process starts beside the question for its result, and is stopped by the answer: none ended.
    assert second["speculation_remote_completed_first"] == first["requests"]
    assert second["speculation_local_completed_first"] == second["write_attempts"] == 0
    assert clone.greet == ran.greet


@pytest.mark.usefixtures("ran")
def test_a_cache_that_goes_away_costs_one_warning(
    cache: BuildGrid, clone: Clone, tmp_path: Path
) -> None:
    started, go_on = tmp_path / "started", tmp_path / "go_on"
    clone.write("greeting_test.py", WAITING_TEST.format(started=started, go_on=go_on))
    process = clone.start(cache.address, *ALL)
    while not started.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    cache.kill()
    go_on.touch()
    try:
        build = Build.of(process)
    finally:
        cache.start()
    assert_one_warning(build, cache.address)
    # It was there before, and then it was not.
    assert build["requests_cached"] > 0
    assert build["read_errors"] > 0
    assert clone.greet


@pytest.mark.usefixtures("ran")
def test_a_cache_whose_disk_is_rotten_costs_one_warning(cache: BuildGrid, clone: Clone) -> None:
    assert cache.spoil() > 0
    build = clone.package(cache.address)
    assert_one_warning(build, cache.address)
    assert build["requests_cached"] == 0
    assert build["read_errors"] > 0
    assert clone.greet


def test_a_cache_that_is_not_there_costs_one_warning(clone: Clone) -> None:
    address = f"grpc://127.0.0.1:{free_port()}"
    build = clone.package(address)
    assert_one_warning(build, address)
    assert build["read_errors"] == build["requests"] > 0
    assert build["write_errors"] == build["write_attempts"] > 0
    assert clone.greet


def _say_nothing(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


def _answer_garbage(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(os.urandom(65536))


@contextmanager
def _server(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """What listens where a cache should, and is none."""

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            answer(connection)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield f"grpc://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("answer", [_say_nothing, _answer_garbage])
def test_a_server_that_is_no_cache_costs_one_warning(
    clone: Clone, answer: Callable[[socket.socket], None]
) -> None:
    with _server(answer) as address:
        build = clone.package(address)
    assert_one_warning(build, address)
    assert build["requests_cached"] == build["write_successes"] == 0
    assert build["requests"] > 0
    assert clone.greet
