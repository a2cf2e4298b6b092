"""Both base images, really built: of Debian's packages, and of what looks like the official one."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from base.packages import MIRROR, Source
from integration.commands import ROOT, Result, start
from integration.docker_engine import DockerEngine
from support.requirements import need_program

PEX = ROOT / "docker.base" / "debian.pex"
LOCK = Path("docker/base/debian.lock")
MEGABYTE = 1_000_000
DEBIAN, PYTHON = "base:debian", "base:python"
# What an image must not have, neither in PATH nor as a module.
PROGRAMS = ("sh", "bash", "dash", "apt", "apt-get", "dpkg", "perl", "gcc", "pip", "pip3")
MODULES = ("pip", "ensurepip", "idlelib", "test", "setuptools")
INSTALLER = re.compile(r"(^|/)(pip3?|ensurepip|pip-[^/]*\.dist-info)(/|$)")

# Printed as JSON by the image's own Python, which has no pytest.
CONTRACT = f"""
import bz2, ctypes, importlib.util, json, lzma, os, pathlib, pwd, shutil, sqlite3, ssl, stat, sys
import uuid, zlib, zoneinfo
import json as compiled
me = pwd.getpwuid(os.getuid())
ctypes.CDLL("libstdc++.so.6")
print(json.dumps({{
    "python": sys.version_info[:2],
    "in PATH": [bool(shutil.which(name)) for name in ("python", "python3", "python3.13")],
    "unwanted": [name for name in {PROGRAMS} if shutil.which(name)]
    + [name for name in {MODULES} if importlib.util.find_spec(name)],
    "user": [me.pw_name, me.pw_uid, me.pw_gid, me.pw_dir, os.getgid()],
    "folder": os.getcwd(),
    "writable": [oct(stat.S_IMODE(os.stat(name).st_mode)) for name in ("/tmp", "/work")],
    "certificates": len(ssl.create_default_context().get_ca_certs()) > 100,
    "zone": str(zoneinfo.ZoneInfo("Europe/Berlin")),
    "language": os.environ["LANG"],
    "database": sqlite3.connect(":memory:").execute("select 6 * 7").fetchone()[0],
    "compiled": os.path.exists(compiled.__cached__),
    "set-user-id": [
        str(path) for path in pathlib.Path("/usr").rglob("*")
        if path.is_file() and path.stat().st_mode & 0o6000
    ],
}}))
"""
KEPT = {
    "python": [3, 13],
    "in PATH": [True, True, True],
    "unwanted": [],
    "user": ["datascience", 10001, 10001, "/tmp", 10001],
    "folder": "/work",
    "writable": ["0o1777", "0o1777"],
    "certificates": True,
    "zone": "Europe/Berlin",
    "language": "C.UTF-8",
    "database": 42,
    "compiled": True,
    "set-user-id": [],
}
EXTENSIONS = """
import importlib, pathlib
folder = pathlib.Path("/usr/lib/python3.13/lib-dynload")
names = [path.name.split(".")[0] for path in folder.glob("*.so")]
for name in names:
    importlib.import_module(name)
print(len(names))
"""


@dataclass(frozen=True)
class Built:
    image: str
    rootfs: Path
    lock: Path
    err: str


@pytest.fixture(scope="module")
def engine() -> Iterator[DockerEngine]:
    need_program("mmdebstrap")
    if problem := Source(MIRROR).problem(20):
        pytest.skip(f"NOT TESTED: Debian's mirror {MIRROR} cannot be read: {problem}")
    with DockerEngine() as engine:
        yield engine


def call(engine: DockerEngine, *options: str | Path, **env: str) -> Result:
    """The builder's command line, in the repository's root."""
    command = start(sys.executable, PEX, *options, cwd=ROOT, env={**engine.env, **env})
    return Result.of(command)


def build(engine: DockerEngine, folder: Path, *options: str | Path) -> Built:
    rootfs = folder / "rootfs.tar"
    result = call(engine, "--tag", DEBIAN, "--output", rootfs, *options)
    assert result.code == 0, result.err
    return Built(DEBIAN, rootfs, folder / "debian.lock", result.err)


def inspect(engine: DockerEngine, image: str, template: str) -> str:
    result = engine.docker("image", "inspect", "--format", template, image)
    assert result.code == 0, result.err
    return result.out.strip()


def run(engine: DockerEngine, image: str, code: str) -> str:
    result = engine.docker(
        *("run", "--rm", "--read-only", "--network=none", image, "python3", "-c", code)
    )
    assert result.code == 0, result.err
    return result.out


@pytest.fixture(scope="module")
def debian(engine: DockerEngine, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Of what the mirror has today: the lock's packages may be gone from it."""
    folder = tmp_path_factory.mktemp("debian")
    return build(engine, folder, "--update-lock", "--lock", folder / "debian.lock")


@pytest.fixture(scope="module")
def look_alike(engine: DockerEngine, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Debian with a shell, apt and pip, as the official image is, which may be out of reach."""
    tar = tmp_path_factory.mktemp("look-alike") / "rootfs.tar"
    packages = "--include=python3,python3-pip,ca-certificates,tzdata"
    command: list[str | Path] = ["mmdebstrap", "--variant=minbase", packages, "trixie", tar]
    command += Source(MIRROR).lines
    made = Result.of(start(*command, cwd=tar.parent), timeout=300)
    assert made.code == 0, made.err
    assert engine.docker("import", tar, "look-alike:latest").code == 0
    return "look-alike:latest"


@pytest.fixture(scope="module")
def python(engine: DockerEngine, look_alike: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Built with this folder's files as its context, and nothing else."""
    context = tmp_path_factory.mktemp("python")
    folder = context / LOCK.parent
    shutil.copytree(ROOT / LOCK.parent, folder)
    built = engine.docker(
        *("build", "--network=none", "--build-arg", f"FROM={look_alike}", "--tag", PYTHON),
        *("--file", folder / "python.Dockerfile", context),
    )
    assert built.code == 0, built.err
    return PYTHON


def test_debian_keeps_the_contract_of_a_base(engine: DockerEngine, debian: Built) -> None:
    assert json.loads(run(engine, debian.image, CONTRACT)) == KEPT


def test_python_keeps_the_contract_of_a_base(engine: DockerEngine, python: str) -> None:
    assert json.loads(run(engine, python, CONTRACT)) == KEPT


def test_debian_is_small_and_each_of_its_extension_modules_finds_its_libraries(
    engine: DockerEngine, debian: Built
) -> None:
    assert int(inspect(engine, debian.image, "{{.Size}}")) < 60 * MEGABYTE
    assert int(run(engine, debian.image, EXTENSIONS)) > 25


def test_scanners_find_the_packages(debian: Built) -> None:
    with tarfile.open(debian.rootfs) as tar:
        stanza = tar.extractfile("var/lib/dpkg/status.d/libssl3t64")
        assert stanza
        assert stanza.read().startswith(b"Package: libssl3t64\n")


def test_building_again_gives_the_same_bytes_and_the_same_layer(
    engine: DockerEngine, debian: Built, tmp_path: Path
) -> None:
    layers = inspect(engine, debian.image, "{{.RootFS.Layers}}")
    # So that the engine cannot answer with the layer that it has.
    assert engine.docker("image", "rm", "--force", debian.image).code == 0

    again = build(engine, tmp_path, "--lock", debian.lock)

    assert digest(again.rootfs) == digest(debian.rootfs)
    assert inspect(engine, again.image, "{{.RootFS.Layers}}") == layers


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def test_what_differs_from_the_lock_is_named_and_refused(
    engine: DockerEngine, debian: Built, tmp_path: Path
) -> None:
    lock, rootfs = with_old_time_zones(debian.lock, tmp_path), tmp_path / "rootfs.tar"

    result = call(engine, "--lock", lock, "--output", rootfs, "--no-image")

    assert result.code == 1
    assert f"{lock}: the mirror's packages differ from the lock:" in result.err
    assert "  tzdata 2020a-0 → 2" in result.err
    assert "./pants run docker/base:debian -- --update-lock" in result.err
    assert "Traceback" not in result.err
    assert not rootfs.exists()


def test_newer_packages_are_built_where_that_is_allowed_and_said_aloud(
    engine: DockerEngine, debian: Built, tmp_path: Path
) -> None:
    lock = with_old_time_zones(debian.lock, tmp_path)

    newer = build(engine, tmp_path, "--lock", lock, "--allow-newer", "--no-image")

    assert f"WARNING: --allow-newer: this image differs from {lock}:" in newer.err
    assert "  tzdata 2020a-0 → 2" in newer.err
    assert digest(newer.rootfs) == digest(debian.rootfs)


def with_old_time_zones(lock: Path, folder: Path) -> Path:
    """A lock that was written when tzdata was another version."""
    older = folder / "older.lock"
    older.write_text(re.sub(r"(?m)^tzdata \S+", "tzdata 2020a-0", lock.read_text()))
    return older


@pytest.mark.parametrize(
    ("options", "env", "code", "message"),
    [
        (("--mirror", "http://127.0.0.1:9"), {}, 1, "http://127.0.0.1:9/debian cannot be read"),
        ((), {"DOCKER_HOST": "unix:///nowhere"}, 1, "No Docker engine is running"),
        ((), {"PATH": "/nowhere"}, 1, "apt-get install mmdebstrap"),
        (("--lock", "gone.lock"), {}, 2, "gone.lock does not exist"),
        (("--no-image",), {}, 2, "--no-image needs --output or --update-lock"),
    ],
)
def test_what_is_missing_is_one_message_with_its_remedy(
    engine: DockerEngine,
    options: tuple[str, ...],
    env: dict[str, str],
    code: int,
    message: str,
) -> None:
    result = call(engine, *options, **env)

    assert (result.code, "Traceback" in result.err) == (code, False), result.err
    assert message in result.err


def test_no_layer_of_python_holds_an_installer(
    engine: DockerEngine, look_alike: str, python: str, tmp_path: Path
) -> None:
    assert installers(engine, look_alike, tmp_path)
    assert installers(engine, python, tmp_path) == []


def installers(engine: DockerEngine, image: str, folder: Path) -> list[str]:
    """Paths of pip's and ensurepip's files in all layers of an image."""
    saved = folder / "saved.tar"
    assert engine.docker("save", "--output", saved, image).code == 0
    found = []
    with tarfile.open(saved) as tar:
        for member in tar:
            if member.name.endswith("layer.tar") and (layer := tar.extractfile(member)):
                with tarfile.open(fileobj=layer) as files:
                    found += [name for name in files.getnames() if INSTALLER.search(name)]
    return found
