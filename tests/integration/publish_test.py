"""`./pants publish` to a real registry, from a real engine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from integration.commands import ROOT, Result, start
from integration.docker_engine import DockerEngine
from integration.docker_registry import USER, DockerRegistry

SCRIPT = ROOT / "pants-plugins/model_image/scripts/publish.py"
PASSWORD = "correct-horse-planted"
COMMITS = ("1" * 40, "2" * 40)


@dataclass(frozen=True)
class Shop:
    """An engine with two small images, and a registry that it is logged in to."""

    engine: DockerEngine
    registry: DockerRegistry
    folder: Path
    images: dict[str, str]

    def docker(self, *arguments: str) -> str:
        env = {**self.engine.env, "DOCKER_CONFIG": str(self.folder)}
        result = Result.of(start("docker", *arguments, cwd=self.folder, env=env))
        assert result.code == 0, result.err
        return result.out

    def publish(
        self,
        image: str,
        *tags: str,
        place: str = "models/iris",
        host: str | None = None,
        env: dict[str, str] | None = None,
    ) -> Result:
        options = [f"--tag={tag}" for tag in tags]
        started = start(
            *(sys.executable, SCRIPT, f"--image={self.images[image]}"),
            *(f"--content-tag=content-{image}", *options, f"{host or self.registry.host}/{place}"),
            cwd=self.folder,
            env={**self.engine.env, "DOCKER_CONFIG": str(self.folder), **(env or {})},
        )
        result = Result.of(started)
        assert PASSWORD not in result.out + result.err
        assert "Traceback" not in result.err
        return result

    def digest(self, tag: str, place: str = "models/iris") -> str:
        ref = f"{self.registry.host}/{place}:{tag}"
        told = json.loads(self.docker("manifest", "inspect", "--insecure", ref))
        return str(told["config"]["digest"])


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("shop")
    with DockerEngine() as engine, DockerRegistry(PASSWORD) as registry:
        images = {}
        for name in ("one", "two"):
            context = folder / name
            context.mkdir()
            (context / "file").write_text(name)
            (context / "Dockerfile").write_text("FROM scratch\nADD file /\n")
            built = engine.docker("build", "--quiet", str(context))
            assert built.code == 0, built.err
            images[name] = built.out.strip()
        subprocess.run(
            ["docker", "login", "--username", USER, "--password-stdin", registry.host],
            env={**os.environ, **engine.env, "DOCKER_CONFIG": str(folder)},
            input=PASSWORD.encode(),
            check=True,
            capture_output=True,
        )
        yield Shop(engine, registry, folder, images)


def test_content_is_pushed_once_and_another_commit_names_what_is_there(shop: Shop) -> None:
    first = shop.publish("one", COMMITS[0], "latest")
    assert first.code == 0, first.err
    assert first.out.count("pushed") == 3
    assert shop.digest(COMMITS[0]) == shop.digest("latest") == shop.images["one"]

    before = len(shop.registry.requests())
    again = shop.publish("one", COMMITS[0], "latest")
    assert (again.code, again.err) == (0, "")
    assert again.out.count("already there") == 3
    requests = shop.registry.requests()[before:]
    assert {request.partition(" ")[0] for request in requests} <= {"GET", "HEAD"}

    before = len(shop.registry.requests())
    named = shop.publish("one", COMMITS[1], "latest")
    assert named.code == 0, named.err
    assert named.out.count("pushed") == 1
    written = [
        request
        for request in shop.registry.requests()[before:]
        if request.partition(" ")[0] in ("POST", "PUT", "PATCH")
    ]
    assert written == [f"PUT /v2/models/iris/manifests/{COMMITS[1]}"]
    assert shop.digest(COMMITS[1]) == shop.images["one"]


def test_latest_moves_and_a_commit_does_not(shop: Shop) -> None:
    assert shop.publish("one", COMMITS[0], "latest", place="models/moving").code == 0
    assert shop.publish("two", "latest", place="models/moving").code == 0
    assert shop.digest("latest", "models/moving") == shop.images["two"]
    refused = shop.publish("two", COMMITS[0], place="models/moving")
    assert refused.code == 1
    assert "is another image already" in refused.err
    assert shop.digest(COMMITS[0], "models/moving") == shop.images["one"]


def test_a_wrong_password_is_one_message(shop: Shop, tmp_path: Path) -> None:
    login = f"docker login {shop.registry.host}"
    refused = shop.publish("one", place="models/denied", env={"DOCKER_CONFIG": str(tmp_path)})
    assert refused.code == 1
    assert login in refused.err


def test_a_registry_that_is_not_there_is_one_message(shop: Shop) -> None:
    refused = shop.publish("one", host="127.0.0.1:9")
    assert refused.code == 1
    assert (
        "127.0.0.1:9 cannot be reached. Is its address right in [docker].registries" in refused.err
    )


def test_without_an_engine_one_message_says_what_to_do(shop: Shop) -> None:
    refused = shop.publish("one", env={"DOCKER_HOST": "unix:///nowhere/docker.sock"}, place="m/new")
    assert refused.code == 1
    assert "No Docker engine answers." in refused.err
