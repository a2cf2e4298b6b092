"""Print the digest of a tag (or digest) in a registry; print nothing if it does not exist.

Changes nothing, and creates no repository.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from model_image.publishing.engine import Engine, is_insecure
from model_image.publishing.logins import temporary_login
from model_image.publishing.place import ECR, Place, PublishError
from model_image.publishing.registry import Registry

# Used without an engine: the registries of this machine, which every engine treats as insecure.
OWN_MACHINE = {"InsecureRegistryCIDRs": ["127.0.0.0/8", "::1/128"]}


def is_insecure_place(docker: str, place: Place) -> bool:
    try:
        return Engine(docker, place).is_insecure()
    except PublishError:
        return is_insecure(place.host, OWN_MACHINE)


@contextmanager
def credentials(place: Place) -> Iterator[None]:
    """Use the caller's logins, except for Amazon's registry, which gets a temporary login."""
    if not ECR.fullmatch(place.host):
        yield
        return
    # Importing boto3 is slow, and only Amazon's registry needs it.
    from model_image.publishing.ecr import Ecr

    with temporary_login(place, *Ecr(place).login()):
        yield


def main(argv: Sequence[str] | None = None) -> int:
    """Print the digest, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    docker = shutil.which("docker") or "docker"
    parser.add_argument("--docker", default=docker, help="the docker program")
    parser.add_argument("place", type=Place.parse, help="REGISTRY/REPOSITORY")
    parser.add_argument("tag", help="a tag, or a digest")
    options = parser.parse_args(argv)
    try:
        with credentials(options.place):
            insecure = is_insecure_place(options.docker, options.place)
            registry = Registry(options.place, insecure=insecure)
            manifest = registry.find(options.tag)
    except PublishError as error:
        print(error, file=sys.stderr)
        return 1
    if manifest:
        print(manifest.digest)
    return 0


if __name__ == "__main__":
    sys.exit(main())
