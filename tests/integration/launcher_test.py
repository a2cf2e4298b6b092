"""The launcher, really called, in repositories that hold it and a pants.toml and nothing else."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from integration.commands import LAUNCHER, ROOT, Result, copy_launcher, start

PLATFORMS = ("linux_x86_64", "linux_arm64", "macos_x86_64", "macos_arm64")
OFFLINE = {
    "PIP_NO_INDEX": "1",
    "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
    "PIP_FIND_LINKS": "",
    "PIP_NO_CACHE_DIR": "1",
}


def built_pin() -> tuple[str, int]:
    """The sha256 and size of the PEX CLI, as pinned."""
    found = re.search(
        r"^# built: (\w+) (\d+)$", (ROOT / LAUNCHER / "pex.txt").read_text(), re.MULTILINE
    )
    assert found
    return found[1], int(found[2])


# Without a daemon, which would outlive the test.
PANTS_TOML = """\
[GLOBAL]
pants_version = "2.17.1"
pantsd = false
"""


def python_toml() -> str:
    """The rest of a pants.toml for code on the Python that runs this test."""
    python = Path(sys.executable).resolve()
    sha, size = built_pin()
    return f"""\
backend_packages = ["pants.backend.python"]

[python]
interpreter_constraints = ["CPython=={sys.version_info[0]}.{sys.version_info[1]}.*"]
interpreter_versions_universe = ["3.9", "{sys.version_info[0]}.{sys.version_info[1]}"]

[python-bootstrap]
search_path = ["{python.parent}"]

[python-infer]
use_rust_parser = true

[pex-cli]
version = "v2.105.2"
known_versions = {[f"v2.105.2|{platform}|{sha}|{size}" for platform in PLATFORMS]}
"""


@dataclass(frozen=True)
class Repository:
    root: Path
    cache: Path

    @classmethod
    def new(cls, root: Path, cache: Path) -> Repository:
        copy_launcher(root)
        (root / "pants.toml").write_text(PANTS_TOML)
        return cls(root, cache)

    def start(
        self, *command: str, cwd: Path | None = None, env: dict[str, str] | None = None
    ) -> subprocess.Popen[str]:
        return start(
            *command,
            cwd=cwd or self.root,
            env={"PANTS_SETUP_CACHE": str(self.cache), **(env or {})},
        )

    def call(
        self, *command: str, cwd: Path | None = None, env: dict[str, str] | None = None
    ) -> Result:
        return Result.of(self.start(*command, cwd=cwd, env=env))

    def source_bootstrap(self, then: str = "") -> Result:
        """As the ordinary `pants` launcher does before it starts Pants."""
        return self.call(
            "bash",
            "-c",
            f'set -eou pipefail; source "$0"; {then}',
            str(self.root / ".pants.bootstrap"),
        )

    def replace(self, file: str, pattern: str, by: str) -> None:
        path = self.root / LAUNCHER / file
        text, count = re.subn(pattern, by, path.read_text(), count=1, flags=re.MULTILINE)
        assert count == 1
        path.write_text(text)

    def kept(self, *kinds: str) -> list[str]:
        """What was installed of these kinds (`pants`, `pex-cli`, `pip`), whole or not."""
        return [path.name for kind in kinds for path in self.cache.glob(f"{kind}-*")]


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A repository after its first call; its cache serves all tests that need one."""
    folder = tmp_path_factory.mktemp("installed")
    repository = Repository.new(folder / "repo", folder / "cache")
    first = repository.call("./pants", "--version")
    assert (first.code, first.out) == (0, "2.17.1\n"), first.err
    assert "first call on this machine: installing Pants 2.17.1" in first.err
    return repository


@pytest.fixture
def fresh(tmp_path: Path) -> Repository:
    return Repository.new(tmp_path / "repo", tmp_path / "cache")


@pytest.fixture
def prepared(fresh: Repository, installed: Repository) -> Repository:
    """One whose cache has the launcher's pip, and nothing else."""
    (pip,) = installed.cache.glob("pip-*")
    fresh.cache.mkdir()
    (fresh.cache / pip.name).symlink_to(pip)
    return fresh


def test_after_the_first_call_neither_another_nor_another_clone_needs_the_network(
    installed: Repository, tmp_path: Path
) -> None:
    clone = Repository.new(tmp_path / "clone", installed.cache)
    assert clone.call("./pants", "--version", env=OFFLINE) == Result(0, "2.17.1\n", "")


def test_without_network_one_message_and_nothing_kept(fresh: Repository) -> None:
    offline = fresh.call("./pants", "--version", env=OFFLINE)
    assert (offline.code, offline.out) == (1, "")
    assert "pip could not download the packages in" in offline.err
    assert "PIP_INDEX_URL" in offline.err
    assert "Traceback" not in offline.err
    assert fresh.kept("pants", "pex-cli", "pip") == []


def test_pants_runs_code_from_a_path_with_spaces_and_passes_its_exit_code(
    installed: Repository, tmp_path: Path
) -> None:
    cache = tmp_path / "cäche of mine"
    cache.mkdir()
    (venv,) = installed.cache.glob("pants-*")
    # Only the PEX CLI is made anew: it is the part that a URL has to lead to.
    (cache / venv.name).symlink_to(venv)
    repository = Repository.new(tmp_path / "my repository", cache)
    (repository.root / "pants.toml").write_text(PANTS_TOML + python_toml())
    (repository.root / "src").mkdir()
    (repository.root / "src" / "BUILD").write_text("python_sources()\n")
    (repository.root / "src" / "greet.py").write_text("import sys\nprint('hello')\nsys.exit(7)\n")
    store = f"--local-store-dir={tmp_path / 'store'}"
    result = repository.call("../pants", store, "run", "greet.py", cwd=repository.root / "src")
    assert (result.code, result.out) == (7, "hello\n"), result.err


def test_a_link_on_path_serves_the_repository_one_stands_in_else_its_own(
    installed: Repository, tmp_path: Path
) -> None:
    other = Repository.new(tmp_path / "other", installed.cache)
    shutil.copytree(other.root, tmp_path / "third")
    for name, root in {"other": other.root, "third": tmp_path / "third"}.items():
        (root / "deep").mkdir()
        (root / "deep" / "BUILD").write_text(f"file(name='{name}', source='BUILD')\n")
    links = tmp_path / "links"
    links.mkdir()
    (links / "pants").symlink_to(other.root / "pants")
    path = {"PATH": f"{links}:{os.environ['PATH']}"}
    assert (
        other.call("pants", "list", ":", cwd=tmp_path / "third" / "deep", env=path).out
        == "deep:third\n"
    )
    assert other.call("pants", "list", "deep:", cwd=tmp_path, env=path).out == "deep:other\n"


def test_without_any_python_one_message_says_what_to_install(
    fresh: Repository, tmp_path: Path
) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("bash", "cat", "cksum", "env"):
        found = shutil.which(tool)
        assert found
        (tools / tool).symlink_to(found)
    # As pyenv's shims: there, and failing when run.
    (tools / "python3").write_text("#!/bin/sh\nexit 127\n")
    (tools / "python3").chmod(0o755)
    process = subprocess.run(
        [fresh.root / "pants", "--version"],
        env={"PATH": str(tools), "HOME": str(tmp_path), "PANTS_SETUP_CACHE": str(fresh.cache)},
        capture_output=True,
        text=True,
    )
    assert (process.returncode, process.stdout) == (1, "")
    assert process.stderr.count("pants: no Python 3.8 or newer found") == 1
    assert process.stderr.count(f"{tools}/python3 does not run") == 1
    assert "apt install python3" in process.stderr
    assert not fresh.cache.exists()


def test_a_python_given_by_name_is_not_replaced_by_another(fresh: Repository) -> None:
    result = fresh.call("./pants", "--version", env={"PANTS_PYTHON": sys.executable})
    assert result.code == 1
    assert f"{sys.executable} is cpython" in result.err
    assert not fresh.cache.exists()


def test_a_wheel_of_pants_with_another_hash_is_refused(prepared: Repository) -> None:
    prepared.replace(
        "pants.txt", r"((?:    --hash=sha256:\w+ ?\\?\n)+)", "    --hash=sha256:" + "0" * 64 + "\n"
    )
    result = prepared.call("./pants", "--version")
    assert (result.code, result.out) == (1, "")
    assert "DO NOT MATCH THE HASHES" in result.err
    assert prepared.kept("pants") == []


@pytest.mark.parametrize(
    ("pattern", "by", "message"),
    [
        (r"sha256:\w+$", "sha256:" + "0" * 64, "DO NOT MATCH THE HASHES"),
        (r"built: \w+ ", "built: " + "0" * 64 + " ", "the sha256 and size of the PEX CLI are"),
    ],
    ids=["wheel", "built file"],
)
def test_a_pex_cli_that_is_not_the_pinned_one_is_refused(
    prepared: Repository, pattern: str, by: str, message: str
) -> None:
    prepared.replace("pex.txt", pattern, by)
    result = prepared.source_bootstrap("echo went on")
    assert (result.code, result.out) == (1, "")
    assert message in result.err
    assert prepared.kept("pex-cli") == []


def test_the_ordinary_launcher_gets_the_pex_cli_too(prepared: Repository) -> None:
    result = prepared.source_bootstrap('echo "$PANTS_PEX_CLI_URL_TEMPLATE"')
    assert result.code == 0, result.err
    built = Path(result.out.strip().removeprefix("file://")).read_bytes()
    assert (hashlib.sha256(built).hexdigest(), len(built)) == built_pin()


def test_every_python_builds_the_same_pex_cli(installed: Repository, tmp_path: Path) -> None:
    (python39,) = installed.cache.glob("pants-*/bin/python")
    script = str(ROOT / LAUNCHER / "first_call.py")
    subprocess.run([sys.executable, "-I", script, "pex-cli", str(tmp_path / "this")], check=True)
    subprocess.run([python39, "-I", script, "pex-cli", str(tmp_path / "39")], check=True)
    assert (tmp_path / "this" / "pex").read_bytes() == (tmp_path / "39" / "pex").read_bytes()


def wheel(folder: Path, name: str, version: str, code: str) -> None:
    """A wheel of one module."""
    metadata = f"{name}-{version}.dist-info"
    files = {
        f"{name}/__init__.py": code,
        f"{metadata}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{metadata}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{metadata}/RECORD"] = "".join(f"{file},,\n" for file in files)
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as packed:
        for file, content in files.items():
            packed.writestr(file, content)


def test_the_pex_cli_runs_no_pip_of_an_index(installed: Repository, tmp_path: Path) -> None:
    (pex,) = installed.cache.glob("pex-cli-*/pex")
    index = tmp_path / "index"
    index.mkdir()
    wheel(index, "greeting", "1.0", "print('hello')\n")
    for name, version in {"pip": "25.3", "setuptools": "80.9.0", "wheel": "0.45.1"}.items():
        wheel(index, name, version, "import sys\nsys.exit('not the pinned one')\n")
    command = (sys.executable, pex, "--pip-version", "23.1.2", "--no-pypi", f"--find-links={index}")
    settings = {"PEX_ROOT": str(tmp_path / "root"), **OFFLINE}
    program = ("greeting", "--", "-c", "import greeting")
    result = installed.call(*map(str, command), *program, env={**settings, "PIP_NO_INDEX": ""})
    assert (result.code, result.out) == (0, "hello\n"), result.err
