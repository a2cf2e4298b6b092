"""The interpreters that the launcher installs, on a machine whose only Python is unsuitable.

They come from a mirror, made of this machine's. Where the tests run as root, the launcher does not.
"""

from __future__ import annotations

import base64
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest

from integration.commands import LAUNCHER, ROOT, Result, copy_launcher
from integration.python_mirror import Mirror

PINS = dict(
    re.findall(
        r"^# python: ((\d+\.\d+)\.\d+)$",
        (ROOT / LAUNCHER / "pythons.txt").read_text(),
        re.MULTILINE,
    )
)
TOOLS = ("bash", "cat", "cksum", "env", "find", "ln", "mkdir", "readlink", "sh", "uname")
# How this machine reaches its package index.
INDEX = ("PIP_", "SSL_", "REQUESTS_", "CURL_", "http", "HTTP", "no_proxy", "NO_PROXY")
USER = 54321 if os.getuid() == 0 else os.getuid()
PANTS_TOML = """\
[GLOBAL]
pants_version = "2.17.1"
pantsd = false
backend_packages = ["pants.backend.python"]

[python]
interpreter_constraints = ["CPython==3.13.*"]
interpreter_versions_universe = ["3.9", "3.13"]

[python-bootstrap]
search_path = ["<PYENV>", "<PATH>"]

[python-infer]
use_rust_parser = true
"""
PEX_CLI = re.search(
    r"^# built: (\w+) (\d+)\n(?:.*\n)*pex==(\S+)",
    (ROOT / LAUNCHER / "pex.txt").read_text(),
    re.MULTILINE,
)
OFFLINE = {"PIP_NO_INDEX": "1", "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "UV_OFFLINE": "1"}
LOGIN = "me:made-up"
CODE = "import sys, zlib\nprint(sys.version_info[:2], sys.base_prefix)\n"


@dataclass(frozen=True)
class Machine:
    """A user's home with a clone, and the programs on PATH."""

    folder: Path
    mirror: Mirror

    @property
    def root(self) -> Path:
        return self.folder / "clone"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def cache(self) -> Path:
        return self.home / ".cache/pants/setup"

    @property
    def programs(self) -> Path:
        return self.folder / "programs"

    @classmethod
    def new(cls, folder: Path, mirror: Mirror, python: Path) -> Machine:
        machine = cls(folder, mirror)
        for made in (machine.root, machine.home, machine.programs):
            made.mkdir(parents=True)
        copy_launcher(machine.root)
        (machine.root / "pants.toml").write_text(PANTS_TOML)
        for tool in TOOLS:
            (machine.programs / tool).symlink_to(shutil.which(tool) or tool)
        (machine.programs / "python3").symlink_to(python)
        subprocess.run(["chown", "-R", f"{USER}:{USER}", folder], check=True)
        return machine

    def start(self, *command: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        settings = {key: value for key, value in os.environ.items() if key.startswith(INDEX)}
        return subprocess.Popen(
            command,
            cwd=self.root,
            env={
                **settings,
                "HOME": str(self.home),
                "PATH": str(self.programs),
                "USER": "somebody",
                **self.mirror.settings,
                **(env or {}),
            },
            user=USER,
            group=USER,
            extra_groups=[] if os.getuid() == 0 else None,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def call(self, *command: str, env: Mapping[str, str] | None = None) -> Result:
        return Result.of(self.start(*command, env=env))

    def has(self, program: str, script: str) -> None:
        (self.programs / program).write_text(f"#!/bin/sh\n{script}\n")
        (self.programs / program).chmod(0o755)

    def kept(self) -> list[str]:
        """What was installed; the rest of the cache is of use to any later call."""
        return [
            path.name for path in self.cache.glob("*") if path.name.startswith(("bin-", "python-"))
        ]


@pytest.fixture(scope="module")
def shared() -> Iterator[Path]:
    """A folder that everybody may read, unlike pytest's."""
    folder = Path(tempfile.mkdtemp(prefix="interpreters-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def mirror(shared: Path) -> Mirror:
    """Of the 3.9 that the launcher finds, and of the 3.13 that runs this test."""
    source = f'source "{ROOT / LAUNCHER}/first_call.bash"; cache=/ search=none'
    find = f'{source}; _pants_find 3.9; echo "$python"'
    found = subprocess.run(["bash", "-c", find], check=True, capture_output=True, text=True)
    pythons = {"3.9": Path(found.stdout.strip()), "3.13": Path(sys.executable)}
    folder = shared / "mirror"
    folder.mkdir()
    return Mirror.make(folder, {pin: pythons[minor] for pin, minor in PINS.items()})


@pytest.fixture(scope="module")
def unsuitable(shared: Path, mirror: Mirror) -> Path:
    """A CPython 3.13 without venv, ensurepip and pip."""
    with tarfile.open(next(mirror.folder.glob("cpython-3.13.*.tar.gz"))) as packed:
        packed.extractall(shared / "machine", filter="tar")
    shutil.rmtree(shared / "machine/python/lib/python3.13/venv")
    return shared / "machine/python/bin/python3.13"


@dataclass(frozen=True)
class FirstCalls:
    """The messages of two calls at once, and how the one ended that was not killed."""

    machine: Machine
    said: str
    result: Result


@pytest.fixture(scope="module")
def installed(shared: Path, mirror: Mirror, unsuitable: Path) -> FirstCalls:
    """A call is killed while uv works. Of the next two, one is killed while it installs Pants."""
    machine = Machine.new(shared / "user", mirror, unsuitable)
    killed = machine.start("./pants", "--version")
    wait_until(lambda: any(machine.cache.glob("python-3.9*/**/os.py")))
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    assert not list(machine.cache.glob("bin-*"))
    calls = {call.pid: call for call in [machine.start("./pants", "--version") for _ in range(2)]}
    installing = str(machine.cache / "pants-")
    wait_until(
        lambda: any(machine.cache.glob("pants-*.partial-*/lib/python3.9/site-packages/*.py"))
    )
    (group,) = {
        os.getpgid(process.pid)
        for process in psutil.process_iter(["cmdline"])
        if "pip" in str(process.info["cmdline"]) and installing in str(process.info["cmdline"])
    } & calls.keys()
    os.killpg(group, signal.SIGKILL)
    _, said = calls.pop(group).communicate()
    (other,) = calls.values()
    result = Result.of(other)
    return FirstCalls(machine, said + result.err, result)


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not true():
        assert time.monotonic() < deadline, "waited two minutes in vain"
        time.sleep(0.01)


@pytest.fixture
def machine(installed: FirstCalls, unsuitable: Path, shared: Path) -> Iterator[Machine]:
    """Another, without interpreters, but with all that is not what its test is about."""
    folder = Path(tempfile.mkdtemp(dir=shared))
    folder.chmod(0o755)
    machine = Machine.new(folder / "user", installed.machine.mirror, unsuitable)
    for before in installed.machine.cache.glob("[pu][iv]*-*"):
        machine.cache.mkdir(parents=True, exist_ok=True)
        (machine.cache / before.name).symlink_to(before)
    subprocess.run(["chown", "-R", f"{USER}:{USER}", machine.home], check=True)
    yield machine
    shutil.rmtree(folder)


def test_killed_first_calls_and_two_at_once_install_each_interpreter_once(
    installed: FirstCalls,
) -> None:
    assert (installed.result.code, installed.result.out) == (0, "2.17.1\n"), installed.said
    for pin, minor in PINS.items():
        assert installed.said.count(f"no suitable CPython {minor} found: installing {pin}") == 1
    assert "waiting for it" in installed.said
    kept = {path.name.partition("-")[0] for path in installed.machine.cache.iterdir()}
    assert kept == {".lock", "bin", "pants", "pex", "pip", "python", "uv"}
    assert not list(installed.machine.cache.glob("*.partial-*"))
    home = installed.machine.home
    assert [path.name for path in home.iterdir()] == [".cache"]
    assert {path.name for path in (home / ".cache").iterdir()} <= {"pants", "pip"}
    assert installed.machine.call("./pants", "--version", env=OFFLINE) == Result(0, "2.17.1\n", "")


def test_pants_runs_code_on_the_installed_python_and_not_on_the_unsuitable_one(
    installed: FirstCalls,
) -> None:
    machine = installed.machine
    assert PEX_CLI
    sha, size, version = PEX_CLI.groups()
    known = [f"v{version}|{one}|{sha}|{size}" for one in ("linux_x86_64", "linux_arm64")]
    settings = f'\n[pex-cli]\nversion = "v{version}"\nknown_versions = {known}\n'
    (machine.root / "pants.toml").write_text(PANTS_TOML + settings)
    (machine.root / "shown.py").write_text(CODE)
    (machine.root / "BUILD").write_text("python_sources()\n")
    expected = f"(3, 13) {machine.cache}/python-3.13."
    ran = machine.call("./pants", "run", "shown.py")
    assert ran.code == 0, ran.err
    assert ran.out.startswith(expected)
    # docs/pages/package.md names it for a machine without python3.13 on PATH.
    (python,) = machine.cache.glob("bin-*/python3.13")
    assert machine.call(str(python), "shown.py").out.startswith(expected)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"sha256": "0" * 64}, "Hash mismatch"),
        ({"content": b"\x1f\x8b\x08\0\0\0\0\0\0\3truncated"}, "Failed to extract"),
        ({"content": b""}, "No such file"),
    ],
    ids=["another hash", "truncated", "missing"],
)
def test_an_archive_that_is_not_the_pinned_one_is_not_kept(
    machine: Machine, changes: dict[str, Any], reason: str
) -> None:
    folder = machine.folder / "changed"
    folder.mkdir()
    settings = machine.mirror.changed(folder, **changes).settings
    result = machine.call("./pants", "--version", env={**settings, "UV_HTTP_RETRIES": "0"})
    assert_no_python(result, reason)
    assert machine.kept() == []


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"UV_OFFLINE": "1"}, "Network connectivity is disabled"),
        ({"UV_PYTHON_DOWNLOADS": "never"}, "Python downloads are not allowed"),
        ({"UV_PYTHON_INSTALL_MIRROR": "file:///no/such/mirror"}, "/no/such/mirror/"),
    ],
    ids=["offline", "not allowed", "mirror"],
)
def test_settings_of_uv_are_respected(
    machine: Machine, settings: dict[str, str], reason: str
) -> None:
    result = machine.call(
        "./pants", "--version", env={"UV_PYTHON_DOWNLOADS_JSON_URL": "", **settings}
    )
    assert_no_python(result, reason)
    assert machine.kept() == []


def assert_no_python(result: Result, reason: str) -> None:
    """One message says what was looked at, what was tried, and what to do."""
    assert (result.code, result.out) == (1, "")
    assert result.err.count("pants: no CPython 3.9 found") == 1
    assert reason in result.err
    assert "python3 is cpython 3.13" in result.err
    assert "UV_PYTHON_INSTALL_MIRROR" in result.err
    assert "PANTS_PYTHON=/path/to/python3.9 ./pants" in result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize(
    ("listed", "command"),
    [("", "list"), (next(iter(PINS)), "install")],
    ids=["too old", "recent enough"],
)
def test_a_uv_on_path_is_used_where_it_has_the_version(
    machine: Machine, listed: str, command: str
) -> None:
    (uv,) = machine.cache.glob("uv-*/uv")
    log = machine.home / "log"
    listing = f"case $2 in list) echo 'cpython-{listed}-'; exit;; esac"
    machine.has("uv", f'echo "$2" >> {log}\n{listing}\nexec {uv} "$@"')
    result = machine.call(
        "./pants", "--version", env={"UV_OFFLINE": "1", "UV_PYTHON_DOWNLOADS_JSON_URL": ""}
    )
    assert_no_python(result, "Network connectivity is disabled")
    assert log.read_text().split()[-1] == command


class Index(BaseHTTPRequestHandler):
    """An index for one user, whose pip is not the pinned one."""

    def do_GET(self) -> None:
        login = base64.b64encode(LOGIN.encode()).decode()
        self.send_response(200 if self.headers["Authorization"] == f"Basic {login}" else 401)
        self.end_headers()
        self.wfile.write(b'<a href="../../files/pip-25.3-py3-none-any.whl">pip</a>')

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def index() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Index) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"127.0.0.1:{server.server_port}/simple"
        server.shutdown()


@pytest.mark.parametrize("place", ["variable", "file"])
def test_a_pip_with_another_hash_is_refused(machine: Machine, index: str, place: str) -> None:
    (pip,) = machine.cache.glob("pip-*")
    pip.unlink()
    (uv,) = machine.cache.glob("uv-*")
    uv.unlink()
    address = f"http://{LOGIN}@{index}"
    file = machine.home / "pip.conf"
    file.write_text(f"[global]\nindex-url = {address}\n" if place == "file" else "")
    variables = {"PIP_INDEX_URL": address if place == "variable" else "", "PIP_FIND_LINKS": ""}
    settings = {"PIP_CONFIG_FILE": str(file), "PIP_NO_INDEX": "", **variables}
    result = machine.call("./pants", "--version", env=settings)
    assert_no_python(result, "DOES NOT MATCH THE HASH")
    assert list(machine.cache.glob("*-*")) == []
    no_login = {**settings, "PIP_INDEX_URL": f"http://{index}"}
    result = machine.call("./pants", "--version", env=no_login)
    assert_no_python(result, f"http://{index}/pip/: HTTP Error 401")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a folder that is another user's")
@pytest.mark.parametrize("kind", ["another user's", "link", "open to all"])
def test_the_folder_for_a_cache_that_a_url_cannot_name_has_to_be_the_users_own(
    installed: FirstCalls, kind: str
) -> None:
    machine = installed.machine
    odd = machine.home / "cäche"
    odd.symlink_to(machine.cache)
    settings = {"PANTS_SETUP_CACHE": str(odd)}
    folder = Path(f"/tmp/pants-setup-{USER}")
    source = ("bash", "-c", 'set -e; source .pants.bootstrap; echo "$PANTS_PEX_CLI_URL_TEMPLATE"')
    try:
        if kind == "link":
            folder.symlink_to(machine.cache)
        else:
            folder.mkdir(mode=0o700)
        if kind == "open to all":
            os.chown(folder, USER, USER)
            folder.chmod(0o777)
        refused = machine.call(*source, env=settings)
        assert (refused.code, refused.out) == (1, "")
        assert f"pants: {folder} must be a folder that you own" in refused.err
        folder.unlink() if kind == "link" else folder.rmdir()
        assert machine.call(*source, env=settings).out.startswith(f"file://{folder}/")
        assert (folder.stat().st_uid, folder.stat().st_mode & 0o777) == (USER, 0o700)
    finally:
        odd.unlink()
        shutil.rmtree(folder, ignore_errors=True)
