"""What `./pants publish` runs, with a real registry and a real engine."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from integration.commands import ROOT, Result, start
from integration.docker_engine import DockerEngine
from integration.docker_registry import OCI, USER, DockerRegistry
from integration.servers import free_port

PROGRAM = ROOT / "pants-plugins.model_image.scripts" / "publish.pex"
PASSWORD = "correct-horse-planted"
COMMITS = ("1" * 40, "2" * 40)
IRIS = "models/iris"


@dataclass(frozen=True)
class Shop:
    """An engine with two small images, and a registry that it is logged in to."""

    engine: DockerEngine
    registry: DockerRegistry
    folder: Path
    images: dict[str, str]

    def command(self, image: str, *tags: str, name: str = IRIS, host: str = "") -> list[str]:
        return [
            # Not the test's own virtual environment.
            str(Path(sys.executable).resolve()),
            str(PROGRAM),
            f"--image={self.images[image]}",
            f"--content-tag=content-{image}",
            *(f"--tag={tag}" for tag in tags),
            f"{host or self.registry.host}/{name}",
        ]

    def environment(self, **env: str) -> dict[str, str]:
        return {**self.engine.env, "DOCKER_CONFIG": str(self.folder), "PYTHONPATH": "", **env}

    def publish(
        self, image: str, *tags: str, name: str = IRIS, host: str = "", **env: str
    ) -> Result:
        command = self.command(image, *tags, name=name, host=host)
        result = Result.of(start(*command, cwd=self.folder, env=self.environment(**env)))
        assert PASSWORD not in result.out + result.err
        assert base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode() not in str(result)
        assert "Traceback" not in result.err
        return result

    def put(self, tag: str, name: str, manifest: dict[str, Any]) -> None:
        """As another builder would have pushed it."""
        body = json.dumps(manifest).encode()
        self.registry.ask("PUT", name, tag, {"Content-Type": manifest["mediaType"]}, body)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("shop")
    with DockerEngine() as engine, DockerRegistry(PASSWORD) as registry:
        images = {"three": f"sha256:{'3' * 64}"}
        for name in ("one", "two"):
            context = folder / name
            context.mkdir()
            (context / "file").write_text(name)
            (context / "Dockerfile").write_text("FROM scratch\nADD file /\n")
            built = engine.docker("build", "--quiet", context)
            assert built.code == 0, built.err
            images[name] = built.out.strip()
        registry.log_in(folder, engine.env)
        yield Shop(engine, registry, folder, images)


def test_content_is_pushed_once_and_another_commit_is_one_request(shop: Shop) -> None:
    first = shop.publish("one", COMMITS[0], "latest")
    assert (first.code, first.err) == (0, "")
    there = shop.registry.digest(IRIS, "content-one")
    at = f"{shop.registry.host}/{IRIS}"
    assert first.out.splitlines() == [
        f"pushing        {at}:content-one",
        f"pushed         {at}:content-one {there}",
        f"tagged         {at}:{COMMITS[0]} {there}",
        f"tagged         {at}:latest {there}",
    ]
    before = len(shop.registry.requests())
    again = shop.publish("one", COMMITS[0], "latest")
    assert (again.code, again.err, again.out.count("already there")) == (0, "", 3)
    assert shop.registry.writes(before) == []
    before = len(shop.registry.requests())
    named = shop.publish("one", COMMITS[1], "latest")
    assert named.code == 0, named.err
    assert shop.registry.writes(before) == [f"PUT /v2/{IRIS}/manifests/{COMMITS[1]}"]
    assert shop.registry.digest(IRIS, COMMITS[1]) == there


@pytest.mark.parametrize("kind", ["manifest", "index"])
def test_what_another_builder_pushed_keeps_its_digest(shop: Shop, kind: str) -> None:
    """BuildKit and containerd push OCI's manifests, which this engine would write anew."""
    name = f"by-other-{kind}"
    assert shop.publish("one", name=name).code == 0
    oci = json.loads(shop.registry.manifest(name, "content-one"))
    oci["mediaType"] = f"{OCI}.manifest.v1+json"
    oci["config"]["mediaType"] = f"{OCI}.config.v1+json"
    for layer in oci["layers"]:
        layer["mediaType"] = f"{OCI}.layer.v1.tar+gzip"
    shop.put("content-one", name, oci)
    if kind == "index":
        body = json.dumps(oci).encode()
        entry = {
            "mediaType": oci["mediaType"],
            "size": len(body),
            "digest": f"sha256:{hashlib.sha256(body).hexdigest()}",
        }
        index = {"schemaVersion": 2, "mediaType": f"{OCI}.index.v1+json", "manifests": [entry]}
        shop.put("content-one", name, index)
    before = len(shop.registry.requests())
    published = shop.publish("one", COMMITS[0], name=name)
    assert published.code == 0, published.err
    assert shop.registry.writes(before) == [f"PUT /v2/{name}/manifests/{COMMITS[0]}"]
    assert shop.registry.manifest(name, COMMITS[0]) == shop.registry.manifest(name, "content-one")


def test_latest_moves_and_a_commit_does_not(shop: Shop) -> None:
    name = "models/moving"
    assert shop.publish("one", COMMITS[0], "latest", name=name).code == 0
    # Whether the new content is there already or not, nothing is written.
    for _ in range(2):
        before = len(shop.registry.requests())
        refused = shop.publish("two", "latest", COMMITS[0], name=name)
        assert refused.code == 1
        assert "A commit's tag must not change." in refused.err
        assert shop.registry.digest(name, "content-one") in refused.err
        assert shop.registry.writes(before) == []
        assert shop.registry.digest(name, "latest") == shop.registry.digest(name, "content-one")
        shop.publish("two", name=name)
    moved = shop.publish("two", "latest", name=name)
    assert "moved " in moved.out
    assert shop.registry.digest(name, "latest") == shop.registry.digest(name, "content-two")


def test_without_a_login_or_with_a_wrong_one_a_message_says_where_to_log_in(
    shop: Shop, tmp_path: Path
) -> None:
    wrong = base64.b64encode(f"{USER}:wrong".encode()).decode()
    for config in ({}, {"auths": {shop.registry.host: {"auth": wrong}}}):
        (tmp_path / "config.json").write_text(json.dumps(config))
        refused = shop.publish("one", DOCKER_CONFIG=str(tmp_path))
        assert (refused.code, refused.out) == (1, "")
        assert f"docker login {shop.registry.host}" in refused.err


def test_a_registry_that_is_not_there_is_named_with_the_place_of_its_address(shop: Shop) -> None:
    for host in (f"127.0.0.1:{free_port()}", "registry.invalid"):
        refused = shop.publish("one", host=host)
        assert (refused.code, refused.out) == (1, "")
        assert f"{host} cannot be reached. Check its address in [docker.registries]" in refused.err


def test_without_an_engine_or_an_image_a_message_says_what_to_do(shop: Shop) -> None:
    refused = shop.publish("one", DOCKER_HOST="unix:///nowhere/docker.sock")
    assert refused.code == 1
    assert "No Docker engine is running." in refused.err
    unknown = shop.publish("three", name="new")
    assert unknown.code == 1
    assert "The image has been removed since it was built" in unknown.err


def test_on_a_terminal_docker_shows_how_far_it_is(shop: Shop) -> None:
    ours, its = pty.openpty()
    command = shop.command("one", name="shown")
    env = {**os.environ, **shop.environment()}
    with subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=its) as program:
        os.close(its)
        said = read_terminal(ours)
    assert program.returncode == 0, said
    assert "The push refers to repository" in said
    assert ": Preparing" in said
    assert f"pushed         {shop.registry.host}/shown:content-one sha256:" in said


def read_terminal(descriptor: int) -> str:
    said = b""
    while True:
        try:
            part = os.read(descriptor, 65536)
        except OSError:  # that is how a terminal ends on Linux
            part = b""
        if not part:
            os.close(descriptor)
            return said.decode()
        said += part
