"""What the launcher does once per machine: `first_call.py pants FOLDER` or `first_call.py pex-cli FOLDER`.

Standard library only, CPython 3.8 or newer: it runs before anything is installed. FOLDER appears
whole or not at all, whatever kills this process, and pip's own settings say where packages come from.
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
import venv
import zipfile
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from typing import Iterator

HERE = Path(__file__).resolve().parent
PANTS_LOCK = HERE / "pants.txt"
PEX_PIN = HERE / "pex.txt"

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
# Pants 2.17 can name no pip after 23.1.2, which knows neither CPython 3.13 nor the resolver that Pex needs.
# Any change here changes the file's sha256 in pex.txt and in pants.toml.
PEX_MAIN = """\
import os
import shutil
import sys
import tempfile
import zipfile
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
script = {"pex": "pex.bin.pex", "pex3": "pex.cli.pex"}[os.environ.pop("PEX_SCRIPT", "pex")]
sys.exit(import_module(script).main())
"""


class SetupError(Exception):
    """A message for people; says what to do next."""


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
def alone(cache: Path) -> Iterator[None]:
    """One process at a time; the system lets go of the lock when its holder dies, however it dies."""
    with open(cache / ".lock", "a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another call is setting things up; waiting for it …")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


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
    errors = [number for number, line in enumerate(lines) if line.startswith("ERROR:")]
    told = (
        takewhile(lambda line: "Traceback" not in line, lines[errors[0] :])
        if errors
        else lines[-1:]
    )
    return "\n".join("  " + line for line in list(told)[:8])


def pip(python: Path, *args: str) -> None:
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
        [str(python), "-I", "-m", "pip", args[0], *volume, *options, *args[1:]],
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env=environment,
    )
    if done.returncode:
        raise SetupError(
            f"pip could not get what is pinned in {args[-1]}:\n{reason(done.stderr)}\n"
            "Nothing was kept. If pip's index is out of reach: check the network, or pip's own settings for a "
            "mirror or a proxy (PIP_INDEX_URL, PIP_CERT, PIP_PROXY, pip.conf)."
        )


def make_venv(folder: Path) -> Path:
    try:
        venv.EnvBuilder(symlinks=True, with_pip=True).create(folder)
    except subprocess.CalledProcessError as error:
        said = (error.output or b"").decode(errors="replace")
        raise SetupError(
            f"{sys.executable} could not make a virtual environment:\n{reason(said)}"
        ) from error
    return folder / "bin" / "python"


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
    python = make_venv(partial)
    pip(python, "install", "--no-warn-script-location", "--requirement", str(PANTS_LOCK))
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


def python_with_pip(scratch: Path) -> Path:
    """Debian's python3 comes without pip."""
    return Path(sys.executable) if importlib.util.find_spec("pip") else make_venv(scratch / "venv")


def zip_of_wheel(wheel: Path, main: str, out: Path) -> None:
    """The same bytes on every Python and system: sorted, stored, undated."""
    with zipfile.ZipFile(wheel) as packed:
        files = {name: packed.read(name) for name in packed.namelist()}
    files["__main__.py"] = main.encode()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as zipped:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.create_system = 3
            entry.external_attr = 0o100644 << 16
            zipped.writestr(entry, files[name])


def make_pex_cli(partial: Path, final: Path) -> None:
    version, wheel_sha = pinned(r"^pex==(\S+)\s+\\\s+--hash=sha256:(\w+)", PEX_PIN)
    (pip_version,) = pinned(r"^# pip: (\S+)$", PEX_PIN)
    expected = pinned(r"^# built: (\w+) (\d+)$", PEX_PIN)
    say(f"building the PEX CLI {version} from its wheel into {final} (a few seconds, once)")
    with tempfile.TemporaryDirectory(dir=partial) as scratch:
        # One wheel for all: there is another for 3.12 and newer, without what Pants' own 3.9 needs.
        pip(
            python_with_pip(Path(scratch)),
            *(
                "download",
                "--python-version=3.9",
                f"--dest={scratch}",
                "--requirement",
                str(PEX_PIN),
            ),
        )
        (wheel,) = Path(scratch).glob("*.whl")
        main = PEX_MAIN.replace("@KEY@", f"{version}-{wheel_sha[:16]}").replace(
            "@PIP@", pip_version
        )
        zip_of_wheel(wheel, main, partial / "pex")
    built = (partial / "pex").read_bytes()
    found = (hashlib.sha256(built).hexdigest(), str(len(built)))
    if found != expected:
        raise SetupError(
            f"the PEX CLI came out as {' '.join(found)}, but {PEX_PIN} says {' '.join(expected)}.\n"
            "After a change of the pin: put the new values there and into [pex-cli] of pants.toml. Otherwise "
            "restore both from git."
        )


def set_up(kind: str, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with alone(folder.parent):
        # The call we waited for may have made it.
        if all((folder / name).exists() for name in NEEDS[kind]):
            return
        with made_beside(folder) as partial:
            {"pants": make_pants, "pex-cli": make_pex_cli}[kind](partial, folder)


def main(kind: str, folder: str) -> int:
    # As for Ctrl-C: clean up, then go.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        set_up(kind, Path(folder))
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
