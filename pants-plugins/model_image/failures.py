"""What to do when Docker fails: no Pants rules, no files."""

from __future__ import annotations

# The first line that fits decides; each is a part of what docker prints, in small letters.
REMEDIES = (
    (
        ("cannot connect to the docker daemon", "is the docker daemon running", "connection refused"),
        "No Docker engine answers. Start one (Docker Desktop; on Debian: apt-get install docker.io, "
        "systemctl start docker), name one with DOCKER_HOST, or leave images out: "
        "--filter-target-type=-model_image.",
    ),
    (
        ("permission denied while trying to connect", "dial unix"),
        "The Docker engine does not let you in: add yourself to the group `docker` and log in again.",
    ),
    (
        ("no space left on device",),
        "The engine's disk is full. See `docker system df`, make room with `docker system prune`.",
    ),
    (
        (
            "pull access denied",
            "manifest unknown",
            "manifest for",
            "no such host",
            "i/o timeout",
            "tls handshake timeout",
            "failed to do request",
            "network is unreachable",
            "server misbehaving",
            "request canceled",
            "toomanyrequests",
        ),
        "The base image cannot be pulled. Where no registry can be reached, make one of Debian's "
        "packages: ./pants run docker/base:debian, and name it: "
        "PANTS_IMAGES_BASE_IMAGE=datascience-base:debian.",
    ),
)


def remedy(said: str) -> str:
    """What to do about what docker said; empty where nothing is known."""
    lowered = said.lower()
    return next((text for parts, text in REMEDIES if any(part in lowered for part in parts)), "")


def last_lines(said: str, count: int = 3) -> str:
    """The end of what docker said, without what it always says."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    told = [line for line in lines if not any(part in line.lower() for part in NOISE)]
    return "\n".join((told or lines)[-count:])


NOISE = ("legacy builder is deprecated", "install the buildx component", "docs.docker.com/go/buildx")


class EngineError(Exception):
    """Docker failed; the message says at what, why, and what to do."""

    def __init__(self, what: str, said: str) -> None:
        self.what = what
        self.said = said
        self.remedy = remedy(said)
        lines = (f"Could not {what}:", last_lines(said), self.remedy)
        super().__init__("\n".join(line for line in lines if line))
