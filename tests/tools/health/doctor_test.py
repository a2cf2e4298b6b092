"""What the doctor finds on machines that a few small programs make up, in real git repositories."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from tools.health import doctor_task
from tools.health.doctor import as_text, main

USER = "me:made-up"
ROOT = Path(__file__).resolve().parents[3]
PANTS_TOML = """\
[python]
interpreter_constraints = ["CPython==3.13.*"]

[python.resolves]
default = "3rdparty/python/locks/default.lock"
"""
LOCKFILE = """\
// --- BEGIN PANTS LOCKFILE METADATA: DO NOT EDIT OR REMOVE ---
// {{
//   "generated_with_requirements": [
//     "{requirement}"
//   ]
// }}
// --- END PANTS LOCKFILE METADATA ---
"""
PROC = {
    "KERNEL": "6.1.0-28-amd64\n",
    "MOUNTS": "/dev/sda1 / ext4 rw 0 0\n",
    "MEMORY": "MemTotal:       16384000 kB\nMemFree: 1 kB\n",
}
# Of a real WSL 2: drive C: below /mnt/c, the rest on a virtual disk.
WSL_KERNEL = "5.15.167.4-microsoft-standard-WSL2\n"
WSL_MOUNT = "C:\\134 {folder} 9p rw,noatime,aname=drvfs;path=C:\\;uid=1000 0 0\n"


class Machine:
    """A clone, and the programs that are on PATH there."""

    def __init__(self, root: Path, programs: Path) -> None:
        self.root = root
        self.programs = programs
        # What the kernel reports, by the name of the constant that says where.
        self.proc: dict[str, Path] = {}

    def write(self, file: str, text: str) -> None:
        path = self.root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def has(self, program: str, script: str = "exit 0") -> None:
        path = self.programs / program
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def has_python(self, version: str, refusal: str = "") -> None:
        """One that says why it is unsuitable; its version is asked for without an argument."""
        minor = version.rpartition(".")[0]
        refuse = f"echo {refusal}; exit 1" if refusal else "exit 0"
        self.has(f"python{minor}", f'[ "$1" = -Ic ] && echo {version} && exit 0\n{refuse}')

    def git(self, *arguments: str) -> None:
        author = ("-c", "user.name=Test", "-c", "user.email=test@example.com")
        subprocess.run(["git", *author, *arguments], cwd=self.root, check=True, capture_output=True)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """One on which all is well, without Docker."""
    machine = Machine(tmp_path / "clone", tmp_path / "programs")
    machine.write("pants.toml", PANTS_TOML)
    shutil.copytree(ROOT / "3rdparty/python/launcher", machine.root / "3rdparty/python/launcher")
    machine.write("3rdparty/python/BUILD", 'locked_requirements(name="data", source="data.txt")\n')
    machine.write("3rdparty/python/data.txt", "# Tables.\npandas==3.1.1  # Newest.\n")
    lockfile = LOCKFILE.format(requirement="pandas==3.1.1")
    machine.write("3rdparty/python/locks/default.lock", lockfile)
    machine.git("init", "--quiet", "--initial-branch=main")
    machine.git("add", ".")
    machine.git("commit", "--quiet", "--message=First")
    machine.programs.mkdir()
    for program in ("bash", "du", "git", "readlink", "sh"):
        (machine.programs / program).symlink_to(shutil.which(program) or program)
    machine.has_python("3.9.18")
    machine.has_python("3.13.5")
    for variable in (
        "PANTS_PYTHON",
        "PANTS_SETUP_CACHE",
        "MLFLOW_TRACKING_URI",
        "PANTS_IMAGES_BASE_IMAGE",
        "PANTS_PANTSD_MAX_MEMORY_USAGE",
    ):
        monkeypatch.delenv(variable, raising=False)
    for name, text in PROC.items():
        machine.proc[name] = tmp_path / name
        machine.proc[name].write_text(text)
        monkeypatch.setattr(doctor_task, name, machine.proc[name])
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("PATH", str(machine.programs))
    for variable in ("HOME", "PYENV_ROOT", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / "home"))
    monkeypatch.chdir(machine.root)
    return machine


type Find = Callable[[str], SimpleNamespace]


@pytest.fixture
def find(capfd: pytest.CaptureFixture[str]) -> Find:
    """One finding, by its name, with the exit code of all."""

    def find(name: str) -> SimpleNamespace:
        code = main(["--json"])
        (found,) = [one for one in json.loads(capfd.readouterr().out) if one["name"] == name]
        return SimpleNamespace(code=code, **found)

    return find


def test_where_nothing_is_wrong_each_check_is_a_line(
    machine: Machine, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main([]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert [line[0] for line in lines if line[0] != " "] == ["✓", "✓", "✓", "✓", "!", "!"] + [
        "✓"
    ] * 5
    assert f"✓ Python 3.9     {machine.programs}/python3.9 (3.9.18)" in lines
    assert f"✓ Python 3.13    {machine.programs}/python3.13 (3.13.5)" in lines
    assert "✓ lockfiles      1, up to date" in lines


def test_a_terminal_has_colours() -> None:
    found = [doctor_task.Finding("disk", doctor_task.State.ERROR, "full", "rm -rf cache")]
    assert as_text(found, coloured=True) == "\033[31m✗\033[0m disk  full\n        rm -rf cache"


@pytest.mark.parametrize("version", ["3.9.18", "3.13.5"])
def test_a_python_that_is_missing_is_one_that_the_launcher_installs(
    machine: Machine, find: Find, version: str
) -> None:
    machine.has_python(version, refusal="lacks the module ssl")
    minor = version.rpartition(".")[0]
    found = find(f"Python {minor}")
    assert (found.code, found.state, found.remedy) == (0, "warning", "./pants --version")
    assert f"{machine.programs}/python{minor} lacks the module ssl" in found.detail


def test_a_python_of_pyenv_is_found(machine: Machine, find: Find, tmp_path: Path) -> None:
    folder = tmp_path / "home/versions/3.13.0/bin"
    folder.mkdir(parents=True)
    machine.has_python("3.13.0")
    (machine.programs / "python3.13").rename(folder / "python3.13")
    assert find("Python 3.13").detail == f"{folder}/python3.13 (3.13.0)"


@pytest.fixture
def chosen(machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The launcher's cache, with the link to a Python that it has installed."""
    cache = tmp_path / "setup"
    monkeypatch.setenv("PANTS_SETUP_CACHE", str(cache))
    platform = subprocess.check_output(["bash", "-c", "echo $OSTYPE-$HOSTTYPE"], text=True).strip()
    machine.has_python("3.13.18")
    installed = cache / "python-3.13.18/bin/python3.13"
    installed.parent.mkdir(parents=True)
    (machine.programs / "python3.13").rename(installed)
    link = cache / f"bin-{platform}/python3.13"
    link.parent.mkdir()
    link.symlink_to(installed)
    return link


@pytest.mark.usefixtures("machine")
def test_what_the_launcher_has_installed_is_named_by_its_link(find: Find, chosen: Path) -> None:
    assert find("Python 3.13").detail == f"{chosen} (3.13.18, installed by ./pants)"


@pytest.mark.usefixtures("machine")
def test_one_that_the_launcher_has_chosen_and_that_no_longer_runs(find: Find, chosen: Path) -> None:
    chosen.resolve().write_text("#!/bin/sh\nexit 1\n")
    found = find("Python 3.13")
    assert (found.code, found.state) == (1, "error")
    assert found.remedy == f"rm {chosen} && ./pants --version"


def test_a_shallow_clone_without_the_commit_where_it_left_main(
    machine: Machine, find: Find, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.git("checkout", "--quiet", "-b", "change")
    machine.git("commit", "--quiet", "--allow-empty", "--message=Second")
    shallow = ("--depth=1", "--branch=change", machine.root.as_uri(), str(tmp_path / "shallow"))
    machine.git("clone", "--quiet", *shallow)
    assert find("git history").detail.startswith("2 commits; 1 since main (")
    monkeypatch.chdir(tmp_path / "shallow")
    found = find("git history")
    assert (found.code, found.state) == (1, "error")
    assert found.remedy == "git fetch --unshallow origin"
    assert found.detail.startswith("1 commits, shallow, without the one at which HEAD left main")


def test_a_clone_of_another_user_is_found_with_the_command_that_trusts_it(
    machine: Machine, find: Find, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    for name in ("history", "line endings"):
        found = find(name)
        assert found.detail == "git does not trust the owner of the clone"
        assert found.remedy == f"git config --global --add safe.directory {machine.root}"


@pytest.mark.parametrize(
    ("requirements", "detail"),
    [
        ("pandas==3.1.2\n", "default: default.lock lacks pandas==3.1.2"),
        ("Pandas == 3.1.1\nduckdb\n", "default: default.lock lacks duckdb"),
        ("\n", "default: default.lock has pandas==3.1.1"),
    ],
)
def test_a_lockfile_of_other_requirements_is_stale(
    machine: Machine, find: Find, requirements: str, detail: str
) -> None:
    machine.write("3rdparty/python/data.txt", requirements)
    found = find("lockfiles")
    assert (found.code, found.state, found.detail) == (1, "error", detail)
    assert found.remedy == (
        "./pants generate-lockfiles --resolve=default && ./pants fmt 3rdparty/python::"
    )


@pytest.mark.parametrize(
    ("written", "locked"),
    [
        ("moto[Server,s3] >= 5, <6", "moto[s3,server]<6,>=5"),
        ("Scikit_Learn==1.9", "scikit-learn==1.9"),
        ("tomli; python_version < '3.11'", 'tomli; python_version < \\"3.11\\"'),
    ],
)
def test_a_requirement_may_be_written_in_several_ways(
    machine: Machine, find: Find, written: str, locked: str
) -> None:
    machine.write("3rdparty/python/data.txt", f"{written}\n")
    lockfile = LOCKFILE.format(requirement=locked)
    machine.write("3rdparty/python/locks/default.lock", lockfile)
    assert find("lockfiles").state == "ok"


def test_requirements_in_build_files_count_in_the_resolve_that_these_name(
    machine: Machine, find: Find
) -> None:
    machine.write("pants.toml", PANTS_TOML + 'plugins = "3rdparty/python/locks/plugins.lock"\n')
    machine.write(
        "pants-plugins/BUILD",
        '__defaults__(all=dict(resolve="plugins"))\n'
        'python_requirement(name="pants", requirements=["pants==2.17.1"])\n',
    )
    assert find("lockfiles").detail == "plugins: plugins.lock is missing"
    plugins = LOCKFILE.format(requirement="pants==2.17.1")
    machine.write("3rdparty/python/locks/plugins.lock", plugins)
    assert find("lockfiles").detail == "2, up to date"


@pytest.mark.parametrize(
    ("script", "state", "remedy"),
    [
        ("echo 29.1", "ok", ""),
        ("echo permission denied >&2; exit 1", "warning", 'sudo usermod -aG docker "$USER"'),
        ("echo Cannot connect >&2; exit 1", "warning", "docker"),
    ],
)
def test_an_engine_that_does_not_answer_keeps_nobody_from_working(
    machine: Machine, find: Find, script: str, state: str, remedy: str
) -> None:
    machine.has("docker", script)
    found = find("Docker engine")
    assert (found.code, found.state) == (0, state)
    assert remedy.lower() in found.remedy.lower()
    assert bool(found.remedy) == (state != "ok")


def test_a_base_image_is_there_or_how_to_make_it_is_said(machine: Machine, find: Find) -> None:
    machine.has("docker", '[ "$1" = version ] && echo 29.1; exit 0')
    found = find("base image")
    assert found.state == "warning"
    assert found.remedy.startswith("./pants run docker/base:debian")
    machine.has("docker", "echo 29.1")
    assert find("base image").state == "ok"


@pytest.mark.parametrize(
    ("free", "state", "code"), [(1, "error", 1), (5, "warning", 0), (50, "ok", 0)]
)
def test_a_disk_that_is_nearly_full(
    machine: Machine,
    find: Find,
    monkeypatch: pytest.MonkeyPatch,
    free: int,
    state: str,
    code: int,
) -> None:
    usage = SimpleNamespace(free=free * doctor_task.GIGABYTE)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage)
    found = find("disk")
    assert (found.state, found.code) == (state, code)
    assert found.detail.startswith(f"{free}.0 GB free")


def test_a_large_cache_may_be_removed(
    machine: Machine, find: Find, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "home/pants"
    assert find("Pants' cache").detail == f"{cache}: empty; the first call fills it"
    cache.mkdir(parents=True)
    (cache / "store").write_bytes(bytes(100_000))
    assert find("Pants' cache").state == "ok"
    monkeypatch.setattr(doctor_task, "LARGE_CACHE", 0.00001)
    found = find("Pants' cache")
    assert (found.state, found.remedy) == ("warning", f"rm -rf {cache}")


@pytest.mark.parametrize(
    ("setting", "variable", "detail", "remedy"),
    [
        ("", "", "15.6 GiB; Pants' daemon may use 4", ""),
        ('pantsd_max_memory_usage = "8GiB"', "", "15.6 GiB; Pants' daemon may use 8", ""),
        (
            'pantsd_max_memory_usage = "16GiB"',
            "",
            "15.6 GiB; Pants' daemon may use 16: the system may kill processes",
            "export PANTS_PANTSD_MAX_MEMORY_USAGE=7GiB",
        ),
        (
            "pantsd_max_memory_usage = 34359738368",
            "",
            "15.6 GiB; Pants' daemon may use 32: the system may kill processes",
            "export PANTS_PANTSD_MAX_MEMORY_USAGE=7GiB",
        ),
        (
            'pantsd_max_memory_usage = "16GiB"',
            "512MiB",
            "15.6 GiB; Pants' daemon may use 0.5",
            "",
        ),
    ],
)
def test_a_daemon_may_not_need_more_memory_than_there_is(
    machine: Machine,
    find: Find,
    monkeypatch: pytest.MonkeyPatch,
    setting: str,
    variable: str,
    detail: str,
    remedy: str,
) -> None:
    machine.write("pants.toml", f"[GLOBAL]\n{setting}\n\n{PANTS_TOML}")
    if variable:
        monkeypatch.setenv("PANTS_PANTSD_MAX_MEMORY_USAGE", variable)
    found = find("memory")
    assert (found.code, found.detail, found.remedy) == (0, detail, remedy)
    assert found.state == ("warning" if remedy else "ok")


def test_wsl_may_be_given_more_memory(machine: Machine, find: Find) -> None:
    machine.proc["KERNEL"].write_text(WSL_KERNEL)
    machine.write("pants.toml", f'pantsd_max_memory_usage = "16GiB"\n{PANTS_TOML}')
    assert find("memory").remedy == (
        "export PANTS_PANTSD_MAX_MEMORY_USAGE=7GiB  # or `memory=20GB` below [wsl2] in "
        "%UserProfile%\\.wslconfig, and wsl --shutdown"
    )


def test_a_clone_on_a_windows_drive_belongs_on_a_linux_disk(machine: Machine, find: Find) -> None:
    machine.proc["KERNEL"].write_text(WSL_KERNEL)
    assert find("WSL 2").detail == f"{machine.root}: on a Linux disk"
    drive = machine.root.parent
    machine.proc["MOUNTS"].write_text(PROC["MOUNTS"] + WSL_MOUNT.format(folder=drive))
    found = find("WSL 2")
    assert (found.code, found.state) == (0, "warning")
    assert found.detail.startswith(f"{machine.root}: on {drive}, a Windows drive: slow")
    assert found.remedy == 'git clone "$(git remote get-url origin)" ~/clone'
    # Another disk, mounted over it.
    with machine.proc["MOUNTS"].open("a") as mounts:
        mounts.write(f"/dev/sdc {drive} ext4 rw 0 0\n")
    assert find("WSL 2").state == "ok"


def test_elsewhere_wsl_is_not_mentioned(
    machine: Machine, capfd: pytest.CaptureFixture[str]
) -> None:
    for kernel in (PROC["KERNEL"], ""):
        machine.proc["KERNEL"].write_text(kernel)
        main([])
        assert "WSL" not in capfd.readouterr().out


def test_the_remedy_removes_line_endings_of_windows(machine: Machine, find: Find) -> None:
    assert find("line endings").detail == "LF"
    for file in ("pants.toml", "3rdparty/python/data.txt"):
        path = machine.root / file
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    # An edit of it, and a file that is committed so.
    with (machine.root / "pants.toml").open("ab") as edited:
        edited.write(b"# Mine\r\n")
    (machine.root / "windows.csv").write_bytes(b"a\r\nb\r\n")
    machine.git("add", "windows.csv")
    found = find("line endings")
    assert (found.code, found.state) == (1, "error")
    assert found.detail.startswith("3rdparty/python/data.txt and 1 more files: CRLF")
    tools = "/usr/bin:/bin"
    subprocess.run(["bash", "-c", f"PATH={tools}; {found.remedy}"], cwd=machine.root, check=True)
    assert find("line endings").state == "ok"
    assert (machine.root / "pants.toml").read_text() == f"{PANTS_TOML}# Mine\n"
    assert (machine.root / "windows.csv").read_bytes() == b"a\r\nb\r\n"


def test_git_may_write_line_endings_of_windows_at_the_next_checkout(
    machine: Machine, find: Find
) -> None:
    machine.git("config", "core.autocrlf", "true")
    found = find("line endings")
    assert (found.code, found.state) == (0, "warning")
    assert found.remedy == "git config core.autocrlf input"
    # As this repository has it, which no setting of git overrules.
    machine.write(".gitattributes", (ROOT / ".gitattributes").read_text())
    assert find("line endings").state == "ok"


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            healthy = self.path in ("/health", "/closed/health")
            code = 401 if self.path.startswith("/closed") else 200 if healthy else 500
            self.send_response(code)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("path", "state", "detail"),
    [
        ("/", "ok", "/ answers"),
        ("/closed", "ok", "/closed answers"),
        ("/broken", "error", "/broken does not answer: 500 Internal Server Error"),
    ],
)
def test_a_tracking_server_answers_or_not_and_no_password_is_shown(
    machine: Machine,
    find: Find,
    server: ThreadingHTTPServer,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    state: str,
    detail: str,
) -> None:
    place = f"127.0.0.1:{server.server_port}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://{USER}@{place}{path}")
    found = find("MLflow")
    assert (found.state, found.detail) == (state, f"http://{place}{detail}")
    assert found.code == (0 if state == "ok" else 1)


def test_a_tracking_server_that_is_not_there(
    machine: Machine, find: Find, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    found = find("MLflow")
    assert (found.code, found.state) == (1, "error")
    assert "Connection refused" in found.detail


def test_a_check_that_cannot_be_made_keeps_no_other_from_being_made(
    machine: Machine, find: Find
) -> None:
    machine.write("pants.toml", "[python]\n")
    found = find("lockfiles")
    assert (found.code, found.state) == (1, "error")
    assert found.detail == "cannot be checked: pants.toml has no section [python.resolves]."
    assert find("git history").state == "ok"


def test_outside_of_a_clone_it_says_so(
    machine: Machine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([]) == 2
    assert (
        "no pants.toml here or in a parent folder. Run this inside a clone."
        in capfd.readouterr().err
    )
