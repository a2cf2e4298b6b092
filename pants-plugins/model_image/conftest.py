"""A fake `docker` program for tests of its calls; tests/integration uses a real engine."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from pants.engine.process import Process
from pants.engine.rules import rule

from model_image.tools import ImageToolProcess

# Records each call, and answers from files: the engine's images, or the error to fail with.
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
    """The executable file `docker` in a temporary folder."""

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
        """The arguments of each call, sorted."""
        file = self.folder / "calls"
        return sorted(file.read_text().splitlines()) if file.exists() else []

    def add_image(self, ref: str, inspected: dict[str, object]) -> None:
        (self.folder / "images" / ref.replace("/", "_")).write_text(json.dumps([inspected]))

    def fail_with(self, output: str) -> None:
        (self.folder / "failure").write_text(output)


@pytest.fixture
def docker_program(tmp_path: Path) -> DockerProgram:
    return DockerProgram(tmp_path / "docker")


@rule
async def run_tool_as_docker(request: ImageToolProcess) -> Process:
    """Replace the tools, which would have to be installed: the fake records their calls too."""
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
