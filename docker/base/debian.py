"""Build the base image of all images from Debian's packages: CPython 3.13, and no shell.

Examples:
  ./pants run docker/base:debian
  ./pants run docker/base:debian -- --tag registry.example/base:debian
  ./pants run docker/base:debian -- --output rootfs.tar --no-image
  ./pants run docker/base:debian -- --update-lock

Each package is as docker/base/debian.lock says, or the build is refused. It comes from
snapshot.debian.org where that can be reached; an ordinary mirror drops a version when the next one
comes, so that after a while either the lock is renewed (--update-lock) or the image is not what the
lock says (--allow-newer). The same packages give the same root file system, byte for byte.

Needs Linux with mmdebstrap, as root or with user namespaces, and a Docker engine for the image.
Exits with 0 when done, 1 where something failed or differs from the lock, 2 where an option or the
lock is wrong.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

from base import rootfs
from base.lock import UPDATE, Lock, Package, parse, render
from base.packages import (
    Fetched,
    check_machine,
    choose_source,
    fetch,
    this_architecture,
)
from cli.errors import InputError, UserError
from data_access_layer.atomic import staged

LOCK = Path("docker/base/debian.lock")
DOCKERFILE = "debian.Dockerfile"
TAG = "datascience-base:debian"
STARTED = time.monotonic()


@dataclass(frozen=True)
class Options:
    """The command line."""

    tag: str
    image: bool
    output: Path | None
    lock: Path
    mirror: str | None
    update_lock: bool
    allow_newer: bool


def parse_command_line(argv: Sequence[str]) -> Options:
    """Read the options; argparse exits with 2 where one is wrong."""
    summary, _, rest = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        prog="./pants run docker/base:debian --",
        description=summary,
        epilog=rest,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--tag", default=TAG, help="the image's name (default: %(default)s)")
    add("--output", type=Path, metavar="TAR", help="keep the root file system as this tar file")
    add("--no-image", dest="image", action="store_false", help="stop before the image")
    add("--lock", type=Path, default=LOCK, help="the pin file (default: %(default)s)")
    add("--mirror", metavar="URL", help="take the packages from here, and from no snapshot")
    add("--update-lock", action="store_true", help="pin what the mirror has today, and build it")
    add("--allow-newer", action="store_true", help="build what the mirror has, locked or not")
    options = Options(**vars(parser.parse_args(argv)))
    if not options.image and not options.output and not options.update_lock:
        parser.error("--no-image leaves nothing to make: add --output or --update-lock")
    return options


def build(options: Options) -> None:
    """Fetch, compare with the lock, compose, and hand over to the engine.

    Raises:
        UserError: something is missing, does not answer, is full, or differs from the lock.
    """
    check_machine()
    if options.image:
        check_engine()
    lock = new_lock() if options.update_lock else read_lock(options.lock)
    source = choose_source(options.mirror, None if options.update_lock else lock)
    with tempfile.TemporaryDirectory(prefix="debian-base-") as name:
        folder = Path(name)
        # mmdebstrap unpacks as another user where it is not run by root.
        folder.chmod(0o755)
        say(f"packages from {source.url('debian')}")
        fetched = fetch(source, folder, seconds=lock.seconds)
        if options.update_lock:
            lock = replace(lock, packages=fetched.packages)
            write_lock(lock, options.lock)
        check_packages(lock, fetched.packages, options)
        say(f"{len(fetched.packages)} packages fetched and checked")
        make(fetched, lock, folder, options)


def make(fetched: Fetched, lock: Lock, folder: Path, options: Options) -> None:
    """Write the root file system, keep it where it was asked for, and build the image."""
    # The engine's context is a folder of its own, so that nothing beside it is sent.
    context = folder / "context"
    context.mkdir()
    tar = context / "rootfs.tar"
    entries = rootfs.compose(fetched.unpacked, fetched.files)
    with staged(tar, option="TMPDIR") as staging, staging.open("wb") as out:
        rootfs.write(entries, out, seconds=lock.seconds)
    with tar.open("rb") as written:
        digest = hashlib.file_digest(written, "sha256").hexdigest()
    say(f"root file system {tar.stat().st_size / 1e6:.1f} MB, sha256 {digest}")
    if options.output:
        with staged(options.output) as staging:
            shutil.copyfile(tar, staging)
    if options.image:
        build_image(context, options.tag)


def check_packages(lock: Lock, found: Sequence[Package], options: Options) -> None:
    """Hold what was fetched against the lock.

    Raises:
        UserError: it differs, and that was not allowed.
    """
    changes = lock.changes(found)
    if not changes:
        return
    listed = "\n".join(f"  {change}" for change in changes)
    if any(change.is_same_version for change in changes):
        raise UserError(
            f"{options.lock}: other bytes under a locked version, which Debian never does:\n"
            f"{listed}\nFind out why before you build from it; another mirror: --mirror URL."
        )
    if not options.allow_newer:
        raise UserError(
            f"{options.lock}: the mirror has other packages than the lock:\n{listed}\n"
            f"Take them for good: {UPDATE}\nor for this image only: --allow-newer"
        )
    print(
        f"WARNING: --allow-newer: this image is not what {options.lock} says:\n{listed}\n"
        f"Renew the lock: {UPDATE}",
        file=sys.stderr,
    )


def new_lock() -> Lock:
    """A lock of this moment, still without packages."""
    return Lock(datetime.now(UTC).replace(microsecond=0), this_architecture(), ())


def read_lock(path: Path) -> Lock:
    """Read the pin file, for this machine.

    Raises:
        InputError: it is not there, not readable, or another architecture's.
    """
    try:
        lock = parse(path.read_text(), origin=str(path))
    except FileNotFoundError as error:
        raise InputError(
            f"{path}: not there. Call this in the repository's root, or write it: {UPDATE}"
        ) from error
    if lock.architecture != this_architecture():
        raise InputError(
            f"{path} is for {lock.architecture} and this machine is {this_architecture()}: keep a "
            f"lock of its own with --lock debian-{this_architecture()}.lock --update-lock."
        )
    return lock


def write_lock(lock: Lock, path: Path) -> None:
    """Replace the pin file."""
    with staged(path, option="--lock") as staging:
        staging.write_text(render(lock))
    say(f"{path}: {len(lock.packages)} packages as of {lock.snapshot}")


def check_engine() -> None:
    """Ask the engine whether it is there.

    Raises:
        UserError: there is no client, or no engine answers it.
    """
    if not shutil.which("docker"):
        raise UserError(
            "docker is not installed, and the image is built with it: apt-get install docker.io, "
            "or keep the root file system only: --output rootfs.tar --no-image"
        )
    asked = subprocess.run(["docker", "version"], capture_output=True, text=True)
    if asked.returncode:
        raise UserError(
            f"No Docker engine answers: {_last_line(asked.stderr)}\nStart one (systemctl start "
            "docker), or name one that runs: DOCKER_HOST=unix:///run/docker.sock"
        )


def build_image(context: Path, tag: str) -> None:
    """Build the image of the root file system in a folder.

    Raises:
        UserError: the engine refused.
    """
    dockerfile = context / DOCKERFILE
    dockerfile.write_bytes(files("base").joinpath(DOCKERFILE).read_bytes())
    command = ["docker", "build", "--quiet", "--network=none", "--tag", tag]
    command += ["--file", str(dockerfile), str(context)]
    built = subprocess.run(command, capture_output=True, text=True)
    if built.returncode:
        raise UserError(f"docker could not build {tag}: {_last_line(built.stderr)}")
    say(f"image {tag} {built.stdout.strip()}")


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it said nothing"])[-1]


def say(message: str) -> None:
    """One line about what happens."""
    print(f"{time.monotonic() - STARTED:5.1f} s  {message}", flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code."""
    try:
        build(parse_command_line(sys.argv[1:] if argv is None else argv))
    except UserError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("\nInterrupted; the earlier output is untouched.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
