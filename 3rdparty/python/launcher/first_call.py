"""Set up the launcher, once per machine. first_call.bash runs this:

    first_call.py pants FOLDER
    first_call.py pex-cli FOLDER
    first_call.py pythons FOLDER SEARCH 3.9.25=/path/to/python3.9 3.13.18=

Uses only the standard library of CPython 3.8 or newer, because nothing is installed yet. FOLDER is
created atomically, even if this process is killed. Packages come from where pip's settings point.
All downloads are checked against hashes in this folder or, for interpreters, in uv.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import zipfile
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from typing import Dict, Iterator, List, TextIO

HERE = Path(__file__).resolve().parent
PANTS_LOCK = HERE / "pants.txt"
PEX_PIN = HERE / "pex.txt"
PYTHONS_PIN = HERE / "pythons.txt"
# The file with pip's own pin. Python 3.8 needs another version.
PIP_PIN = PEX_PIN if sys.version_info >= (3, 9) else HERE / "pip-for-3.8.txt"

INDEX_ADVICE = (
    "Nothing was installed. If pip's index cannot be reached, check the network, or pip's settings for "
    "a mirror or a proxy (PIP_INDEX_URL, PIP_CERT, PIP_PROXY, pip.conf)."
)

# The files of a complete folder. `bin/python` is a link, so it breaks if its Python is removed.
NEEDS = {"pants": ("bin/python", "bin/pants"), "pex-cli": ("pex",)}
NATIVE_CLIENT = "lib/python3.9/site-packages/pants/bin/native_client"

# Settings of pip that would install packages into another folder, or change what is installed.
UNWANTED = (
    "TARGET",
    "PREFIX",
    "ROOT",
    "CONSTRAINT",
    "REQUIREMENT",
    "EDITABLE",
    "NO_BINARY",
    "DRY_RUN",
    "REPORT",
)

# Pex finds its vendored packages only in a real folder, but Pants copies this file into each sandbox. So it
# unpacks itself once into PEX_ROOT, which outlives the sandboxes and keeps the byte code.
# A PEX's own start-up code removes PEX_SCRIPT and PEX_PYTHON from the environment, so this does, too.
# Pants 2.17 supports no pip after 23.1.2, which supports neither CPython 3.13 nor the resolver that Pex needs.
# Pex would download pip, setuptools and wheel by version from an index, without hashes, and run them. So the
# file contains the pinned wheels, and Pex installs those; its cache separates them from downloaded ones.
# Any change in this string changes the file's sha256 in pex.txt and in pants.toml.
PEX_MAIN = """\
import os
import shutil
import sys
import tempfile
import zipfile
from glob import glob
from importlib import import_module

root = os.environ.get("PEX_ROOT") or os.path.expanduser("~/.cache/pex")
unpacked = os.path.abspath(os.path.join(root, "pex-cli", "@KEY@"))
if not os.path.isdir(unpacked):
    os.makedirs(os.path.dirname(unpacked), exist_ok=True)
    beside = tempfile.mkdtemp(dir=os.path.dirname(unpacked))
    zipfile.ZipFile(sys.path[0]).extractall(beside)
    try:
        os.rename(beside, unpacked)
    except OSError:  # Another process was faster.
        shutil.rmtree(beside, ignore_errors=True)
sys.path[0] = unpacked
os.environ.pop("PEX_PYTHON", None)
if "--pip-version" in sys.argv:
    sys.argv[sys.argv.index("--pip-version") + 1] = "@PIP@"


def install_pinned(version, interpreter=None, use_system_time=False, **_):
    return installation._pip_installation(
        version=PipVersion.for_value("@PIP@"),
        iter_distribution_locations=lambda: [
            installation._install_wheel(wheel)
            for wheel in sorted(glob(os.path.join(unpacked, "pinned-wheels", "*.whl")))
        ],
        fingerprint="@KEY@",
        interpreter=interpreter,
        use_system_time=use_system_time,
    )


installation = import_module("pex.pip.installation")
PipVersion = import_module("pex.pip.version").PipVersion
installation._resolved_installation = install_pinned
script = {"pex": "pex.bin.pex", "pex3": "pex.cli.pex"}[os.environ.pop("PEX_SCRIPT", "pex")]
sys.exit(import_module(script).main())
"""


class SetupError(Exception):
    """The setup failed. The message says why, and how to fix it."""


class NoPythonError(Exception):
    """An interpreter could not be installed. first_call.bash adds how to fix it."""


def print_status(message: str) -> None:
    colour = sys.stderr.isatty() and "NO_COLOR" not in os.environ
    print(
        f"\033[36mpants:\033[0m {message}" if colour else f"pants: {message}",
        file=sys.stderr,
        flush=True,
    )


def read_pin(pattern: str, file: Path) -> tuple[str, ...]:
    found = re.search(pattern, file.read_text(encoding="utf-8"), re.MULTILINE)
    if not found:
        raise SetupError(f"{file} has no line that matches {pattern!r}. Restore it from git.")
    return found.groups()


@contextmanager
def exclusive_lock(cache: Path) -> Iterator[TextIO]:
    """Lock the cache. The operating system releases the lock when its holder ends or is killed.

    A child process that inherits the file holds the lock, too.
    """
    with open(cache / ".lock", "a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print_status("another call is running the setup; waiting for it …")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock


@contextmanager
def staged_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder that is renamed at the end. Those of killed calls are removed first."""
    for leftover in folder.parent.glob(folder.name + ".partial-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    # Each call uses a new name, because the pip of a killed call may still write into the old folder.
    partial = Path(tempfile.mkdtemp(prefix=folder.name + ".partial-", dir=folder.parent))
    try:
        partial.chmod(0o755)
        yield partial
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def error_lines(output: str) -> str:
    """The error message in the output of pip or Python."""
    lines = [line.rstrip() for line in output.splitlines() if line.strip()]
    errors = [
        number for number, line in enumerate(lines) if re.match("error:", line, re.IGNORECASE)
    ]
    message = (
        takewhile(lambda line: "Traceback" not in line, lines[errors[0] :])
        if errors
        else lines[-1:]
    )
    return "\n".join("  " + line for line in list(message)[:8])


def get_pip(cache: Path) -> Path:
    """Unpack the pinned pip, which runs on any Python, even one without pip and ensurepip."""
    version, sha = read_pin(r"^pip==(\S+)\s+\\\s+--hash=sha256:(\w+)", PIP_PIN)
    folder = cache / f"pip-{version}-{sha[:16]}"
    if not (folder / "pip").exists():
        with staged_folder(folder) as partial:
            wheel = partial / f"pip-{version}-py3-none-any.whl"
            if importlib.util.find_spec("pip"):
                # This pip may be configured to log in to a mirror.
                requirement = partial / "pip.txt"
                requirement.write_text(f"pip=={version} --hash=sha256:{sha}\n")
                run_pip(
                    [sys.executable, "-I", "-m", "pip"],
                    *("download", f"--dest={partial}", "--requirement", str(requirement)),
                    pin=PIP_PIN,
                )
                requirement.unlink()
            else:
                wheel.write_bytes(fetch_wheel(wheel.name, sha))
            with zipfile.ZipFile(wheel) as packed:
                packed.extractall(partial)
            wheel.unlink()
    return folder / "pip"


def fetch_wheel(filename: str, sha: str) -> bytes:
    """Download a wheel from pip's index, without pip."""
    # Python runs isolated (-I), so this folder is not on its path.
    sys.path.insert(0, str(HERE))
    import wheel_index

    try:
        content = wheel_index.fetch(filename)
    except LookupError as error:
        reasons = "\n".join(f"  {line}" for line in str(error).splitlines())
        raise SetupError(
            f"{filename} could not be downloaded:\n{reasons}\n{INDEX_ADVICE}"
        ) from error
    if hashlib.sha256(content).hexdigest() != sha:
        raise SetupError(
            f"{filename} of pip's index DOES NOT MATCH THE HASH in {PIP_PIN}. Nothing was installed. "
            "Find out whether the index or a proxy changed it."
        )
    return content


def run_pinned_pip(python: Path, cache: Path, *args: str, pin: Path) -> None:
    """Run the pinned pip. All packages must match the hashes in `pin`."""
    command = [str(python), "-I", str(get_pip(cache))]
    run_pip(command, *args, "--requirement", str(pin), pin=pin)


def run_pip(command: List[str], *args: str, pin: Path) -> None:
    environment = {
        key: value
        for key, value in os.environ.items()
        if key not in {f"PIP_{name}" for name in UNWANTED}
    }
    environment.update(PIP_USER="0", PIP_REQUIRE_VIRTUALENV="0")
    # pip writes its progress to stdout, but only the output of Pants' goal may go there.
    volume = () if sys.stderr.isatty() else ("--quiet",)
    options = (
        "--require-hashes",
        "--no-deps",
        "--only-binary=:all:",
        "--no-input",
        "--disable-pip-version-check",
    )
    done = subprocess.run(
        [*command, args[0], *volume, *options, *args[1:]],
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env=environment,
    )
    if done.returncode:
        raise SetupError(
            f"pip could not download the packages in {pin}:\n{error_lines(done.stderr)}\n{INDEX_ADVICE}"
        )


def relocate_scripts(venv_folder: Path, final: Path) -> None:
    """Replace the folder's name in scripts. Nothing else in a virtual environment depends on it."""
    for script in (venv_folder / "bin").iterdir():
        if not script.is_symlink():
            text = script.read_bytes()
            script.write_bytes(text.replace(os.fsencode(venv_folder), os.fsencode(final)))


def install_pants(partial: Path, final: Path) -> None:
    (version,) = read_pin(r"^pantsbuild-pants==(\S+)", PANTS_LOCK)
    print_status(
        f"first call on this machine: installing Pants {version} into {final} (about half a minute, once)"
    )
    # Imported here, because other Pythons that run this file may lack it.
    import venv

    venv.EnvBuilder(symlinks=True).create(partial)
    python = partial / "bin" / "python"
    run_pinned_pip(python, final.parent, "install", "--no-warn-script-location", pin=PANTS_LOCK)
    tried = subprocess.run(
        [
            str(python),
            "-I",
            "-c",
            "import pants.bin.pants_loader, pants.engine.internals.native_engine",
        ],
        stderr=subprocess.PIPE,
        text=True,
    )
    if tried.returncode:
        raise SetupError(
            f"Pants {version} was installed but does not start on this machine:\n"
            f"{error_lines(tried.stderr)}"
        )
    # In the wheel, it is not executable.
    (partial / NATIVE_CLIENT).chmod(0o755)
    relocate_scripts(partial, final)


def zip_wheel(wheel: Path, main: str, pinned_wheels: List[Path], out: Path) -> None:
    """Write a reproducible zip file: sorted, uncompressed, with a fixed date."""
    with zipfile.ZipFile(wheel) as packed:
        files = {name: packed.read(name) for name in packed.namelist()}
    files.update({f"pinned-wheels/{one.name}": one.read_bytes() for one in pinned_wheels})
    files["__main__.py"] = main.encode()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as zipped:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.create_system = 3
            entry.external_attr = 0o100644 << 16
            zipped.writestr(entry, files[name])


def build_pex_cli(partial: Path, final: Path) -> None:
    (version,) = read_pin(r"^pex==(\S+)", PEX_PIN)
    (pip_version,) = read_pin(r"^pip==(\S+)", PEX_PIN)
    expected = read_pin(r"^# built: (\w+) (\d+)$", PEX_PIN)
    # Identifies the content of the file.
    hashes = re.findall(r"sha256:(\w+)", PEX_PIN.read_text(encoding="utf-8"))
    key = hashlib.sha256("\n".join([*hashes, PEX_MAIN]).encode()).hexdigest()[:16]
    print_status(
        f"building the PEX CLI {version} from its wheel into {final} (a few seconds, once)"
    )
    with tempfile.TemporaryDirectory(dir=partial) as scratch:
        # The wheel for 3.9 works everywhere. The one for 3.12 and newer lacks what Pants' own 3.9 needs.
        options = ("--python-version=3.9", f"--dest={scratch}")
        run_pinned_pip(Path(sys.executable), final.parent, "download", *options, pin=PEX_PIN)
        wheels = sorted(Path(scratch).glob("*.whl"))
        (pex,) = (wheel for wheel in wheels if wheel.name.startswith("pex-"))
        main = PEX_MAIN.replace("@KEY@", f"{version}-{key}").replace("@PIP@", pip_version)
        zip_wheel(pex, main, [one for one in wheels if one != pex], partial / "pex")
    built = (partial / "pex").read_bytes()
    found = (hashlib.sha256(built).hexdigest(), str(len(built)))
    if found != expected:
        raise SetupError(
            f"the sha256 and size of the PEX CLI are {' '.join(found)}, but {PEX_PIN} expects "
            f"{' '.join(expected)}.\nIf you changed the pin, put the new values there and into [pex-cli] of "
            "pants.toml. Otherwise restore both files from git."
        )


def can_install(uv: str, version: str) -> bool:
    """Whether this uv supports the version; it lists nothing for a version newer than itself."""
    command = [uv, "python", "list", "--only-downloads", "--all-versions", version]
    try:
        listed = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace"
        )
    except OSError:
        return False
    return f"cpython-{version}-" in listed.stdout


def get_uv(cache: Path, platform: str, version: str) -> str:
    """Return the uv on PATH if it can install this Python, or else download the pinned one."""
    on_path = shutil.which("uv")
    if on_path and can_install(on_path, version):
        return on_path
    (pinned_version,) = read_pin(r"^uv==(\S+)", PYTHONS_PIN)
    folder = cache / f"uv-{pinned_version}-{platform}"
    if not (folder / "uv").exists():
        print_status(
            f"downloading uv {pinned_version}, which installs Pythons, into {folder} (17 MB, once)"
        )
        with staged_folder(folder) as partial, tempfile.TemporaryDirectory(dir=partial) as scratch:
            options = ("download", f"--dest={scratch}")
            run_pinned_pip(Path(sys.executable), cache, *options, pin=PYTHONS_PIN)
            (wheel,) = Path(scratch).glob("uv-*.whl")
            with zipfile.ZipFile(wheel) as packed:
                content = packed.read(f"uv-{pinned_version}.data/scripts/uv")
            (partial / "uv").write_bytes(content)
            (partial / "uv").chmod(0o755)
    return str(folder / "uv")


def install_python(cache: Path, platform: str, version: str, lock: TextIO) -> Path:
    """Install an interpreter into a folder of the cache. It is complete once a link points to it.

    uv writes the folder's name into its files, so the folder is not renamed. A uv that outlives this
    process keeps the lock, so no other process changes the folder.
    """
    folder = cache / f"python-{version}-{platform}"
    try:
        uv = get_uv(cache, platform, version)
    except SetupError as error:
        raise NoPythonError(version, str(error)) from error
    print_status(
        f"no suitable CPython {minor_of(version)} found: installing {version} into {folder} (about 30 MB to "
        "download, once)"
    )
    shutil.rmtree(folder, ignore_errors=True)
    # On a terminal, uv shows its progress.
    on_terminal = sys.stderr.isatty()
    done = subprocess.run(
        [uv, "python", "install", "--no-bin", "--no-cache", "--install-dir", str(folder), version],
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        stderr=None if on_terminal else subprocess.PIPE,
        text=True,
        errors="replace",
        pass_fds=(lock.fileno(),),
    )
    if done.returncode:
        shutil.rmtree(folder, ignore_errors=True)
        raise NoPythonError(version, "  see above" if on_terminal else error_lines(done.stderr))
    (python,) = folder.glob(f"cpython-{version}-*/bin/python{minor_of(version)}")
    try:
        return executable_of(python)
    except (OSError, subprocess.CalledProcessError) as error:
        raise NoPythonError(version, f"  {python} was installed, but: {error}") from error


def minor_of(version: str) -> str:
    return version.rpartition(".")[0]


def executable_of(python: Path) -> Path:
    """The interpreter behind a link, a virtual environment or a pyenv shim.

    Raises:
        OSError, CalledProcessError: It does not start.
    """
    script = "import os, ssl, sys, venv, zlib; print(os.path.realpath(sys.executable))"
    done = subprocess.run(
        [str(python), "-I", "-c", script], check=True, stdout=subprocess.PIPE, text=True
    )
    return Path(done.stdout.rstrip("\n"))


def link(name: Path, target: Path) -> None:
    partial = name.with_name(f"{name.name}.partial")
    partial.unlink(missing_ok=True)
    partial.symlink_to(target)
    partial.replace(name)


def link_pythons(folder: Path, search: str, requested: List[str]) -> None:
    """Link the interpreters that were found, and install and link the others.

    .pants.bootstrap reads the file `chosen`: the requested versions, and on the second line the value for
    `[python-bootstrap].search_path`.
    """
    cache, platform = folder.parent, folder.name[len("bin-") :]
    found: Dict[str, str] = dict(one.split("=", 1) for one in requested)  # type: ignore[misc]
    cache.mkdir(parents=True, exist_ok=True)
    with exclusive_lock(cache) as lock:
        for version, place in found.items():
            name = folder / f"python{minor_of(version)}"
            installed_before = cache / f"python-{version}-{platform}"
            if place:
                target = executable_of(Path(place))
            elif name.exists() and installed_before in name.resolve().parents:
                continue
            else:
                target = install_python(cache, platform, version, lock)
            folder.mkdir(exist_ok=True)
            link(name, target)
        path = {"none": "", "add": f"+{[str(folder)]}", "only": f"{[str(folder)]}"}[search]
        partial = folder / "chosen.partial"
        partial.write_text(f"{' '.join(found)}\n{path}\n", encoding="utf-8")
        partial.replace(folder / "chosen")


def set_up(kind: str, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with exclusive_lock(folder.parent):
        # Another call may have created it while this one waited.
        if all((folder / name).exists() for name in NEEDS[kind]):
            return
        with staged_folder(folder) as partial:
            {"pants": install_pants, "pex-cli": build_pex_cli}[kind](partial, folder)


def main(kind: str, folder: str, *rest: str) -> int:
    # Clean up, as for Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        if kind == "pythons":
            link_pythons(Path(folder), rest[0], list(rest[1:]))
        else:
            set_up(kind, Path(folder))
    except NoPythonError as error:
        # first_call.bash prints the full message.
        print(*error.args, sep="\n")
        return 1
    except SetupError as error:
        print_status(str(error))
        return 1
    except OSError as error:
        print_status(
            f"cannot set up {folder}: {error}. To use another folder, set PANTS_SETUP_CACHE."
        )
        return 1
    except KeyboardInterrupt:
        print_status("stopped. Nothing was installed.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
