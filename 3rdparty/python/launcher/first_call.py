"""What the launcher does once per machine. first_call.bash calls it:

    first_call.py pants FOLDER
    first_call.py pex-cli FOLDER
    first_call.py pythons FOLDER SEARCH 3.9.25=/path/to/python3.9 3.13.18=

Standard library only, CPython 3.8 or newer: it runs before anything is installed. FOLDER appears
whole or not at all, whatever kills this process, and pip's own settings say where packages come from.
All that is downloaded has its hash in a file of this folder or, for an interpreter, in uv.
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
# pip's own pin: of all Pythons that the launcher accepts, only this one needs another.
PIP_PIN = PEX_PIN if sys.version_info >= (3, 9) else HERE / "pip-for-3.8.txt"

INDEX_ADVICE = (
    "Nothing was kept. If pip's index is out of reach: check the network, or pip's own settings for a "
    "mirror or a proxy (PIP_INDEX_URL, PIP_CERT, PIP_PROXY, pip.conf)."
)

# What must be there for a folder to be whole. `bin/python` is a link: it goes with the Python it was made of.
NEEDS = {"pants": ("bin/python", "bin/pants"), "pex-cli": ("pex",)}
NATIVE_CLIENT = "lib/python3.9/site-packages/pants/bin/native_client"

# Settings of pip that would send packages elsewhere than into our folder, or add to the lock.
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

# Pex finds its vendored packages only in a real folder, and Pants copies this file into each sandbox.
# So it unpacks itself once into PEX_ROOT, which outlives the sandboxes and keeps the bytecode too.
# PEX_SCRIPT and PEX_PYTHON are what a PEX's own start-up code takes out of the environment.
# Pants 2.17 can name no pip after 23.1.2, which supports neither CPython 3.13 nor the resolver that Pex needs.
# Pex would download pip, setuptools and wheel by version from an index, and run what it gets. So the file
# contains the pinned wheels, and Pex installs those; its cache keeps them apart from those that it downloaded.
# Any change here changes the file's sha256 in pex.txt and in pants.toml.
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
    """A message for people; says what to do next."""


class NoPythonError(Exception):
    """Why an interpreter could not be installed; first_call.bash adds what to do."""


def say(message: str) -> None:
    colour = sys.stderr.isatty() and "NO_COLOR" not in os.environ
    print(
        f"\033[36mpants:\033[0m {message}" if colour else f"pants: {message}",
        file=sys.stderr,
        flush=True,
    )


def pinned(pattern: str, file: Path) -> tuple[str, ...]:
    found = re.search(pattern, file.read_text(encoding="utf-8"), re.MULTILINE)
    if not found:
        raise SetupError(f"{file} does not say {pattern!r}. Restore it from git.")
    return found.groups()


@contextmanager
def alone(cache: Path) -> Iterator[TextIO]:
    """One process at a time; the system releases the lock when its holder dies, however it dies.

    A child that gets the file holds the lock, too.
    """
    with open(cache / ".lock", "a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another call is setting things up; waiting for it …")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock


@contextmanager
def made_beside(folder: Path) -> Iterator[Path]:
    """A new folder that takes the given name at the end; what a killed call left of its own goes first."""
    for leftover in folder.parent.glob(folder.name + ".partial-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    # The name is new each time: the pip of a killed call may still write into the old one.
    partial = Path(tempfile.mkdtemp(prefix=folder.name + ".partial-", dir=folder.parent))
    try:
        partial.chmod(0o755)
        yield partial
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def reason(output: str) -> str:
    """What pip or Python said went wrong, without the rest."""
    lines = [line.rstrip() for line in output.splitlines() if line.strip()]
    errors = [
        number for number, line in enumerate(lines) if re.match("error:", line, re.IGNORECASE)
    ]
    told = (
        takewhile(lambda line: "Traceback" not in line, lines[errors[0] :])
        if errors
        else lines[-1:]
    )
    return "\n".join("  " + line for line in list(told)[:8])


def unpacked_pip(cache: Path) -> Path:
    """The pinned pip, which runs on any Python: neither its own pip nor ensurepip is needed."""
    version, sha = pinned(r"^pip==(\S+)\s+\\\s+--hash=sha256:(\w+)", PIP_PIN)
    folder = cache / f"pip-{version}-{sha[:16]}"
    if not (folder / "pip").exists():
        with made_beside(folder) as partial:
            wheel = partial / f"pip-{version}-py3-none-any.whl"
            if importlib.util.find_spec("pip"):
                # It may know how to log in to a mirror.
                requirement = partial / "pip.txt"
                requirement.write_text(f"pip=={version} --hash=sha256:{sha}\n")
                run_pip(
                    [sys.executable, "-I", "-m", "pip"],
                    *("download", f"--dest={partial}", "--requirement", str(requirement)),
                    pin=PIP_PIN,
                )
                requirement.unlink()
            else:
                wheel.write_bytes(fetched(wheel.name, sha))
            with zipfile.ZipFile(wheel) as packed:
                packed.extractall(partial)
            wheel.unlink()
    return folder / "pip"


def fetched(filename: str, sha: str) -> bytes:
    """A wheel from pip's index, without pip."""
    # Python does not look here by itself: it runs isolated (-I).
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
            f"{filename} of pip's index DOES NOT MATCH THE HASH in {PIP_PIN}. Nothing was kept. "
            "Find out who changed it: the index, or a proxy."
        )
    return content


def pip(python: Path, cache: Path, *args: str, pin: Path) -> None:
    """Run the pinned pip; what it gets has to match the hashes in `pin`."""
    run_pip(
        [str(python), "-I", str(unpacked_pip(cache))], *args, "--requirement", str(pin), pin=pin
    )


def run_pip(command: List[str], *args: str, pin: Path) -> None:
    environment = {
        key: value
        for key, value in os.environ.items()
        if key not in {f"PIP_{name}" for name in UNWANTED}
    }
    environment.update(PIP_USER="0", PIP_REQUIRE_VIRTUALENV="0")
    # pip writes its progress to stdout, which belongs to the goal that Pants will run.
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
            f"pip could not get what is pinned in {pin}:\n{reason(done.stderr)}\n{INDEX_ADVICE}"
        )


def renamed_in_scripts(venv_folder: Path, final: Path) -> None:
    """The scripts hold the folder's name of now; a venv is otherwise free to move."""
    for script in (venv_folder / "bin").iterdir():
        if not script.is_symlink():
            text = script.read_bytes()
            script.write_bytes(text.replace(os.fsencode(venv_folder), os.fsencode(final)))


def make_pants(partial: Path, final: Path) -> None:
    (version,) = pinned(r"^pantsbuild-pants==(\S+)", PANTS_LOCK)
    say(
        f"first call on this machine: installing Pants {version} into {final} (about half a minute, once)"
    )
    # Only Pants' own Python has to have it.
    import venv

    venv.EnvBuilder(symlinks=True).create(partial)
    python = partial / "bin" / "python"
    pip(python, final.parent, "install", "--no-warn-script-location", pin=PANTS_LOCK)
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
            f"Pants {version} was installed but does not start on this machine:\n{reason(tried.stderr)}"
        )
    # The wheel holds it as a plain file.
    (partial / NATIVE_CLIENT).chmod(0o755)
    renamed_in_scripts(partial, final)


def zip_of_wheel(wheel: Path, main: str, pinned_wheels: List[Path], out: Path) -> None:
    """The same bytes on every Python and system: sorted, stored, undated."""
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


def make_pex_cli(partial: Path, final: Path) -> None:
    (version,) = pinned(r"^pex==(\S+)", PEX_PIN)
    (pip_version,) = pinned(r"^pip==(\S+)", PEX_PIN)
    expected = pinned(r"^# built: (\w+) (\d+)$", PEX_PIN)
    # Of all that goes into it.
    hashes = re.findall(r"sha256:(\w+)", PEX_PIN.read_text(encoding="utf-8"))
    key = hashlib.sha256("\n".join([*hashes, PEX_MAIN]).encode()).hexdigest()[:16]
    say(f"building the PEX CLI {version} from its wheel into {final} (a few seconds, once)")
    with tempfile.TemporaryDirectory(dir=partial) as scratch:
        # One wheel for all: there is another for 3.12 and newer, without what Pants' own 3.9 needs.
        options = ("--python-version=3.9", f"--dest={scratch}")
        pip(Path(sys.executable), final.parent, "download", *options, pin=PEX_PIN)
        wheels = sorted(Path(scratch).glob("*.whl"))
        (pex,) = (wheel for wheel in wheels if wheel.name.startswith("pex-"))
        main = PEX_MAIN.replace("@KEY@", f"{version}-{key}").replace("@PIP@", pip_version)
        zip_of_wheel(pex, main, [one for one in wheels if one != pex], partial / "pex")
    built = (partial / "pex").read_bytes()
    found = (hashlib.sha256(built).hexdigest(), str(len(built)))
    if found != expected:
        raise SetupError(
            f"the PEX CLI came out as {' '.join(found)}, but {PEX_PIN} says {' '.join(expected)}.\n"
            "After a change of the pin: put the new values there and into [pex-cli] of pants.toml. Otherwise "
            "restore both from git."
        )


def can_install(uv: str, version: str) -> bool:
    """Whether this uv contains the version; it lists nothing for one that is newer than itself."""
    command = [uv, "python", "list", "--only-downloads", "--all-versions", version]
    try:
        listed = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace"
        )
    except OSError:
        return False
    return f"cpython-{version}-" in listed.stdout


def suitable_uv(cache: Path, platform: str, version: str) -> str:
    """The uv on PATH if it can install this Python, otherwise the pinned one."""
    on_path = shutil.which("uv")
    if on_path and can_install(on_path, version):
        return on_path
    (pinned_version,) = pinned(r"^uv==(\S+)", PYTHONS_PIN)
    folder = cache / f"uv-{pinned_version}-{platform}"
    if not (folder / "uv").exists():
        say(f"downloading uv {pinned_version}, which installs Pythons, into {folder} (17 MB, once)")
        with made_beside(folder) as partial, tempfile.TemporaryDirectory(dir=partial) as scratch:
            pip(Path(sys.executable), cache, "download", f"--dest={scratch}", pin=PYTHONS_PIN)
            (wheel,) = Path(scratch).glob("uv-*.whl")
            with zipfile.ZipFile(wheel) as packed:
                content = packed.read(f"uv-{pinned_version}.data/scripts/uv")
            (partial / "uv").write_bytes(content)
            (partial / "uv").chmod(0o755)
    return str(folder / "uv")


def install_python(cache: Path, platform: str, version: str, lock: TextIO) -> Path:
    """An interpreter in a folder of the cache. It is whole once a link leads to it.

    uv writes the folder's name into what it installs, so it is not made elsewhere and renamed. A uv that
    outlives this process keeps the lock, so nobody else touches the folder.
    """
    folder = cache / f"python-{version}-{platform}"
    try:
        uv = suitable_uv(cache, platform, version)
    except SetupError as error:
        raise NoPythonError(version, str(error)) from error
    say(
        f"no suitable CPython {minor_of(version)} found: installing {version} into {folder} (about 30 MB to "
        "download, once)"
    )
    shutil.rmtree(folder, ignore_errors=True)
    # On a terminal, uv shows how far it is.
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
        raise NoPythonError(version, "  see above" if on_terminal else reason(done.stderr))
    (python,) = folder.glob(f"cpython-{version}-*/bin/python{minor_of(version)}")
    try:
        return executable_of(python)
    except (OSError, subprocess.CalledProcessError) as error:
        raise NoPythonError(version, f"  {python} was installed, but: {error}") from error


def minor_of(version: str) -> str:
    return version.rpartition(".")[0]


def executable_of(python: Path) -> Path:
    """The interpreter itself, where this is a link, a virtual environment's or a pyenv shim.

    Raises:
        OSError, CalledProcessError: it does not start.
    """
    script = "import os, ssl, sys, venv, zlib; print(os.path.realpath(sys.executable))"
    told = subprocess.run(
        [str(python), "-I", "-c", script], check=True, stdout=subprocess.PIPE, text=True
    )
    return Path(told.stdout.rstrip("\n"))


def link(name: Path, target: Path) -> None:
    partial = name.with_name(f"{name.name}.partial")
    partial.unlink(missing_ok=True)
    partial.symlink_to(target)
    partial.replace(name)


def choose_pythons(folder: Path, search: str, asked: List[str]) -> None:
    """Link the interpreters that were found, and those that are installed where none was.

    The file `chosen` has the versions that were asked for, and on its second line what Pants needs as
    `[python-bootstrap].search_path`; .pants.bootstrap reads it.
    """
    cache, platform = folder.parent, folder.name[len("bin-") :]
    found: Dict[str, str] = dict(one.split("=", 1) for one in asked)  # type: ignore[misc]
    cache.mkdir(parents=True, exist_ok=True)
    with alone(cache) as lock:
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
    with alone(folder.parent):
        # The call we waited for may have made it.
        if all((folder / name).exists() for name in NEEDS[kind]):
            return
        with made_beside(folder) as partial:
            {"pants": make_pants, "pex-cli": make_pex_cli}[kind](partial, folder)


def main(kind: str, folder: str, *rest: str) -> int:
    # As for Ctrl-C: clean up, then go.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        if kind == "pythons":
            choose_pythons(Path(folder), rest[0], list(rest[1:]))
        else:
            set_up(kind, Path(folder))
    except NoPythonError as error:
        # first_call.bash says the rest.
        print(*error.args, sep="\n")
        return 1
    except SetupError as error:
        say(str(error))
        return 1
    except OSError as error:
        say(f"cannot set up {folder}: {error}. Another place can be given in PANTS_SETUP_CACHE.")
        return 1
    except KeyboardInterrupt:
        say("stopped; nothing was kept.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
