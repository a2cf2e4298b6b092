"""The docker program, called by the scripts."""

from __future__ import annotations

import subprocess


class DockerError(Exception):
    """A docker command failed; what it printed is the message."""


def docker(program: str, *arguments: str, stdin: bytes | None = None) -> bytes:
    done = subprocess.run([program, *arguments], input=stdin, capture_output=True)
    if done.returncode:
        raise DockerError((done.stderr or done.stdout).decode(errors="replace").strip())
    return done.stdout
