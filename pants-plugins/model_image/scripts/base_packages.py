"""List a base image's Debian packages as JSON: name, version, architecture and distribution.

Reads dpkg's files in the image, without running the image. If there are none, the list is empty.
"""

from __future__ import annotations

import argparse
import io
import json
import shlex
import sys
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from operator import itemgetter
from pathlib import PurePosixPath

from debian.deb822 import Deb822

from model_image.scripts.docker_client import DockerError, docker

# dpkg's list is one file. Images that were built without dpkg have a file for each package.
DPKG = "/var/lib/dpkg"
STATUS, STATUS_FOLDER = "status", "status.d"
INSTALLED = "install ok installed"
OS_RELEASE = "/usr/lib/os-release"
NOT_THERE = ("could not find the file", "no such container:path")


@contextmanager
def temporary_container(program: str, image: str) -> Iterator[str]:
    # `docker create` requires a command, which is never run.
    container = docker(program, "create", image, "nothing").decode().strip()
    try:
        yield container
    finally:
        docker(program, "rm", container)


def read_files(program: str, container: str, path: str) -> Iterator[tuple[PurePosixPath, bytes]]:
    """Read the files at a path in a container; their names start with the path's last part."""
    try:
        archive = docker(program, "cp", f"{container}:{path}", "-")
    except DockerError as error:
        if any(part in str(error).lower() for part in NOT_THERE):
            return
        raise
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in filter(tarfile.TarInfo.isfile, tar):
            file = tar.extractfile(member)
            assert file is not None
            yield PurePosixPath(member.name), file.read()


def is_status(path: PurePosixPath) -> bool:
    in_folder = path.parent.name == STATUS_FOLDER and path.suffix != ".md5sums"
    return in_folder or path.parts[1:] == (STATUS,)


def distribution(os_release: Iterable[bytes]) -> str:
    """The distribution as in a package's URL, such as debian-13."""
    lines = (line for text in os_release for line in text.decode().splitlines())
    values = dict(word.split("=", 1) for line in lines for word in shlex.split(line, comments=True))
    return "-".join(part for part in (values.get("ID"), values.get("VERSION_ID")) if part)


def packages(files: Iterable[bytes], distro: str) -> list[dict[str, str]]:
    """The installed packages, sorted by name."""
    found = [
        {
            "name": paragraph["Package"],
            "version": paragraph["Version"],
            "architecture": paragraph["Architecture"],
            "distribution": distro,
        }
        for file in files
        for paragraph in Deb822.iter_paragraphs(file, use_apt_pkg=False)
        if paragraph.get("Status", INSTALLED) == INSTALLED
    ]
    return sorted(found, key=itemgetter("name", "architecture"))


def main() -> None:
    """Print the list."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--docker", required=True, help="the docker program")
    parser.add_argument("image")
    options = parser.parse_args()
    try:
        with temporary_container(options.docker, options.image) as container:
            files = dict(read_files(options.docker, container, DPKG))
            os_release = dict(read_files(options.docker, container, OS_RELEASE))
    except DockerError as error:
        sys.exit(str(error))
    status = (text for path, text in files.items() if is_status(path))
    print(json.dumps(packages(status, distribution(os_release.values())), indent=2))


if __name__ == "__main__":
    main()
