"""Pushes an image to a registry by its content: what is there is not pushed again.

The tag by content decides. Where the registry has it, other tags are put on the image that it has,
so that a commit without a change of the image names the same digest as the commit before.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

ECR = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr(-fips)?\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?"
)
COMMIT = re.compile(r"[0-9a-f]{40}")
# Docker speaks plain HTTP to these without being told.
LOCAL = re.compile(r"(localhost|127\.\d+\.\d+\.\d+)(:\d+)?")
NOT_THERE = ("manifest unknown", "no such manifest", "not found", "name unknown")

# Parts of what docker or Amazon say, in small letters, and what to do; the first that fits is told.
REMEDIES = (
    (
        ("cannot connect to the docker daemon", "is the docker daemon running"),
        "No Docker engine answers. Start one, or name one with DOCKER_HOST.",
    ),
    (
        ("expiredtoken", "expired", "sso session"),
        "The credentials have expired: aws sso login, or docker login {host}, and publish again.",
    ),
    (
        ("unauthorized", "denied", "no basic auth credentials", "authentication required"),
        "{host} does not let you push to {repository}: docker login {host}, as one who may.",
    ),
    (
        ("unable to locate credentials", "nocredentials", "partial credentials"),
        "There are no AWS credentials: aws sso login, or set AWS_PROFILE.",
    ),
    (
        ("no space left on device", "insufficient storage"),
        "A disk is full: this machine's, or {host}'s.",
    ),
    (
        (
            "no such host",
            "could not connect to the endpoint",
            "connection refused",
            "i/o timeout",
            "no route to host",
            "server misbehaving",
        ),
        "{host} cannot be reached. Is its address right in [docker].registries of pants.toml?",
    ),
    (
        ("no such image",),
        "The image has been removed since it was built: publish again, which builds it.",
    ),
    (("500 ", "502 ", "503 ", "internal server error"), "{host} is in trouble: try again later."),
)


class PublishError(Exception):
    """Publishing failed; the message says why and what to do."""


@dataclass(frozen=True)
class Place:
    """A repository of a registry."""

    host: str
    repository: str

    @classmethod
    def parse(cls, text: str) -> Place:
        host, _, repository = text.partition("/")
        return cls(host, repository)

    def ref(self, tag: str) -> str:
        return f"{self.host}/{self.repository}:{tag}"

    def error(self, what: str, said: str) -> PublishError:
        """What was tried, the last thing that was said of it, and what to do."""
        lowered = said.lower()
        remedy = next(
            (text for parts, text in REMEDIES if any(part in lowered for part in parts)), ""
        )
        last = (said.strip().splitlines() or ["no reason given"])[-1]
        told = remedy.format(host=self.host, repository=self.repository)
        return PublishError("\n".join(line for line in (f"Could not {what}:", last, told) if line))


@dataclass(frozen=True)
class Docker:
    """The docker program, for one place; `config` holds credentials of our own, if any."""

    program: str
    place: Place
    config: Path | None = None

    def call(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, **({"DOCKER_CONFIG": str(self.config)} if self.config else {})}
        command = [self.program, *arguments]
        return subprocess.run(command, env=env, input=stdin, capture_output=True, text=True)

    def demand(self, what: str, *arguments: str, stdin: str | None = None) -> str:
        done = self.call(*arguments, stdin=stdin)
        if done.returncode:
            raise self.place.error(what, done.stderr or done.stdout)
        return done.stdout

    def image_at(self, tag: str) -> str | None:
        """The ID of the image that the registry has under a tag, None where it has none."""
        ref = self.place.ref(tag)
        insecure = ["--insecure"] if LOCAL.fullmatch(self.place.host) else []
        done = self.call("manifest", "inspect", *insecure, ref)
        if done.returncode:
            said = done.stderr or done.stdout
            if any(part in said.lower() for part in NOT_THERE):
                return None
            raise self.place.error(f"ask for {ref}", said)
        return str(json.loads(done.stdout)["config"]["digest"])


def put(docker: Docker, source: str, tag: str) -> None:
    ref = docker.place.ref(tag)
    docker.demand(f"tag {ref}", "tag", source, ref)
    docker.demand(f"push {ref}", "push", ref)
    print(f"pushed         {ref}")


def publish(docker: Docker, image: str, content: str, tags: Sequence[str]) -> None:
    """Push the content if it is not there, then let each tag name what is there.

    Raises:
        PublishError: the registry did not take it, or a commit's tag names another image.
    """
    place = docker.place
    there = docker.image_at(content)
    if there is None:
        put(docker, image, content)
        there = docker.image_at(content)
    else:
        print(f"already there  {place.ref(content)}")
    for tag in tags:
        named = docker.image_at(tag)
        if named == there:
            print(f"already there  {place.ref(tag)}")
            continue
        if named and COMMIT.fullmatch(tag):
            raise PublishError(
                f"{place.ref(tag)} is another image already ({named}), and what a commit names "
                "does not change. Commit your change and publish that."
            )
        if there != image:
            docker.demand(f"pull {place.ref(content)}", "pull", "--quiet", place.ref(content))
            image = there or image
        put(docker, place.ref(content) if there != image else image, tag)


def make_repository(ecr: Any, place: Place) -> None:
    """Make a repository of Amazon's registry, if there is none."""
    try:
        ecr.describe_repositories(repositoryNames=[place.repository])
        return
    except ecr.exceptions.RepositoryNotFoundException:
        pass
    # `latest` moves; somebody else may have been quicker.
    with contextlib.suppress(ecr.exceptions.RepositoryAlreadyExistsException):
        ecr.create_repository(
            repositoryName=place.repository,
            imageTagMutability="MUTABLE",
            imageScanningConfiguration={"scanOnPush": True},
        )
        print(f"created        {place.host}/{place.repository}")


def ecr_password(ecr: Any) -> str:
    (told,) = ecr.get_authorization_token()["authorizationData"]
    return base64.b64decode(told["authorizationToken"]).decode().partition(":")[2]


def prepare_ecr(place: Place, region: str) -> str:
    """Make sure that the repository is there; the password for it."""
    # Only who publishes to Amazon waits for this.
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        ecr = boto3.client("ecr", region_name=region)
        make_repository(ecr, place)
        return ecr_password(ecr)
    except (BotoCoreError, ClientError) as error:
        raise place.error(f"make {place.host}/{place.repository}", str(error)) from error


@contextlib.contextmanager
def credentials(program: str, place: Place) -> Iterator[Docker]:
    """Docker as the caller has it; for Amazon's registry, logged in for as long as this lasts."""
    amazon = ECR.fullmatch(place.host)
    if not amazon:
        yield Docker(program, place)
        return
    password = prepare_ecr(place, amazon["region"])
    with tempfile.TemporaryDirectory(prefix="docker-config-") as folder:
        own = Path(os.environ.get("DOCKER_CONFIG", Path.home() / ".docker")) / "config.json"
        if own.exists():
            told = json.loads(own.read_text())
            # A store would keep the password beyond this call.
            told.pop("credsStore", None)
            (Path(folder) / "config.json").write_text(json.dumps(told))
        docker = Docker(program, place, Path(folder))
        login = ("login", "--username=AWS", "--password-stdin", place.host)
        docker.demand(f"log in to {place.host}", *login, stdin=password)
        yield docker


def _terminate(number: int, frame: object) -> NoReturn:
    """Leave as an exception does, so that no credentials stay behind."""
    raise SystemExit(128 + number)


def main(argv: Sequence[str] | None = None) -> int:
    """Publish, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--docker", default=shutil.which("docker"), help="the docker program")
    parser.add_argument("--image", required=True, help="the image's ID")
    parser.add_argument("--content-tag", required=True)
    parser.add_argument("--tag", action="append", default=[])
    parser.add_argument("place", type=Place.parse, help="REGISTRY/REPOSITORY")
    options = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, _terminate)
    try:
        with credentials(options.docker, options.place) as docker:
            publish(docker, options.image, options.content_tag, options.tag)
    except PublishError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
