"""Deploying a small model by command: a real Pants builds and publishes its image."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from integration.commands import Result, commit_all, copy_repository, start, stop_pantsd
from integration.docker_engine import DockerEngine
from integration.docker_registry import DockerRegistry
from integration.mlflow_server import MLflowServer

PASSWORD = "correct-horse-planted"  # pragma: allowlist secret
TULIP = {
    "__init__.py": "",
    "definition.py": '"""Needs one small package, so that its image is made in seconds."""\n',
    "predict.py": 'import packaging\n\nprint("one")\n',
    "dag.toml": 'schedule = "@daily"\nowner = "tests"\nstart_date = 2026-01-01\n',
    "BUILD": """\
python_sources()
pex_binary(name="predict", entry_point="predict.py")
model_image(name="image")
file(name="dag", source="dag.toml")
""",
}
# As src/dags makes it, where the repository has that.
DAGS = {
    "models.py": "import airflow\n",
    "BUILD": """\
files(name="files", sources=["*.py"])
relocated_files(
    name="at_the_top",
    files_targets=[":files", "src/models/tulip:dag"],
    src="src",
    dest="",
)
archive(name="bundle", format="tar.gz", files=[":at_the_top"])
""",
}


@dataclass(frozen=True)
class Workplace:
    """A clone with the model tulip, and where it is deployed to."""

    root: Path
    engine: DockerEngine
    registry: DockerRegistry
    server: MLflowServer

    @property
    def dags(self) -> Path:
        return self.root.parent / "dags"

    @property
    def environment(self) -> dict[str, str]:
        return {
            **self.engine.env,
            "PANTS_IMAGES_BASE_IMAGE": "base:test",
            "MLFLOW_TRACKING_URI": self.server.uri,
            "DATASCIENCE_DEPLOYMENT_REGISTRY": self.registry.host,
            "DATASCIENCE_DEPLOYMENT_DAGS": str(self.dags),
        }

    def command(self, tool: str, *arguments: str) -> list[str]:
        pants = ("./pants", "--no-dynamic-ui", "--no-colors", "run", f"src/tools:{tool}")
        return [*pants, "--", "tulip", "--environment=staging", *arguments]

    def call(self, tool: str, *arguments: str, code: int = 0) -> Result:
        command = self.command(tool, *arguments)
        env = {**self.environment, "PANTS_PANTSD": "true"}
        result = Result.of(start(*command, cwd=self.root, env=env), timeout=600)
        assert result.code == code, (arguments, result.out, result.err)
        assert PASSWORD not in result.out + result.err
        return result

    def write(self, folder: str, files: dict[str, str]) -> None:
        (self.root / folder).mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (self.root / folder / name).write_text(text)

    def release(self) -> dict[str, Any] | None:
        file = self.dags / "models/tulip/release.json"
        return dict(json.loads(file.read_text())) if file.exists() else None

    def alias(self) -> str:
        client = MlflowClient(self.server.uri, self.server.uri)
        return str(client.get_model_version_by_alias("tulip", "champion").version)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    folder = tmp_path_factory.mktemp("workplace")
    root = folder / "repository"
    copy_repository(root)
    with (
        DockerEngine() as engine,
        DockerRegistry(PASSWORD) as registry,
        MLflowServer(folder / "mlflow") as server,
    ):
        workplace = Workplace(root, engine, registry, server)
        workplace.write("src/models/tulip", TULIP)
        if not (root / "src/dags/BUILD").exists():
            workplace.write("src/dags", DAGS)
        commit_all(root)
        registry.log_in(Path(engine.env["DOCKER_CONFIG"]), engine.env)
        (folder / "Dockerfile").write_text("FROM scratch\nADD Dockerfile /base\n")
        built = engine.docker("build", "--quiet", "--tag=base:test", folder)
        assert built.code == 0, built.err
        client = MlflowClient(server.uri, server.uri)
        client.create_registered_model("tulip")
        for _ in range(2):
            client.create_model_version("tulip", "s3://models/nowhere")
        client.set_registered_model_alias("tulip", "champion", "1")
        try:
            yield workplace
        finally:
            stop_pantsd(root)


def on_a_terminal(workplace: Workplace, *command: str, answer: str) -> int:
    """The exit code of a call that a person answers."""
    ours, its = pty.openpty()
    env = {**os.environ, **workplace.environment, "PANTS_PANTSD": "false"}
    with subprocess.Popen(
        command, cwd=workplace.root, env=env, stdin=its, stdout=subprocess.DEVNULL
    ) as program:
        os.close(its)
        os.write(ours, f"{answer}\n".encode())
        code = program.wait(timeout=600)
    os.close(ours)
    return code


def test_deploy_again_deploy_another_and_roll_back(workplace: Workplace) -> None:
    shown = workplace.call("deploy", "--dry-run")
    assert "will be pushed" in shown.out
    assert workplace.release() is None

    workplace.call("deploy", "--yes")
    first = workplace.release()
    assert first
    assert (first["release"], first["version"], first["environment"]) == (1, "1", "staging")
    digest = workplace.registry.digest("models/tulip", first["commit"])
    assert first["image"] == f"{workplace.registry.host}/models/tulip@{digest}"
    assert (workplace.dags / "models/tulip/dag.toml").read_text() == TULIP["dag.toml"]

    again = workplace.call("deploy")
    assert again.out == "tulip in staging: nothing to do, release 1 is already deployed.\n"

    workplace.write("src/models/tulip", {"predict.py": 'import packaging\n\nprint("two")\n'})
    refused = workplace.call("deploy", "--yes", code=2)
    assert "src/models/tulip/predict.py: is not committed." in refused.err
    commit_all(workplace.root)
    workplace.registry.stop()
    failed = workplace.call("deploy", "--yes", "--version=2", code=1)
    workplace.registry.start()
    assert f"{workplace.registry.host} cannot be reached" in failed.err
    assert workplace.release() == first
    workplace.call("deploy", "--yes", "--version=2")
    second = workplace.release()
    assert second
    assert (second["release"], second["previous"], second["version"]) == (2, 1, "2")
    assert second["image"] != first["image"]
    assert workplace.alias() == "2"

    rollback = workplace.command("rollback")
    assert on_a_terminal(workplace, *rollback, answer="y") == 0
    assert workplace.release() == first
    assert workplace.alias() == "1"
