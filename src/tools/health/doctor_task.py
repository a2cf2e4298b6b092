"""Check what a machine and a clone need for this repository.

Runs without Pants, on Python 3.8 and newer with the standard library only, because it has to find
out why Pants does not start.
"""

from __future__ import annotations

import enum
import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cli.errors import UserError
from tools.workspace import lockfiles
from tools.workspace.git import Revision, UntrustedRepositoryError, git, is_shallow

MAIN = "main"
GIGABYTE = 1e9
# Free GB: with less than the first, any call of Pants may fail; with less than the second, a call
# that installs a resolve may fail.
LEAST_FREE, COMFORTABLE = 2, 10
LARGE_CACHE = 50
PATIENCE = 20.0
# Uses the launcher's own functions. Prints the interpreter and its version, or exits with 1 and
# prints the unsuitable ones, or exits with 2 and prints the chosen one if it does not run.
_CHOSEN_PYTHON = r"""
    cache=${PANTS_SETUP_CACHE:-${XDG_CACHE_HOME:-~/.cache}/pants/setup}
    case $cache in /*) ;; *) cache=$PWD/$cache ;; esac
    source 3rdparty/python/launcher/first_call.bash
    python=$cache/bin-$OSTYPE-$HOSTTYPE/python$1 tried='' search=none by=', installed by ./pants'
    if [[ -x $python ]]; then
        target=$(readlink "$python")
        case $target in "$cache"/*) ;; *) python=$target by='' ;; esac
    elif _pants_find "$1"; then
        by=''
    else
        echo "$tried"
        exit 1
    fi
    echo "$python"
    version=$("$python" -Ic 'import platform; print(platform.python_version())') || exit 2
    echo "($version$by)"
"""
ANSWER_WITHIN = 5.0
GIBIBYTE = 2**30
# Only Linux has these files.
KERNEL, MOUNTS, MEMORY = (
    Path("/proc/sys/kernel/osrelease"),
    Path("/proc/mounts"),
    Path("/proc/meminfo"),
)
# The file systems that WSL uses for Windows drives.
OF_WINDOWS = ("9p", "drvfs", "virtiofs")
# The default limit of Pants' daemon, and what the processes that it starts need. In GiB.
USUAL_LIMIT, ROOM_FOR_PROCESSES = 4.0, 4


class State(enum.Enum):
    """The result of a check; with a warning, most commands still work."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class Finding:
    """The result of one check; `remedy` is a command that fixes the problem."""

    name: str
    state: State
    detail: str
    remedy: str = ""


def examine(root: Path) -> list[Finding]:
    """Run all checks that apply to this machine, in parallel; return the findings in order."""
    with ThreadPoolExecutor(len(CHECKS)) as pool:
        return list(filter(None, pool.map(lambda check: _run_check(check, root), CHECKS)))


def check_python_of_pants(root: Path) -> Finding:
    """Check that there is a CPython 3.9 for Pants."""
    return _check_python(root, "3.9", "Pants needs it")


def check_python_of_code(root: Path) -> Finding:
    """Check that there is the CPython of pants.toml."""
    return _check_python(root, lockfiles.python_version(root), "your code needs it")


def check_history(root: Path) -> Finding:
    """Check that the clone can be compared with the main branch."""
    name = "git history"
    count = git(root, "rev-list", "--count", "HEAD")
    if count is None:
        return Finding(name, State.ERROR, "not a git repository, or one without a commit")
    depth = f"{count} commits{', shallow' if is_shallow(root) else ''}"
    base = Revision.find_base(root, MAIN)
    if base:
        ahead = git(root, "rev-list", "--count", f"{base.commit}..HEAD")
        return Finding(name, State.OK, f"{depth}; {ahead} since {base}")
    detail = f"{depth}, without the one at which HEAD left {MAIN}: cannot tell what changed"
    if is_shallow(root):
        return Finding(name, State.ERROR, detail, "git fetch --unshallow origin")
    fetch = f"git fetch origin {MAIN}:refs/remotes/origin/{MAIN}"
    return Finding(name, State.ERROR, detail, fetch)


def check_lockfiles(root: Path) -> Finding:
    """Check that each lockfile matches the requirements."""
    name = "lockfiles"
    stale = lockfiles.stale(root)
    if not stale:
        return Finding(name, State.OK, f"{len(lockfiles.resolves(root))}, up to date")
    detail = "; ".join(f"{one.resolve}: {one.problem}" for one in stale)
    names = " ".join(f"--resolve={one.resolve}" for one in stale)
    remedy = f"./pants generate-lockfiles {names} && ./pants fmt 3rdparty/python::"
    return Finding(name, State.ERROR, detail, remedy)


def check_engine(root: Path) -> Finding:
    """Check that a Docker engine answers; only images need one."""
    name = "Docker engine"
    done = _docker(root, "version", "--format", "{{.Server.Version}}")
    if done is None:
        install = "brew install --cask docker" if _is_mac() else "sudo apt-get install docker.io"
        return Finding(name, State.WARNING, "not found: images cannot be built", install)
    if done.returncode == 0:
        return Finding(name, State.OK, done.stdout.strip())
    if "permission denied" in done.stderr:
        detail = "permission denied: images cannot be built"
        remedy = 'sudo usermod -aG docker "$USER"  # then log in again'
        return Finding(name, State.WARNING, detail, remedy)
    start = "open -a Docker" if _is_mac() else "sudo service docker start"
    return Finding(name, State.WARNING, "does not answer: images cannot be built", start)


def check_base_image(root: Path) -> Finding:
    """Check that the base of images is here; if it is not, the first build pulls it."""
    name = "base image"
    variable = "PANTS_IMAGES_BASE_IMAGE"
    given = os.environ.get(variable, "")
    engine = check_engine(root)
    if engine.state is not State.OK:
        return Finding(name, engine.state, "unknown without a Docker engine", engine.remedy)
    found = _docker(root, "image", "ls", "--quiet", given or "datascience-base")
    if found and found.stdout.strip():
        return Finding(name, State.OK, given or "datascience-base")
    if given:
        detail = f"{given}, from {variable}, is not here: the first build pulls it"
        return Finding(name, State.WARNING, detail, f"docker pull {given}")
    detail = "none yet: the first build pulls Python's from Docker Hub; without Docker Hub, run:"
    remedy = f"./pants run docker/base:debian && export {variable}=datascience-base:debian"
    return Finding(name, State.WARNING, detail, remedy)


def check_disk(root: Path) -> Finding:
    """Check the free space of the repository's disk and of Pants' cache."""
    name = "disk"
    places = [root, next(folder for folder in _cache().parents if folder.exists())]
    free = min(shutil.disk_usage(place).free for place in places) / GIGABYTE
    detail = f"{free:.1f} GB free"
    if free >= COMFORTABLE:
        return Finding(name, State.OK, detail)
    state = State.ERROR if free < LEAST_FREE else State.WARNING
    return Finding(name, state, f"{detail}: Pants fails on a full disk", _clear())


def check_cache(root: Path) -> Finding:
    """Check the size of Pants' cache, which Pants never shrinks."""
    name = "Pants' cache"
    if not _cache().exists():
        return Finding(name, State.OK, f"{_cache()}: empty; the first call fills it")
    # After a timeout there is no output.
    done = _run(["du", "-sk", str(_cache())], cwd=root)
    words = done.stdout.split() if done else []
    if not words:
        detail = f"{_cache()}: not measured within {PATIENCE:.0f} s"
        return Finding(name, State.WARNING, detail, f"du -sh {lockfiles.quoted(_cache())}")
    size = int(words[0]) * 1024 / GIGABYTE
    detail = f"{_cache()}: {size:.1f} GB"
    if size <= LARGE_CACHE:
        return Finding(name, State.OK, detail)
    return Finding(name, State.WARNING, f"{detail}; Pants fills it again", _clear())


def check_memory(root: Path) -> Finding | None:
    """Check that the memory limit of Pants' daemon is below the machine's memory."""
    if not MEMORY.exists():
        return None
    found = re.search(r"^MemTotal: +(\d+) kB", MEMORY.read_text(), re.M)
    total = int(found[1]) * 1024 / GIBIBYTE if found else 0.0
    variable = "PANTS_PANTSD_MAX_MEMORY_USAGE"
    limit = _gibibytes(os.environ.get(variable, "")) or _daemon_limit(root)
    detail = f"{total:.1f} GiB; Pants' daemon may use {limit:g}"
    if total > limit:
        return Finding("memory", State.OK, detail)
    remedy = f"export {variable}={max(1, int(total / 2))}GiB"
    if _is_wsl():
        enough = f"memory={limit + ROOM_FOR_PROCESSES:.0f}GB"
        remedy += f"  # or `{enough}` below [wsl2] in %UserProfile%\\.wslconfig, and wsl --shutdown"
    return Finding("memory", State.WARNING, f"{detail}: the system may kill processes", remedy)


def check_line_endings(root: Path) -> Finding:
    """Check that no file has Windows line endings: Linux cannot run such a script."""
    name = "line endings"
    listed = (git(root, "ls-files", "--eol") or "").splitlines()
    wrong = [line.partition("\t")[2] for line in listed if re.match(r"i/lf +w/crlf ", line)]
    if wrong:
        others = f" and {len(wrong) - 1} more files" if wrong[1:] else ""
        detail = f"{wrong[0]}{others}: CRLF line endings; scripts with them do not run here"
        return Finding(name, State.ERROR, detail, _SET_LF + _TO_LF)
    converts = git(root, "config", "core.autocrlf") == "true"
    if converts and git(root, "check-attr", "eol", "--", "pants") != "pants: eol: lf":
        detail = "LF, but the next checkout writes CRLF (core.autocrlf is true)"
        return Finding(name, State.WARNING, detail, _SET_LF)
    return Finding(name, State.OK, "LF")


def check_wsl(root: Path) -> Finding | None:
    """Check that, in WSL 2, the clone is not on a Windows drive, which is slow."""
    if not _is_wsl():
        return None
    name, drive = "WSL 2", _windows_drive(root)
    if not drive:
        return Finding(name, State.OK, f"{root}: on a Linux disk")
    detail = (
        f"{root}: on {drive}, a Windows drive: slow, without file modes, and Pants' daemon does "
        "not notice changes by Windows programs"
    )
    clone = f'git clone "$(git remote get-url origin)" ~/{lockfiles.quoted(Path(root.name))}'
    return Finding(name, State.WARNING, detail, clone)


def check_tracking(root: Path) -> Finding:
    """Check that the MLflow server of MLFLOW_TRACKING_URI answers."""
    name, variable = "MLflow", "MLFLOW_TRACKING_URI"
    uri = os.environ.get(variable, "")
    if not uri:
        return Finding(name, State.OK, f"{variable} is not set: uses SQLite in .mlflow/")
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https"):
        return Finding(name, State.OK, f"{variable} is not a server: {parts.scheme or uri}")
    # Without user name and password.
    shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    problem = _find_problem(f"{shown.rstrip('/')}/health")
    if not problem:
        return Finding(name, State.OK, f"{shown} answers")
    remedy = f"unset {variable}  # or set another server: export {variable}=https://…"
    return Finding(name, State.ERROR, f"{shown} does not answer: {problem}", remedy)


CHECKS = (
    check_python_of_pants,
    check_python_of_code,
    check_history,
    check_lockfiles,
    check_engine,
    check_base_image,
    check_disk,
    check_cache,
    check_memory,
    check_line_endings,
    check_wsl,
    check_tracking,
)


_SET_LF = "git config core.autocrlf input"
# Changes only files that git has with LF, and only their line endings.
_TO_LF = (
    " && git ls-files -z --eol | grep -z '^i/lf *w/crlf' | cut -z -f2 | xargs -0 sed -i 's/\\r$//'"
)


def _run_check(check: Callable[[Path], Finding | None], root: Path) -> Finding | None:
    """Run a check; return an exception as a finding, so that the other checks run."""
    name = check.__name__[len("check_") :].replace("_", " ")
    try:
        return check(root)
    except UntrustedRepositoryError as error:
        return Finding(name, State.ERROR, "git does not trust the owner of the clone", error.remedy)
    except (OSError, ValueError, UserError) as error:
        return Finding(name, State.ERROR, f"cannot be checked: {error}")


def _run(command: Sequence[str], *, cwd: Path) -> subprocess.CompletedProcess[str] | None:
    """Run a command; return None if there is no such program, or after a timeout."""
    try:
        return subprocess.run(
            command,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None


def _docker(root: Path, *arguments: str) -> subprocess.CompletedProcess[str] | None:
    return _run(["docker", *arguments], cwd=root)


def _check_python(root: Path, version: str, use: str) -> Finding:
    """Check the interpreter that the launcher has chosen, or would choose."""
    name = f"Python {version}"
    done = _run(["bash", "-c", _CHOSEN_PYTHON, "bash", version], cwd=root)
    if done is None:
        return Finding(name, State.ERROR, "./pants needs bash, which is not installed")
    if done.returncode == 0:
        return Finding(name, State.OK, " ".join(done.stdout.splitlines()))
    if done.returncode == 2:
        broken = done.stdout.strip()
        remedy = f"rm {lockfiles.quoted(Path(broken))} && ./pants --version"
        return Finding(name, State.ERROR, f"{broken} does not run; {use}", remedy)
    tried = "; ".join(line.strip() for line in done.stdout.splitlines() if line.strip())
    detail = f"not found; {use}. The next ./pants installs it{tried and '. Unsuitable: '}{tried}"
    return Finding(name, State.WARNING, detail, "./pants --version")


def _is_wsl() -> bool:
    return KERNEL.exists() and "microsoft" in KERNEL.read_text().lower()


def _windows_drive(folder: Path) -> str:
    """The mount point of a folder's Windows drive; empty if it is on another disk."""
    # Of two mounts at one place, the later hides the earlier.
    mounts = [line.split(" ")[1:3] for line in reversed(MOUNTS.read_text().splitlines())]
    around = [(mount, kind) for mount, kind in mounts if folder.is_relative_to(mount)]
    mount, kind = max(around, key=lambda one: len(one[0]), default=("", ""))
    return mount if kind in OF_WINDOWS else ""


def _daemon_limit(root: Path) -> float:
    text = (root / lockfiles.SETTINGS).read_text()
    found = re.search(r'^pantsd_max_memory_usage = "?([^"\n]+)', text, re.M)
    return _gibibytes(found[1]) if found else USUAL_LIMIT


def _gibibytes(size: str) -> float:
    """Parse a size in Pants' format, such as 8GiB; return 0 if it is not valid."""
    found = re.fullmatch(r"([\d.]+) *(GiB|MiB|KiB|B?)", size.strip(), re.I)
    powers = {"gib": 30, "mib": 20, "kib": 10}
    return float(found[1]) * 2 ** powers.get(found[2].lower(), 0) / GIBIBYTE if found else 0.0


def _is_mac() -> bool:
    return sys.platform == "darwin"


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pants"


def _clear() -> str:
    return f"rm -rf {lockfiles.quoted(_cache())}"


def _find_problem(address: str) -> str:
    """Call a server; return why it does not answer, empty if it answers or asks for a login."""
    try:
        urllib.request.urlopen(address, timeout=ANSWER_WITHIN).close()
    except urllib.error.HTTPError as error:
        return "" if error.code in (401, 403) else f"{error.code} {error.reason}"
    except OSError as error:
        return re.sub(r"^<urlopen error (.*)>$", r"\1", str(error))
    return ""
