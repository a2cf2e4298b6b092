"""Error messages for failures of Docker. No Pants rules: the scripts import this module, too."""

from __future__ import annotations

from collections.abc import Mapping

ENGINE = (
    "No Docker engine is running. Start one (Docker Desktop; on Debian: apt-get install "
    "docker.io), set DOCKER_HOST, or skip images: --filter-target-type=-model_image."
)
PERMISSION = (
    "The Docker engine denied access. Join the group `docker` and log in again "
    '(sudo usermod -aG docker "$USER").'
)
DISK = (
    "A disk is full: the engine's, this machine's, or the registry's. `docker system df` shows "
    "the engine's usage, and `docker system prune` frees space."
)
BASE = (
    "The base image cannot be downloaded. If no registry can be reached, build a base image from "
    "Debian's packages (./pants run docker/base:debian) and set "
    "PANTS_IMAGES_BASE_IMAGE=datascience-base:debian."
)
# Each remedy with parts of docker's output, in lower case. The first remedy that matches is used.
ENGINE_REMEDIES = {
    PERMISSION: ("permission denied while trying to connect",),
    ENGINE: (
        "cannot connect to the docker daemon",
        "is the docker daemon running",
        "failed to connect to the docker api",
        # DOCKER_HOST names an unknown machine. The rest of the line reads like a registry's error.
        "error during connect",
    ),
    DISK: ("no space left on device", "disk quota exceeded", "insufficient storage"),
}
UNREACHABLE = (
    "no such host",
    "connection refused",
    "i/o timeout",
    "handshake timeout",
    "failed to do request",
    "failed to resolve",
    "network is unreachable",
    "no route to host",
    "server misbehaving",
    "request canceled",
)
BUILD_REMEDIES = {
    **ENGINE_REMEDIES,
    BASE: (*UNREACHABLE, "pull access denied", "manifest unknown", "toomanyrequests"),
}
# Lines that older versions of docker print at every build.
NOISE = ("legacy builder is deprecated", "install the buildx", "docs.docker.com/go/buildx")


def remedy(output: str, remedies: Mapping[str, tuple[str, ...]] = BUILD_REMEDIES) -> str:
    """How to fix the failure that docker printed, or "" if it is unknown."""
    lowered = output.lower()
    return next(
        (text for text, parts in remedies.items() if any(part in lowered for part in parts)), ""
    )


def last_lines(output: str, count: int = 3) -> str:
    """The last lines of docker's output, without noise."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    relevant = [line for line in lines if not any(part in line.lower() for part in NOISE)]
    return "\n".join((relevant or lines)[-count:])


def explain(what: str, output: str, todo: str) -> str:
    """One message: what failed, why, and how to fix it."""
    return "\n".join(line for line in (f"Could not {what}:", last_lines(output), todo) if line)


class EngineError(Exception):
    """Docker failed. The message says what failed, why, and how to fix it."""

    def __init__(self, what: str, output: str) -> None:
        self.what = what
        self.output = output
        self.remedy = remedy(output)
        super().__init__(explain(what, output, self.remedy))
