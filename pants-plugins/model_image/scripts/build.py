"""Build an image reproducibly: the same inputs give the same digest.

`docker build` creates the layers. Engines older than BuildKit 0.11 write the time of the build and
the name of a container into the image's configuration. In that case the configuration is replaced.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import sys
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from model_image.scripts.docker_client import DockerError, docker

# The keys of an image's configuration that affect how it runs. The others describe the build.
RUN_CONFIG = ("Cmd", "Entrypoint", "Env", "ExposedPorts", "Labels", "User", "Volumes", "WorkingDir")


def build(program: str, *, dockerfile: str, context: str, options: Sequence[str]) -> str:
    """Run `docker build`, and return the image's ID."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "id"
        docker(
            program,
            "build",
            f"--file={dockerfile}",
            f"--iidfile={file}",
            "--quiet",
            *options,
            context,
        )
        return file.read_text().strip()


def timestamp(created: int) -> str:
    return datetime.fromtimestamp(created, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def image_config(inspected: Mapping[str, Any], created: int) -> bytes:
    """An image's OCI image configuration, without details of its build."""
    layers = inspected["RootFS"]["Layers"]
    when = timestamp(created)
    config = {key: inspected["Config"].get(key) for key in RUN_CONFIG}
    return json.dumps(
        {
            "architecture": inspected["Architecture"],
            "os": inspected["Os"],
            "created": when,
            "config": {key: value for key, value in config.items() if value},
            "rootfs": {"type": "layers", "diff_ids": layers},
            "history": [{"created": when, "created_by": "model_image"} for _ in layers],
        },
        sort_keys=True,
    ).encode()


def archive(config: bytes, layers: Sequence[str], refs: Sequence[str]) -> bytes:
    """The input of `docker load`, without the layers, which the engine already has."""
    name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = [
        {
            "Config": name,
            "RepoTags": list(refs),
            "Layers": [f"{layer.partition(':')[2]}/layer.tar" for layer in layers],
        }
    ]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as file:
        for member, content in ((name, config), ("manifest.json", json.dumps(manifest).encode())):
            info = tarfile.TarInfo(member)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def tag_reproducibly(program: str, image: str, *, created: int, refs: Sequence[str]) -> str:
    """Tag the image, without the details of its build, and return its ID."""
    (inspected,) = json.loads(docker(program, "image", "inspect", image))
    if inspected["Created"].startswith(timestamp(created).rstrip("Z")):
        # BuildKit respected SOURCE_DATE_EPOCH.
        for ref in refs:
            docker(program, "tag", image, ref)
        return image
    config = image_config(inspected, created)
    layers = inspected["RootFS"]["Layers"]
    docker(program, "load", "--quiet", stdin=archive(config, layers, refs))
    # The original image has no tag.
    docker(program, "rmi", image)
    return f"sha256:{hashlib.sha256(config).hexdigest()}"


def find_built(program: str, ref: str, labels: Sequence[str]) -> str | None:
    """The ID of the image with that name, if it has these labels.

    Pants may repeat a process of an earlier session before it checks whether its result is needed.
    """
    try:
        (inspected,) = json.loads(docker(program, "image", "inspect", ref))
    except DockerError:
        return None
    wanted = dict(label.split("=", 1) for label in labels)
    # The image also has the labels of its base.
    fits = wanted.items() <= (inspected["Config"]["Labels"] or {}).items()
    return str(inspected["Id"]) if fits else None


def main() -> None:
    """Build and tag an image, and print its ID."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--docker", required=True, help="the docker program")
    parser.add_argument("--ref", action="append", required=True, help="a name for the image")
    parser.add_argument("--created", type=int, required=True, help="seconds since 1970")
    parser.add_argument("--dockerfile", required=True)
    parser.add_argument("--build-arg", action="append", default=[])
    parser.add_argument("--label", action="append", default=[])
    parser.add_argument("context", help="a folder")
    options = parser.parse_args()
    epoch = f"--build-arg=SOURCE_DATE_EPOCH={options.created}"
    arguments = [f"--build-arg={argument}" for argument in options.build_arg]
    labels = [f"--label={label}" for label in options.label]
    try:
        if built := find_built(options.docker, options.ref[0], options.label):
            print(built)
            return
        image = build(
            options.docker,
            dockerfile=options.dockerfile,
            context=options.context,
            options=[*arguments, epoch, *labels],
        )
        print(tag_reproducibly(options.docker, image, created=options.created, refs=options.ref))
    except DockerError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
