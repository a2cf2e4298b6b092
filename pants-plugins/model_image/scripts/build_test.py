from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from model_image.scripts.build import (
    archive,
    build,
    find_built,
    image_config,
    tag_reproducibly,
    timestamp,
)
from model_image.scripts.docker_client import DockerError, docker

CREATED = 1_700_000_000
WHEN = "2023-11-14T22:13:20Z"
LAYERS = ["sha256:aa", "sha256:bb"]
REFS = ["models/iris:content-1", "models/iris:latest"]
# The output of `docker image inspect` 20.10, shortened.
INSPECTED: dict[str, Any] = {
    "Id": "sha256:built",
    "RepoTags": [],
    "Created": "2026-11-25T08:00:00.123456789Z",
    "Container": "4f1d",
    "DockerVersion": "20.10.24",
    "Architecture": "amd64",
    "Os": "linux",
    "Config": {
        "Hostname": "4f1d",
        "Image": "sha256:parent",
        "Cmd": ["tasks"],
        "Entrypoint": ["python", "-m"],
        "Env": ["PATH=/usr/bin"],
        "Labels": {"title": "models/iris"},
        "User": "10001:10001",
        "Volumes": None,
        "WorkingDir": "/work",
    },
    "RootFS": {"Type": "layers", "Layers": LAYERS},
}
# Records its calls and their input, and answers `image inspect` and `build`.
PROGRAM = """\
#!/bin/sh
echo "$*" >>"{folder}/calls"
case $1 in
  image) cat "{folder}/inspected" ;;
  load) cat >"{folder}/loaded" ;;
  build)
    for word; do
      case $word in --iidfile=*) echo sha256:built >"${{word#--iidfile=}}" ;; esac
    done ;;
esac
if [ -f "{folder}/failure" ]; then cat "{folder}/failure" >&2; exit 125; fi
"""


class DockerProgram:
    """A fake docker program that records its calls."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "docker"
        self.path.write_text(PROGRAM.format(folder=folder))
        self.path.chmod(0o755)
        self.set_inspected(INSPECTED)

    def set_inspected(self, inspected: Mapping[str, Any]) -> None:
        (self.folder / "inspected").write_text(json.dumps([inspected]))

    def fail_with(self, output: str) -> None:
        (self.folder / "failure").write_text(output)

    @property
    def calls(self) -> list[str]:
        return (self.folder / "calls").read_text().splitlines()


@pytest.fixture
def program(tmp_path: Path) -> DockerProgram:
    return DockerProgram(tmp_path)


def test_a_timestamp_is_in_utc() -> None:
    assert timestamp(CREATED) == WHEN


def test_the_config_has_no_details_of_the_build() -> None:
    assert json.loads(image_config(INSPECTED, CREATED)) == {
        "architecture": "amd64",
        "os": "linux",
        "created": WHEN,
        "config": {
            "Cmd": ["tasks"],
            "Entrypoint": ["python", "-m"],
            "Env": ["PATH=/usr/bin"],
            "Labels": {"title": "models/iris"},
            "User": "10001:10001",
            "WorkingDir": "/work",
        },
        "rootfs": {"type": "layers", "diff_ids": LAYERS},
        "history": [{"created": WHEN, "created_by": "model_image"}] * 2,
    }


def test_two_builds_have_the_same_config() -> None:
    again = {
        **dict(reversed(INSPECTED.items())),
        "Id": "sha256:other",
        "Created": "2027-01-01T00:00:00Z",
        "Container": "9a",
        "Config": {**dict(reversed(INSPECTED["Config"].items())), "Hostname": "9a"},
    }
    assert image_config(again, CREATED) == image_config(INSPECTED, CREATED)


def test_an_archive_names_its_description_layers_and_refs() -> None:
    config = image_config(INSPECTED, CREATED)
    name = f"{hashlib.sha256(config).hexdigest()}.json"
    with tarfile.open(fileobj=io.BytesIO(archive(config, LAYERS, REFS))) as file:
        held = {member.name: file.extractfile(member) for member in file}
        contents = {name: content.read() for name, content in held.items() if content}
    manifest = [{"Config": name, "RepoTags": REFS, "Layers": ["aa/layer.tar", "bb/layer.tar"]}]
    assert list(contents) == [name, "manifest.json"]
    assert contents[name] == config
    assert json.loads(contents["manifest.json"]) == manifest


def test_an_archive_is_the_same_each_time() -> None:
    assert archive(b"{}", LAYERS, REFS) == archive(b"{}", LAYERS, REFS)


def test_a_build_returns_the_id(program: DockerProgram) -> None:
    made = build(
        str(program.path),
        dockerfile="docker/image.Dockerfile",
        context=".",
        options=["--build-arg=BASE=base:1"],
    )
    assert made == "sha256:built"
    (call,) = program.calls
    command, file, _, *rest = call.split()
    assert (command, file) == ("build", "--file=docker/image.Dockerfile")
    assert rest == ["--quiet", "--build-arg=BASE=base:1", "."]


def test_the_config_of_an_image_with_its_build_time_is_replaced(program: DockerProgram) -> None:
    config = image_config(INSPECTED, CREATED)
    image = tag_reproducibly(str(program.path), "sha256:built", created=CREATED, refs=REFS)
    assert image == f"sha256:{hashlib.sha256(config).hexdigest()}"
    assert program.calls == ["image inspect sha256:built", "load --quiet", "rmi sha256:built"]
    assert (program.folder / "loaded").read_bytes() == archive(config, LAYERS, REFS)


def test_an_image_of_a_newer_engine_is_only_tagged(program: DockerProgram) -> None:
    program.set_inspected({**INSPECTED, "Created": WHEN})
    assert tag_reproducibly(str(program.path), "sha256:built", created=CREATED, refs=REFS) == (
        "sha256:built"
    )
    assert program.calls == [
        "image inspect sha256:built",
        "tag sha256:built models/iris:content-1",
        "tag sha256:built models/iris:latest",
    ]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["title=models/iris"], "sha256:built"),
        (["title=models/iris", "revision=1"], None),
        (["title=other"], None),
        # The other labels come from its base.
        ([], "sha256:built"),
    ],
)
def test_an_image_with_the_same_labels_is_found(
    program: DockerProgram, labels: list[str], expected: str | None
) -> None:
    assert find_built(str(program.path), "a:1", labels) == expected
    assert program.calls == ["image inspect a:1"]


def test_a_missing_image_is_not_found(program: DockerProgram) -> None:
    program.fail_with("Error: No such image: a:1")
    assert find_built(str(program.path), "a:1", []) is None


def test_dockers_output_is_the_error(program: DockerProgram) -> None:
    program.fail_with("no space left on device\n")
    with pytest.raises(DockerError, match=r"^no space left on device$"):
        docker(str(program.path), "version")


def run(program: DockerProgram, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(Path(__file__).with_name("build.py"))]
    command += [f"--docker={program.path}", f"--created={CREATED}", "--dockerfile=Dockerfile"]
    return subprocess.run([*command, *options, "."], capture_output=True, text=True)


def test_the_command_builds_names_and_prints_the_id(program: DockerProgram) -> None:
    done = run(program, "--ref=a:1", "--build-arg=BASE=b", "--label=title=two words")
    config = image_config(INSPECTED, CREATED)
    assert done.stderr == ""
    assert done.stdout == f"sha256:{hashlib.sha256(config).hexdigest()}\n"
    assert (program.folder / "loaded").read_bytes() == archive(config, LAYERS, ["a:1"])
    (build_call,) = (call for call in program.calls if call.startswith("build"))
    assert build_call.partition("--quiet ")[2] == (
        f"--build-arg=BASE=b --build-arg=SOURCE_DATE_EPOCH={CREATED} --label=title=two words ."
    )


def test_the_command_does_not_rebuild_an_image(program: DockerProgram) -> None:
    done = run(program, "--ref=a:1", "--label=title=models/iris")
    assert (done.returncode, done.stdout) == (0, "sha256:built\n")
    assert program.calls == ["image inspect a:1"]


def test_a_failure_shows_dockers_message_without_a_traceback(program: DockerProgram) -> None:
    program.fail_with("Cannot connect to the Docker daemon.\n")
    done = run(program, "--ref=a:1")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "Cannot connect to the Docker daemon.\n"
