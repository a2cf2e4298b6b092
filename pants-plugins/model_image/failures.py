"""What to do when Docker fails: no Pants rules, no files. The programs for images use it, too."""

from __future__ import annotations

from collections.abc import Mapping

ENGINE = (
    "No Docker engine answers. Start one (Docker Desktop; on Debian: apt-get install docker.io), "
    "name one with DOCKER_HOST, or leave images out: --filter-target-type=-model_image."
)
PERMISSION = (
    "The Docker engine does not let you in: join the group `docker` and log in again "
    '(sudo usermod -aG docker "$USER").'
)
DISK = (
    "A disk is full: the engine's (`docker system df`; `docker system prune` makes room), "
    "this machine's, or the registry's."
)
BASE = (
    "The base image cannot be had. Where no registry can be reached, make one of Debian's packages "
    "(./pants run docker/base:debian) and name it: PANTS_IMAGES_BASE_IMAGE=datascience-base:debian."
)
# Parts of what docker prints, in small letters; the first remedy that has one that fits is told.
ENGINE_REMEDIES = {
    PERMISSION: ("permission denied while trying to connect",),
    ENGINE: (
        "cannot connect to the docker daemon",
        "is the docker daemon running",
        "failed to connect to the docker api",
        # Where DOCKER_HOST names a machine that is not there; what follows is as of a registry.
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
# What older programs say at every build.
NOISE = ("legacy builder is deprecated", "install the buildx", "docs.docker.com/go/buildx")


def remedy(said: str, remedies: Mapping[str, tuple[str, ...]] = BUILD_REMEDIES) -> str:
    """What to do about what docker said; empty where nothing is known."""
    lowered = said.lower()
    return next(
        (text for text, parts in remedies.items() if any(part in lowered for part in parts)), ""
    )


def last_lines(said: str, count: int = 3) -> str:
    """The end of what docker said, without what it always says."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    told = [line for line in lines if not any(part in line.lower() for part in NOISE)]
    return "\n".join((told or lines)[-count:])


def explain(what: str, said: str, todo: str) -> str:
    """One message: at what it failed, why, and what to do."""
    return "\n".join(line for line in (f"Could not {what}:", last_lines(said), todo) if line)


class EngineError(Exception):
    """Docker failed; the message says at what, why, and what to do."""

    def __init__(self, what: str, said: str) -> None:
        self.what = what
        self.said = said
        self.remedy = remedy(said)
        super().__init__(explain(what, said, self.remedy))
