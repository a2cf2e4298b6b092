"""Prints the digest of what a registry has under a tag or a digest; nothing where it has none.

Writes nothing anywhere, and makes no repository.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from model_image.publishing.engine import Engine, is_insecure
from model_image.publishing.logins import logged_in
from model_image.publishing.place import ECR, Place, PublishError
from model_image.publishing.registry import Registry

# Where there is no engine to ask: this machine's own, as every engine has it.
OWN_MACHINE = {"InsecureRegistryCIDRs": ["127.0.0.0/8", "::1/128"]}


def insecure(docker: str, place: Place) -> bool:
    try:
        return Engine(docker, place).is_insecure()
    except PublishError:
        return is_insecure(place.host, OWN_MACHINE)


@contextmanager
def credentials(place: Place) -> Iterator[None]:
    """Docker as the caller has it; for Amazon's registry, logged in for as long as this lasts."""
    if not ECR.fullmatch(place.host):
        yield
        return
    # Only who asks Amazon waits for boto3.
    from model_image.publishing.ecr import Ecr

    with logged_in(place, *Ecr(place).login()):
        yield


def main(argv: Sequence[str] | None = None) -> int:
    """Look, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    docker = shutil.which("docker") or "docker"
    parser.add_argument("--docker", default=docker, help="the docker program")
    parser.add_argument("place", type=Place.parse, help="REGISTRY/REPOSITORY")
    parser.add_argument("tag", help="a tag, or a digest")
    options = parser.parse_args(argv)
    try:
        with credentials(options.place):
            registry = Registry(options.place, insecure=insecure(options.docker, options.place))
            manifest = registry.find(options.tag)
    except PublishError as error:
        print(error, file=sys.stderr)
        return 1
    if manifest:
        print(manifest.digest)
    return 0


if __name__ == "__main__":
    sys.exit(main())
