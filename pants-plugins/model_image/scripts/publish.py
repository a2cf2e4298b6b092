"""Push an image to a registry, unless the registry already has the same content.

If the registry has the content tag, the other tags are set on its manifest. So a commit that does
not change the image gets the same digest as the commit before.
"""

from __future__ import annotations

import argparse
import re
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NoReturn

from model_image.publishing.engine import Engine
from model_image.publishing.logins import temporary_login
from model_image.publishing.place import ECR, Place, PublishError
from model_image.publishing.registry import Manifest, Registry

# A git commit, by SHA-1 or SHA-256.
COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


def publish(engine: Engine, image: str, content: str, tags: Sequence[str]) -> None:
    """Push the content if the registry lacks it, then set each tag.

    Raises:
        PublishError: The push failed, or a commit's tag already names another image.
    """
    place = engine.place
    registry = Registry(place, insecure=engine.is_insecure())
    manifest = registry.find(content)
    before = {tag: registry.find(tag) for tag in tags}
    if manifest:
        refuse_moves(place, before, manifest.digest)
        report("already there", place, content, manifest)
    else:
        others = {tag: there for tag, there in before.items() if there and not there.is_of(image)}
        refuse_moves(place, others, image)
        manifest = push_content(engine, registry, image, content)
        refuse_moves(place, before, manifest.digest)
        report("pushed", place, content, manifest)
    for tag, there in before.items():
        report(set_tag(registry, tag, there, manifest), place, tag, manifest)


def refuse_moves(place: Place, before: Mapping[str, Manifest | None], becomes: str) -> None:
    """Raise if a commit's tag would move to `becomes`, which is a digest or an image's ID."""
    for tag, there in before.items():
        if there and there.digest != becomes and COMMIT.fullmatch(tag):
            raise PublishError(
                f"{place.ref(tag)} already names {there.digest} and would move to {becomes}. A "
                "commit's tag must not change. Commit your change and publish that commit, or "
                "delete a wrong tag in the registry. No tag was set."
            )


def push_content(engine: Engine, registry: Registry, image: str, content: str) -> Manifest:
    engine.push(image, content)
    manifest = registry.find(content)
    if manifest is None:
        ref = engine.place.ref(content)
        raise PublishError(
            f"{ref} was pushed, but the registry does not have it. Check whether the engine uses "
            "another registry than this program, through a proxy or a mirror: run `docker info`."
        )
    return manifest


def set_tag(registry: Registry, tag: str, there: Manifest | None, manifest: Manifest) -> str:
    """Set a tag to the manifest, and return what was done."""
    if there and there.digest == manifest.digest:
        return "already there"
    registry.put(tag, manifest)
    return "moved" if there else "tagged"


def report(done: str, place: Place, tag: str, manifest: Manifest) -> None:
    print(f"{done:<14} {place.ref(tag)} {manifest.digest}", flush=True)


@contextmanager
def credentials(place: Place) -> Iterator[None]:
    """Use the caller's logins, except for Amazon's registry, which gets a temporary login."""
    if not ECR.fullmatch(place.host):
        yield
        return
    # Importing boto3 is slow, and only Amazon's registry needs it.
    from model_image.publishing.ecr import Ecr

    ecr = Ecr(place)
    ecr.ensure_repository()
    with temporary_login(place, *ecr.login()):
        yield


def _leave(number: int, frame: object) -> NoReturn:
    """Exit by an exception, which removes the temporary credentials."""
    # A second signal must not interrupt that.
    signal.signal(number, signal.SIG_IGN)
    raise SystemExit(128 + number)


def main(argv: Sequence[str] | None = None) -> int:
    """Publish, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    docker = shutil.which("docker") or "docker"
    parser.add_argument("--docker", default=docker, help="the docker program")
    parser.add_argument("--image", required=True, help="the image's ID")
    parser.add_argument("--content-tag", required=True)
    parser.add_argument("--tag", action="append", default=[])
    parser.add_argument("place", type=Place.parse, help="REGISTRY/REPOSITORY")
    options = parser.parse_args(argv)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    tags = [tag for tag in dict.fromkeys(options.tag) if tag != options.content_tag]
    try:
        with credentials(options.place):
            engine = Engine(options.docker, options.place)
            publish(engine, options.image, options.content_tag, tags)
    except PublishError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        # For example, this machine's disk is full.
        print(options.place.error("publish", str(error)), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
