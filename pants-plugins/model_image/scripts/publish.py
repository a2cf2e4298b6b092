"""Pushes an image to a registry by its content: what is there is not pushed again.

The tag by content decides. Where the registry has it, other tags are put on the manifest that it
has, so that a commit without a change of the image names the same digest as the commit before.
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
from model_image.publishing.logins import logged_in
from model_image.publishing.place import ECR, Place, PublishError
from model_image.publishing.registry import Manifest, Registry

# As git writes them, of either of its hashes.
COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


def publish(engine: Engine, image: str, content: str, tags: Sequence[str]) -> None:
    """Push the content if it is not there, then let each tag name what is there.

    Raises:
        PublishError: the registry did not take it, or a commit's tag names another image.
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
        manifest = pushed(engine, registry, image, content)
        refuse_moves(place, before, manifest.digest)
        report("pushed", place, content, manifest)
    for tag, there in before.items():
        report(put(registry, tag, there, manifest), place, tag, manifest)


def refuse_moves(place: Place, before: Mapping[str, Manifest | None], becomes: str) -> None:
    """See to it that what a commit names stays; `becomes` is what the tags are to name."""
    for tag, there in before.items():
        if there and there.digest != becomes and COMMIT.fullmatch(tag):
            raise PublishError(
                f"{place.ref(tag)} is {there.digest} already and would become {becomes}: what a "
                "commit names does not change. Commit your change and publish that, or have a "
                "wrong tag deleted in the registry. No tag was set."
            )


def pushed(engine: Engine, registry: Registry, image: str, content: str) -> Manifest:
    engine.push(image, content)
    manifest = registry.find(content)
    if manifest is None:
        ref = engine.place.ref(content)
        raise PublishError(
            f"{ref} was pushed and is not there. Does the engine reach another registry than this "
            "program, by a proxy or a mirror? `docker info` names the engine's."
        )
    return manifest


def put(registry: Registry, tag: str, there: Manifest | None, manifest: Manifest) -> str:
    """Let a tag name the manifest; what had to be done."""
    if there and there.digest == manifest.digest:
        return "already there"
    registry.put(tag, manifest)
    return "moved" if there else "tagged"


def report(done: str, place: Place, tag: str, manifest: Manifest) -> None:
    print(f"{done:<14} {place.ref(tag)} {manifest.digest}", flush=True)


@contextmanager
def credentials(place: Place) -> Iterator[None]:
    """Docker as the caller has it; for Amazon's registry, logged in for as long as this lasts."""
    if not ECR.fullmatch(place.host):
        yield
        return
    # Only who publishes to Amazon waits for boto3.
    from model_image.publishing.ecr import Ecr

    ecr = Ecr(place)
    ecr.make_repository()
    with logged_in(place, *ecr.login()):
        yield


def _leave(number: int, frame: object) -> NoReturn:
    """Leave as an exception does, so that no credentials stay behind."""
    # A second one, of an impatient runner, must not cut that short.
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
        # This machine's disk is full, say.
        print(options.place.error("publish", str(error)), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
