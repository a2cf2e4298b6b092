"""What a machine and a clone need to work in this repository, looked at one by one.

Runs on Python 3.8 and newer, as the launcher does, with nothing but the standard library: that
Pants cannot start is one of its findings.
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
# Below the first, Pants' next call may fail; below the second, one that installs a resolve may.
LEAST_FREE, COMFORTABLE = 2, 10
LARGE_CACHE = 50
PATIENCE = 20.0
# Sources the launcher's own lines. Prints the interpreter, with its version; or fails with what is
# unsuitable (1) or with a chosen one that does not run (2).
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
# What Linux reports of itself; elsewhere they are not there.
KERNEL, MOUNTS, MEMORY = (
    Path("/proc/sys/kernel/osrelease"),
    Path("/proc/mounts"),
    Path("/proc/meminfo"),
)
# The file systems by which WSL mounts Windows drives.
OF_WINDOWS = ("9p", "drvfs", "virtiofs")
# The limit of Pants' daemon if none is set, and what the programs that it starts need. In GiB.
USUAL_LIMIT, ROOM_FOR_PROCESSES = 4.0, 4


class State(enum.Enum):
    """How well something is; what is doubtful keeps nobody from working."""

    WELL = "well"
    DOUBTFUL = "doubtful"
    WRONG = "wrong"


@dataclass(frozen=True)
class Finding:
    """What one check found; `remedy` is a command."""

    name: str
    state: State
    told: str
    remedy: str = ""


def examine(root: Path) -> list[Finding]:
    """Every check that applies to this machine, side by side, in the order of the list."""
    with ThreadPoolExecutor(len(CHECKS)) as pool:
        return list(filter(None, pool.map(lambda check: _guarded(check, root), CHECKS)))


def check_python_of_pants(root: Path) -> Finding:
    """CPython 3.9."""
    return _check_python(root, "3.9", "Pants runs on it")


def check_python_of_code(root: Path) -> Finding:
    """The CPython of pants.toml."""
    return _check_python(root, lockfiles.python_version(root), "your code runs on it")


def check_history(root: Path) -> Finding:
    """Whether what changed since the main branch can be said."""
    name = "git history"
    count = git(root, "rev-list", "--count", "HEAD")
    if count is None:
        return Finding(name, State.WRONG, "not a git repository, or one without a commit")
    depth = f"{count} commits{', shallow' if is_shallow(root) else ''}"
    base = Revision.find_base(root, MAIN)
    if base:
        ahead = git(root, "rev-list", "--count", f"{base.commit}..HEAD")
        return Finding(name, State.WELL, f"{depth}; {ahead} since {base}")
    told = f"{depth}; where HEAD left {MAIN} is not among them: what changed cannot be said"
    if is_shallow(root):
        return Finding(name, State.WRONG, told, "git fetch --unshallow origin")
    fetch = f"git fetch origin {MAIN}:refs/remotes/origin/{MAIN}"
    return Finding(name, State.WRONG, told, fetch)


def check_lockfiles(root: Path) -> Finding:
    """Whether each lockfile was made of the requirements as they are now."""
    name = "lockfiles"
    stale = lockfiles.stale(root)
    if not stale:
        return Finding(name, State.WELL, f"{len(lockfiles.resolves(root))}, as required")
    told = "; ".join(f"{one.resolve}: {one.problem}" for one in stale)
    names = " ".join(f"--resolve={one.resolve}" for one in stale)
    remedy = f"./pants generate-lockfiles {names} && ./pants fmt 3rdparty/python::"
    return Finding(name, State.WRONG, told, remedy)


def check_engine(root: Path) -> Finding:
    """Docker, which images need and nothing else."""
    name = "Docker engine"
    done = _docker(root, "version", "--format", "{{.Server.Version}}")
    if done is None:
        install = "brew install --cask docker" if _is_mac() else "sudo apt-get install docker.io"
        return Finding(name, State.DOUBTFUL, "there is none: no image can be made", install)
    if done.returncode == 0:
        return Finding(name, State.WELL, done.stdout.strip())
    if "permission denied" in done.stderr:
        told = "you may not talk to it: no image can be made"
        return Finding(name, State.DOUBTFUL, told, 'sudo usermod -aG docker "$USER"  # log in anew')
    start = "open -a Docker" if _is_mac() else "sudo service docker start"
    return Finding(name, State.DOUBTFUL, "does not answer: no image can be made", start)


def check_base_image(root: Path) -> Finding:
    """What images stand on; where there is none, the first one fetches it."""
    name = "base image"
    variable = "PANTS_IMAGES_BASE_IMAGE"
    given = os.environ.get(variable, "")
    engine = check_engine(root)
    if engine.state is not State.WELL:
        return Finding(name, engine.state, "not known without an engine", engine.remedy)
    found = _docker(root, "image", "ls", "--quiet", given or "datascience-base")
    if found and found.stdout.strip():
        return Finding(name, State.WELL, given or "datascience-base")
    if given:
        told = f"{given}, which {variable} names, is not here: the first image pulls it"
        return Finding(name, State.DOUBTFUL, told, f"docker pull {given}")
    told = "none yet: the first image fetches Python's from Docker Hub; without Docker Hub:"
    remedy = f"./pants run docker/base:debian && export {variable}=datascience-base:debian"
    return Finding(name, State.DOUBTFUL, told, remedy)


def check_disk(root: Path) -> Finding:
    """Room where the repository is, and where Pants keeps what it made."""
    name = "disk"
    places = [root, next(folder for folder in _cache().parents if folder.exists())]
    free = min(shutil.disk_usage(place).free for place in places) / GIGABYTE
    told = f"{free:.1f} GB free"
    if free >= COMFORTABLE:
        return Finding(name, State.WELL, told)
    state = State.WRONG if free < LEAST_FREE else State.DOUBTFUL
    return Finding(name, state, f"{told}: a full one stops Pants", _clear())


def check_cache(root: Path) -> Finding:
    """How large Pants' cache has grown; it never shrinks by itself."""
    name = "Pants' cache"
    if not _cache().exists():
        return Finding(name, State.WELL, f"{_cache()}: empty: the first call fills it")
    # Killed after a while, it has said nothing.
    done = _run(["du", "-sk", str(_cache())], cwd=root)
    words = done.stdout.split() if done else []
    if not words:
        told = f"{_cache()}: was not counted within {PATIENCE:.0f} s"
        return Finding(name, State.DOUBTFUL, told, f"du -sh {lockfiles.quoted(_cache())}")
    size = int(words[0]) * 1024 / GIGABYTE
    told = f"{_cache()}: {size:.1f} GB"
    if size <= LARGE_CACHE:
        return Finding(name, State.WELL, told)
    return Finding(name, State.DOUBTFUL, f"{told}; Pants fills it again", _clear())


def check_memory(root: Path) -> Finding | None:
    """Whether Pants' daemon may grow to more than the machine has."""
    if not MEMORY.exists():
        return None
    found = re.search(r"^MemTotal: +(\d+) kB", MEMORY.read_text(), re.M)
    total = int(found[1]) * 1024 / GIBIBYTE if found else 0.0
    variable = "PANTS_PANTSD_MAX_MEMORY_USAGE"
    limit = _gibibytes(os.environ.get(variable, "")) or _daemon_limit(root)
    told = f"{total:.1f} GiB; Pants' daemon may take {limit:g}"
    if total > limit:
        return Finding("memory", State.WELL, told)
    remedy = f"export {variable}={max(1, int(total / 2))}GiB"
    if _is_wsl():
        enough = f"memory={limit + ROOM_FOR_PROCESSES:.0f}GB"
        remedy += f"  # or `{enough}` below [wsl2] in %UserProfile%\\.wslconfig, and wsl --shutdown"
    return Finding("memory", State.DOUBTFUL, f"{told}: programs may be killed", remedy)


def check_line_endings(root: Path) -> Finding:
    """Whether files have the line endings of Windows: no shell on Linux runs such a script."""
    name = "line endings"
    listed = (git(root, "ls-files", "--eol") or "").splitlines()
    wrong = [line.partition("\t")[2] for line in listed if re.match(r"i/lf +w/crlf ", line)]
    if wrong:
        others = f" and {len(wrong) - 1} more files" if wrong[1:] else ""
        told = f"{wrong[0]}{others}: CRLF, as on Windows; no shell here runs a script with it"
        return Finding(name, State.WRONG, told, _SET_LF + _TO_LF)
    converts = git(root, "config", "core.autocrlf") == "true"
    if converts and git(root, "check-attr", "eol", "--", "pants") != "pants: eol: lf":
        told = "LF, but git is set to write CRLF at the next checkout (core.autocrlf)"
        return Finding(name, State.DOUBTFUL, told, _SET_LF)
    return Finding(name, State.WELL, "LF")


def check_wsl(root: Path) -> Finding | None:
    """Where the clone is in WSL 2, for which a Windows drive is a network file system."""
    if not _is_wsl():
        return None
    name, drive = "WSL 2", _windows_drive(root)
    if not drive:
        return Finding(name, State.WELL, f"{root}: on a Linux disk")
    told = (
        f"{root}: on {drive}, a Windows drive: many times slower; file modes are lost, and Pants' "
        "daemon does not notice what Windows programs change"
    )
    clone = f'git clone "$(git remote get-url origin)" ~/{lockfiles.quoted(Path(root.name))}'
    return Finding(name, State.DOUBTFUL, told, clone)


def check_tracking(root: Path) -> Finding:
    """Whether the MLflow server answers that MLFLOW_TRACKING_URI names."""
    name, variable = "MLflow", "MLFLOW_TRACKING_URI"
    uri = os.environ.get(variable, "")
    if not uri:
        return Finding(name, State.WELL, f"{variable} is not set: SQLite, in .mlflow/")
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https"):
        return Finding(name, State.WELL, f"{variable} names no server: {parts.scheme or uri}")
    # Without a user's name and password.
    shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    refused = _refused(f"{shown.rstrip('/')}/health")
    if not refused:
        return Finding(name, State.WELL, f"{shown} answers")
    remedy = f"unset {variable}  # or name a server that answers: export {variable}=https://…"
    return Finding(name, State.WRONG, f"{shown} does not answer: {refused}", remedy)


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
# Only of files that git holds with LF: nothing else of them changes, edited or not.
_TO_LF = (
    " && git ls-files -z --eol | grep -z '^i/lf *w/crlf' | cut -z -f2 | xargs -0 sed -i 's/\\r$//'"
)


def _guarded(check: Callable[[Path], Finding | None], root: Path) -> Finding | None:
    """A check that cannot be made is a finding, and keeps no other from being made."""
    name = check.__name__[len("check_") :].replace("_", " ")
    try:
        return check(root)
    except UntrustedRepositoryError as error:
        return Finding(name, State.WRONG, "git does not trust the clone's owner", error.remedy)
    except (OSError, ValueError, UserError) as error:
        return Finding(name, State.WRONG, f"cannot be checked: {error}")


def _run(command: Sequence[str], *, cwd: Path) -> subprocess.CompletedProcess[str] | None:
    """How a command ends; None where there is no such program, or it does not come to an end."""
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
    """The interpreter that the launcher has chosen or, by its own search, would choose."""
    name = f"Python {version}"
    done = _run(["bash", "-c", _CHOSEN_PYTHON, "bash", version], cwd=root)
    if done is None:
        return Finding(name, State.WRONG, "there is no bash, in which ./pants is written")
    if done.returncode == 0:
        return Finding(name, State.WELL, " ".join(done.stdout.splitlines()))
    if done.returncode == 2:
        broken = done.stdout.strip()
        remedy = f"rm {lockfiles.quoted(Path(broken))} && ./pants --version"
        return Finding(name, State.WRONG, f"{broken} does not run; {use}", remedy)
    tried = "; ".join(line.strip() for line in done.stdout.splitlines() if line.strip())
    told = (
        f"none yet; {use}. The next call of ./pants installs it{tried and '. Unsuitable: '}{tried}"
    )
    return Finding(name, State.DOUBTFUL, told, "./pants --version")


def _is_wsl() -> bool:
    return KERNEL.exists() and "microsoft" in KERNEL.read_text().lower()


def _windows_drive(folder: Path) -> str:
    """Where the Windows drive is mounted that a folder is on; empty if it is on another disk."""
    # Of two at one place, the later one hides the other.
    mounts = [line.split(" ")[1:3] for line in reversed(MOUNTS.read_text().splitlines())]
    around = [(mount, kind) for mount, kind in mounts if folder.is_relative_to(mount)]
    mount, kind = max(around, key=lambda one: len(one[0]), default=("", ""))
    return mount if kind in OF_WINDOWS else ""


def _daemon_limit(root: Path) -> float:
    text = (root / lockfiles.SETTINGS).read_text()
    found = re.search(r'^pantsd_max_memory_usage = "?([^"\n]+)', text, re.M)
    return _gibibytes(found[1]) if found else USUAL_LIMIT


def _gibibytes(size: str) -> float:
    """A size as Pants takes it, such as 8GiB; 0 if it is not one."""
    found = re.fullmatch(r"([\d.]+) *(GiB|MiB|KiB|B?)", size.strip(), re.I)
    powers = {"gib": 30, "mib": 20, "kib": 10}
    return float(found[1]) * 2 ** powers.get(found[2].lower(), 0) / GIBIBYTE if found else 0.0


def _is_mac() -> bool:
    return sys.platform == "darwin"


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pants"


def _clear() -> str:
    return f"rm -rf {lockfiles.quoted(_cache())}"


def _refused(address: str) -> str:
    """Why a server does not answer; nothing if it does, be it that it wants to know who asks."""
    try:
        urllib.request.urlopen(address, timeout=ANSWER_WITHIN).close()
    except urllib.error.HTTPError as error:
        return "" if error.code in (401, 403) else f"{error.code} {error.reason}"
    except OSError as error:
        return re.sub(r"^<urlopen error (.*)>$", r"\1", str(error))
    return ""
