"""Fetch Debian's packages with mmdebstrap, which checks their signatures."""

from __future__ import annotations

import hashlib
import io
import os
import platform
import shutil
import subprocess
import tarfile
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from base.lock import Lock, Package
from base.rootfs import PackageFiles
from cli.errors import UserError

# What a program on CPython with wheels from PyPI needs. apt adds dependencies, and rootfs.KEPT
# removes those that are only needed to install packages.
INCLUDED = (
    "base-files",
    "ca-certificates",
    "libgcc-s1",
    "libpython3.13-stdlib",
    "libstdc++6",
    "netbase",
    "python3.13-minimal",
    "tzdata",
)
MIRROR = "http://deb.debian.org"
SNAPSHOT = "http://snapshot.debian.org/archive"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
SUITES = (
    ("debian", "trixie"),
    ("debian", "trixie-updates"),
    ("debian-security", "trixie-security"),
)
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
SECONDS_FOR_A_MIRROR = 20
SECONDS_FOR_A_SNAPSHOT = 3

# Use the image's own Python to compile, so the files do not depend on this machine's Python. They
# have no timestamp of their source, because checking it would slow down each import.
COMPILE = (
    'chroot "$1" /usr/bin/python3.13 -S -m compileall -q -j1 '
    "--invalidation-mode unchecked-hash -x '/(test|pydoc_data)/' /usr/lib/python3.13"
)


@dataclass(frozen=True)
class Source:
    """Where packages come from: a mirror, or a snapshot with its timestamp."""

    root: str
    timestamp: str | None = None

    def url(self, archive: str) -> str:
        """The address of an archive, `debian` or `debian-security`."""
        return "/".join(part for part in (self.root, archive, self.timestamp) if part)

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines of a sources.list."""
        # The index of a snapshot has expired.
        old = " check-valid-until=no" if self.timestamp else ""
        return tuple(
            f"deb [signed-by={KEYRING}{old}] {self.url(archive)} {suite} main"
            for archive, suite in SUITES
        )

    def problem(self, seconds: float) -> str | None:
        """Why it cannot be read, or None."""
        index = f"{self.url(SUITES[0][0])}/dists/{SUITES[0][1]}/InRelease"
        request = urllib.request.Request(index, method="HEAD")
        try:
            urllib.request.urlopen(request, timeout=seconds).close()
        except (OSError, ValueError) as error:
            return str(getattr(error, "reason", error))
        return None


@dataclass(frozen=True)
class Fetched:
    """One tar file with all unpacked packages, and the metadata of each .deb."""

    unpacked: Path
    packages: tuple[Package, ...]
    files: tuple[PackageFiles, ...]


def check_machine() -> None:
    """Check that this machine has the tools to fetch packages.

    Raises:
        UserError: mmdebstrap or Debian's keys are missing.
    """
    if not shutil.which("mmdebstrap"):
        where = "" if shutil.which("apt-get") else " (on Debian and its derivatives)"
        raise UserError(
            f"mmdebstrap is not installed, but it fetches the packages. Install it{where}: "
            "apt-get install mmdebstrap"
        )
    if not KEYRING.exists():
        raise UserError(
            f"{KEYRING} does not exist, but packages are verified with it. Install it: "
            "apt-get install debian-archive-keyring"
        )


def this_architecture() -> str:
    """Debian's name for this machine's architecture."""
    return ARCHITECTURES.get(platform.machine(), platform.machine())


def choose_source(mirror: str | None, lock: Lock | None) -> Source:
    """Choose the given mirror, else the lock's snapshot, else Debian's mirror.

    Raises:
        UserError: The chosen mirror cannot be read.
    """
    if mirror is None and lock is not None:
        snapshot = Source(SNAPSHOT, lock.snapshot)
        if snapshot.problem(SECONDS_FOR_A_SNAPSHOT) is None:
            return snapshot
    source = Source((mirror or MIRROR).rstrip("/"))
    if problem := source.problem(SECONDS_FOR_A_MIRROR):
        raise UserError(
            f"{source.url('debian')} cannot be read: {problem}. Use another mirror: --mirror URL, "
            "where URL is the folder with `debian` and `debian-security`."
        )
    return source


def fetch(source: Source, folder: Path, *, seconds: int) -> Fetched:
    """Download and unpack the packages into an empty folder.

    Raises:
        UserError: mmdebstrap failed.
    """
    debs, unpacked = folder / "debs", folder / "unpacked.tar"
    debs.mkdir()
    command = ["mmdebstrap", "--variant=extract", f"--include={','.join(INCLUDED)}"]
    command += [f"--extract-hook=sync-out /var/cache/apt/archives {debs}"]
    command += [f"--extract-hook={COMPILE}", "trixie", str(unpacked), *source.lines]
    # mmdebstrap unpacks below TMPDIR. This Python's settings must not affect the image's Python.
    environment = {name: value for name, value in os.environ.items() if name[:6] != "PYTHON"}
    environment |= {"SOURCE_DATE_EPOCH": str(seconds), "TMPDIR": str(folder), "PYTHONHASHSEED": "0"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise UserError(_explain_failure(done.stderr, folder))
    found = [(_package(deb), _files(deb)) for deb in sorted(debs.glob("*.deb"))]
    return Fetched(unpacked, tuple(one for one, _ in found), tuple(files for _, files in found))


def _explain_failure(log: str, folder: Path) -> str:
    if "No space left on device" in log or "enough free space" in log:
        return f"{folder}: not enough space to unpack the packages. Free some space, or set TMPDIR."
    if "unable to pick chroot mode" in log:
        return "mmdebstrap needs root or user namespaces, and this user has neither. Use sudo."
    last = [line for line in log.splitlines() if line.strip()][-8:]
    return "mmdebstrap failed; its last lines:\n  " + "\n  ".join(last)


def _package(deb: Path) -> Package:
    fields = _control(deb)
    digest = hashlib.sha256(deb.read_bytes()).hexdigest()
    return Package(fields["Package"], fields["Version"], digest)


def _control(deb: Path) -> Mapping[str, str]:
    stanza = subprocess.check_output(["dpkg-deb", "--field", deb, "Package", "Version"], text=True)
    return dict(line.split(": ", 1) for line in stanza.splitlines())


def _files(deb: Path) -> PackageFiles:
    control = subprocess.check_output(["dpkg-deb", "--field", deb])
    listing = subprocess.check_output(["dpkg-deb", "--fsys-tarfile", deb])
    with tarfile.open(fileobj=io.BytesIO(listing)) as tar:
        paths = frozenset(member.name.removeprefix("./") for member in tar if not member.isdir())
    return PackageFiles(_control(deb)["Package"], control, paths)
