"""A program named docker, for tests of how it is called; tests/integration has a real engine."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from pants.engine.process import Process
from pants.engine.rules import rule

from model_image.tools import ImageToolProcess

# It writes down each call, and answers from files: what an engine holds, and what it fails with.
PROGRAM = """\
#!/bin/sh
if [ "$1" = -v ]; then exit; fi
echo "$*" >>"{folder}/calls"
if [ -f "{folder}/failure" ]; then cat "{folder}/failure" >&2; exit 1; fi
for last; do :; done
file="{folder}/images/$(echo "$last" | tr / _)"
case $1 in
  image) cat "$file" 2>/dev/null || {{ echo "Error: No such image: $last" >&2; exit 1; }} ;;
  build) echo "Step 1/1"; echo sha256:made ;;
esac
"""


class DockerProgram:
    """An executable file, `docker`, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "bin" / "docker"
        for name in ("bin", "images"):
            (folder / name).mkdir(parents=True)
        self.path.write_text(PROGRAM.format(folder=folder))
        self.path.chmod(0o755)

    @property
    def environment(self) -> dict[str, str]:
        return {"PATH": f"{self.path.parent}:{os.environ['PATH']}"}

    @property
    def calls(self) -> list[str]:
        """The arguments of each call, in the order in which they sort."""
        file = self.folder / "calls"
        return sorted(file.read_text().splitlines()) if file.exists() else []

    def holds(self, ref: str, inspected: dict[str, object]) -> None:
        """Let the engine hold an image."""
        (self.folder / "images" / ref.replace("/", "_")).write_text(json.dumps([inspected]))

    def fails(self, said: str) -> None:
        """Let each call fail."""
        (self.folder / "failure").write_text(said)


@pytest.fixture
def docker_program(tmp_path: Path) -> DockerProgram:
    return DockerProgram(tmp_path / "docker")


@rule
async def tool_by_docker_program(request: ImageToolProcess) -> Process:
    """In place of the tools, which want installing: the program writes down their calls too."""
    program = next(
        argument.partition("=")[2] for argument in request.argv if argument.startswith("--docker=")
    )
    return Process(
        (program, request.script, *request.argv),
        description=request.description,
        env=request.env,
        input_digest=request.input_digest,
        immutable_input_digests=request.immutable_input_digests,
        cache_scope=request.cache_scope,
    )
