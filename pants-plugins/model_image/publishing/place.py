"""The repository to push an image to, and the messages for a failed push."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from dataclasses import dataclass

from model_image.failures import ENGINE_REMEDIES, UNREACHABLE, explain, remedy

# The registry of one of Amazon's accounts in one of its regions.
ECR = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr(?P<fips>-fips)?\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?"
)
GONE = "The image has been removed since it was built. Publish again, which builds it."


class PublishError(Exception):
    """Publishing failed. The message says why, and how to fix it."""


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
        return f"Check that {self.host} in [docker.registries] of pants.toml is a registry."

    @property
    def unreachable(self) -> str:
        return (
            f"{self.host} cannot be reached. Check its address in [docker.registries] of "
            "pants.toml, that it is running, and that this machine (REQUESTS_CA_BUNDLE) and the "
            "Docker engine trust its certificate."
        )

    @property
    def denied(self) -> str:
        return (
            f"{self.host} denied access to {self.repository}, or the login has expired. Log in as "
            f"a user with permission to push: docker login {self.host}"
        )

    @property
    def broken(self) -> str:
        return f"{self.host} has an internal error. Try again later, or contact its administrator."

    @property
    def remedies(self) -> dict[str, tuple[str, ...]]:
        """Each remedy with parts of docker's output, as in `failures.py`."""
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

    def error(self, what: str, output: str, todo: str = "") -> PublishError:
        """An error with the attempted action, the end of its output, and how to fix it."""
        return PublishError(explain(what, output, todo or remedy(output, self.remedies)))
