"""Build the base image of all images from Debian's packages: CPython 3.13, and no shell.

Examples:
  ./pants run docker/base:debian
  ./pants run docker/base:debian -- --tag registry.example/base:debian
  ./pants run docker/base:debian -- --output rootfs.tar --no-image
  ./pants run docker/base:debian -- --update-lock

Each package must match docker/base/debian.lock, or the build fails. Packages come from
snapshot.debian.org if it can be reached. Other mirrors remove a version when the next one is
released. Then either update the lock (--update-lock) or build an image that differs from the lock
(--allow-newer). The root file system is reproducible: the same packages give the same bytes.

Needs Linux with mmdebstrap, as root or with user namespaces, and a Docker engine for the image.
Exit codes: 0 on success, 1 if something failed or differs from the lock, 2 for an invalid option or
lock.
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
from data_access_layer.atomic import stage_path

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
    """Read the options; argparse exits with 2 if one is invalid."""
    summary, _, rest = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        prog="./pants run docker/base:debian --",
        description=summary,
        epilog=rest,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--tag", default=TAG, help="the image's name (default: %(default)s)")
    add("--output", type=Path, metavar="TAR", help="write the root file system to a tar file")
    add("--no-image", dest="image", action="store_false", help="do not build the image")
    add("--lock", type=Path, default=LOCK, help="the pin file (default: %(default)s)")
    add("--mirror", metavar="URL", help="download packages from this mirror")
    add("--update-lock", action="store_true", help="pin the mirror's current packages, and build")
    add("--allow-newer", action="store_true", help="build even if packages differ from the lock")
    options = Options(**vars(parser.parse_args(argv)))
    if not options.image and not options.output and not options.update_lock:
        parser.error("--no-image needs --output or --update-lock")
    return options


def build(options: Options) -> None:
    """Fetch the packages, compare them with the lock, and write what the options request.

    Raises:
        UserError: A tool is missing, a server or disk failed, or a package differs from the lock.
    """
    check_machine()
    if options.image:
        check_engine()
    lock = create_lock() if options.update_lock else read_lock(options.lock)
    source = choose_source(options.mirror, None if options.update_lock else lock)
    with tempfile.TemporaryDirectory(prefix="debian-base-") as name:
        folder = Path(name)
        # Without root, mmdebstrap unpacks as another user.
        folder.chmod(0o755)
        print_progress(f"packages from {source.url('debian')}")
        fetched = fetch(source, folder, seconds=lock.seconds)
        if options.update_lock:
            lock = replace(lock, packages=fetched.packages)
            write_lock(lock, options.lock)
        check_packages(lock, fetched.packages, options)
        print_progress(f"{len(fetched.packages)} packages fetched and checked")
        write_outputs(fetched, lock, folder, options)


def write_outputs(fetched: Fetched, lock: Lock, folder: Path, options: Options) -> None:
    """Write the root file system to --output, and build the image."""
    # A separate folder, because the whole build context is sent to the engine.
    context = folder / "context"
    context.mkdir()
    tar = context / "rootfs.tar"
    entries = rootfs.compose(fetched.unpacked, fetched.files)
    with stage_path(tar, option="TMPDIR") as staging, staging.open("wb") as out:
        rootfs.write(entries, out, seconds=lock.seconds)
    with tar.open("rb") as written:
        digest = hashlib.file_digest(written, "sha256").hexdigest()
    print_progress(f"root file system {tar.stat().st_size / 1e6:.1f} MB, sha256 {digest}")
    if options.output:
        with stage_path(options.output) as staging:
            shutil.copyfile(tar, staging)
    if options.image:
        build_image(context, options.tag)


def check_packages(lock: Lock, found: Sequence[Package], options: Options) -> None:
    """Compare the fetched packages with the lock.

    Raises:
        UserError: They differ, and --allow-newer is not set or does not cover the difference.
    """
    changes = lock.changes(found)
    if not changes:
        return
    listed = "\n".join(f"  {change}" for change in changes)
    if any(change.is_same_version for change in changes):
        raise UserError(
            f"{options.lock}: these packages have a locked version, but different content:\n"
            f"{listed}\nDebian never changes a released version. Find out why before you use this "
            "mirror, or use another one: --mirror URL."
        )
    if not options.allow_newer:
        raise UserError(
            f"{options.lock}: the mirror's packages differ from the lock:\n{listed}\n"
            f"Update the lock: {UPDATE}\nor use them for this image only: --allow-newer"
        )
    print(
        f"WARNING: --allow-newer: this image differs from {options.lock}:\n{listed}\n"
        f"Update the lock: {UPDATE}",
        file=sys.stderr,
    )


def create_lock() -> Lock:
    """A lock with the current time, and no packages yet."""
    return Lock(datetime.now(UTC).replace(microsecond=0), this_architecture(), ())


def read_lock(path: Path) -> Lock:
    """Read the pin file, for this machine.

    Raises:
        InputError: It is missing, invalid, or for another architecture.
    """
    try:
        lock = parse(path.read_text(), origin=str(path))
    except FileNotFoundError as error:
        raise InputError(
            f"{path} does not exist. Run this in the repository's root, or create it: {UPDATE}"
        ) from error
    if lock.architecture != this_architecture():
        raise InputError(
            f"{path} is for {lock.architecture}, but this machine is {this_architecture()}. Create "
            f"a separate lock: --lock debian-{this_architecture()}.lock --update-lock."
        )
    return lock


def write_lock(lock: Lock, path: Path) -> None:
    """Replace the pin file."""
    with stage_path(path, option="--lock") as staging:
        staging.write_text(render(lock))
    print_progress(f"{path}: {len(lock.packages)} packages as of {lock.snapshot}")


def check_engine() -> None:
    """Check that a Docker engine is running.

    Raises:
        UserError: The docker client is not installed, or no engine answers.
    """
    if not shutil.which("docker"):
        raise UserError(
            "docker is not installed, but it builds the image. Install it (apt-get install "
            "docker.io), or write only the root file system: --output rootfs.tar --no-image"
        )
    asked = subprocess.run(["docker", "version"], capture_output=True, text=True)
    if asked.returncode:
        raise UserError(
            f"No Docker engine is running: {_last_line(asked.stderr)}\nStart one (systemctl start "
            "docker), or set the address of another: DOCKER_HOST=unix:///run/docker.sock"
        )


def build_image(context: Path, tag: str) -> None:
    """Build the image from the root file system in a folder.

    Raises:
        UserError: The build failed.
    """
    dockerfile = context / DOCKERFILE
    dockerfile.write_bytes(files("base").joinpath(DOCKERFILE).read_bytes())
    command = ["docker", "build", "--quiet", "--network=none", "--tag", tag]
    command += ["--file", str(dockerfile), str(context)]
    built = subprocess.run(command, capture_output=True, text=True)
    if built.returncode:
        raise UserError(f"docker could not build {tag}: {_last_line(built.stderr)}")
    print_progress(f"image {tag} {built.stdout.strip()}")


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no output"])[-1]


def print_progress(message: str) -> None:
    """Print a message with the time since the start."""
    print(f"{time.monotonic() - STARTED:5.1f} s  {message}", flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line, and return the exit code."""
    try:
        build(parse_command_line(sys.argv[1:] if argv is None else argv))
    except UserError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("\nInterrupted. The earlier output is unchanged.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
