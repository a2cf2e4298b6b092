"""Call the docker program."""

from __future__ import annotations

import subprocess


class DockerError(Exception):
    """A docker command failed. The message is its output."""


def docker(program: str, *arguments: str, stdin: bytes | None = None) -> bytes:
    done = subprocess.run([program, *arguments], input=stdin, capture_output=True)
    if done.returncode:
        raise DockerError((done.stderr or done.stdout).decode(errors="replace").strip())
    return done.stdout
