"""Where an image goes, and what to do when it does not get there."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from dataclasses import dataclass

from model_image.failures import ENGINE_REMEDIES, UNREACHABLE, explain, remedy

# The registry of one of Amazon's accounts in one of its regions.
ECR = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr(?P<fips>-fips)?\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?"
)
GONE = "The image has been removed since it was built: publish again, which builds it."


class PublishError(Exception):
    """Publishing failed; the message says why and what to do."""


@dataclass(frozen=True)
class Place:
    """A repository of a registry."""

    host: str
    repository: str

    @classmethod
    def parse(cls, text: str) -> Place:
        host, slash, repository = text.partition("/")
        if not (host and slash and repository):
            raise ArgumentTypeError(f"expected REGISTRY/REPOSITORY, got {text!r}")
        return cls(host, repository)

    def ref(self, tag: str) -> str:
        return f"{self.host}/{self.repository}:{tag}"

    @property
    def misplaced(self) -> str:
        return f"Is {self.host} the registry, as [docker.registries] of pants.toml says?"

    @property
    def unreachable(self) -> str:
        return (
            f"{self.host} cannot be reached. Is its address in [docker.registries] of pants.toml "
            "right, is it running, and is its certificate known here (REQUESTS_CA_BUNDLE, and the "
            "engine's)?"
        )

    @property
    def denied(self) -> str:
        return (
            f"{self.host} does not let you push to {self.repository}, or the login has expired: "
            f"docker login {self.host}, as one who may."
        )

    @property
    def broken(self) -> str:
        return f"{self.host} is in trouble: try again later, or tell who runs it."

    @property
    def remedies(self) -> dict[str, tuple[str, ...]]:
        """Parts of what docker says of a push, as in `failures.py`."""
        return {
            **ENGINE_REMEDIES,
            GONE: ("no such image", "does not exist locally"),
            self.unreachable: (*UNREACHABLE, "x509", "http response to https"),
            self.denied: (
                "unauthorized",
                "denied",
                "no basic auth credentials",
                "authentication required",
                "forbidden",
                "token has expired",
            ),
            self.broken: ("500 ", "502 ", "503 ", "504 ", "internal server error", "unknown:"),
        }

    def error(self, what: str, said: str, todo: str = "") -> PublishError:
        """What was tried, the end of what was said of it, and what to do."""
        return PublishError(explain(what, said, todo or remedy(said, self.remedies)))
