"""Deploying and rolling back, with a real registry, MLflow and folder or bucket of DAGs.

No Pants: deploy_test.py has one, which builds what is made up here.
"""

from __future__ import annotations

import io
import json
import os
import pty
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from mlflow import MlflowClient

from cli.errors import InputError, UserError
from cli.task import TaskContext
from config.tracking import TrackingSettings
from data_access_layer.folders import Folder, open_folder
from data_access_layer.settings import StoreSettings
from integration.commands import ROOT
from integration.docker_engine import DockerEngine
from integration.docker_registry import DockerRegistry
from integration.mlflow_server import MLflowServer
from integration.servers import S3, free_port
from modelling.registry.model_versions import ModelVersions
from tools.release.artifacts import Artifacts, Image, Registry
from tools.release.deploy_task import plan_deployment
from tools.release.environment import (
    DeploymentEnvironment,
    choose_version,
    versions_on_server,
)
from tools.release.plan import Plan, is_confirmed
from tools.release.release import DeployedBundle
from tools.release.rollback import RollbackSettings
from tools.release.rollback import run as roll_back_by_command
from tools.release.rollback_task import plan_rollback

PROGRAM = ROOT / "pants-plugins.model_image.scripts" / "manifest.pex"
PASSWORD = "correct-horse-planted"  # pragma: allowlist secret
STORES = StoreSettings(retries=0, retry_seconds=0, timeout_seconds=5)
ALL_TASKS = Image("docker/datascience:image", "datascience", "content-all")
DAGS = {"dags/models.py": b"import declared\n", "declared.py": b"ONE = 1\n"}


@dataclass
class Yard:
    """All that a deployment reaches, and two versions of a model to deploy."""

    engine: DockerEngine
    registry: DockerRegistry
    server: MLflowServer
    s3: S3
    digests: dict[str, str] = field(default_factory=dict)

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(self.server.uri, self.server.uri)

    def push(self, folder: Path, content: str, repository: str) -> None:
        """An image, as `./pants publish` leaves it behind."""
        ref = f"{self.registry.host}/{repository}:content-{content}"
        (folder / "file").write_text(content)
        (folder / "Dockerfile").write_text("FROM scratch\nADD file /\n")
        built = self.engine.docker("build", "--quiet", "--tag", ref, folder)
        assert built.code == 0, built.err
        pushed = self.engine.docker("push", ref)
        assert pushed.code == 0, pushed.err
        self.digests[content] = self.registry.digest(repository, f"content-{content}")


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    folder = tmp_path_factory.mktemp("yard")
    with (
        DockerEngine() as engine,
        DockerRegistry(PASSWORD) as registry,
        MLflowServer(folder / "mlflow") as server,
        S3("airflow") as s3,
    ):
        registry.log_in(Path(engine.env["DOCKER_CONFIG"]), engine.env)
        yard = Yard(engine, registry, server, s3)
        for content in ("one", "two"):
            yard.push(folder, content, "models/iris")
        yard.push(folder, "all", "datascience")
        yield yard


@pytest.fixture(autouse=True)
def reachable(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in yard.engine.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")


@dataclass(frozen=True)
class Deployed:
    """One environment with a model of its own in MLflow."""

    yard: Yard
    folder: Folder
    model: str
    root: Path

    @property
    def environment(self) -> DeploymentEnvironment:
        versions = versions_on_server(self.model, TrackingSettings(uri=self.yard.server.uri))
        bundle = DeployedBundle(self.folder, self.model)
        return DeploymentEnvironment("staging", self.yard.registry.host, bundle, versions)

    def plan(
        self, content: str, version: str, *, schedule: str = "", shared: Mapping[str, bytes] = DAGS
    ) -> Plan:
        declaration = f'schedule = "{schedule or content}"\n'.encode()
        image = Image("src/models/iris:image", "models/iris", f"content-{content}")
        # The second release has a task that is not the model's own.
        other = ALL_TASKS if content == "two" else None
        artifacts = Artifacts(image, other, declaration, shared)
        registry = Registry(self.yard.registry.host, PROGRAM)
        return plan_deployment(
            self.environment,
            artifacts,
            registry,
            root=self.root,
            version=version,
            commit=f"of-{content}",
        )

    def deploy(self, content: str, version: str, *, schedule: str = "") -> int:
        plan = self.plan(content, version, schedule=schedule)
        plan.apply()
        return plan.number

    def roll_back(self, to: int | None = None) -> int:
        registry = Registry(self.yard.registry.host, PROGRAM)
        plan = plan_rollback(self.environment, self.environment.rollback_target(to), registry)
        plan.apply()
        return plan.number

    def state(self) -> dict[str, object]:
        """What runs: all that Airflow and the tasks look at."""
        release = self.folder.read(f"models/{self.model}/release.json")
        told = json.loads(release) if release else {}
        return {
            "release": told.get("release"),
            "images": (told.get("image"), told.get("shared_image")),
            "version": told.get("version"),
            "alias": (version := self.environment.versions.aliased()) and str(version.version),
            "declaration": self.folder.read(f"models/{self.model}/dag.toml"),
            "shared": {name: self.folder.read(name) for name in DAGS},
        }

    def expected(self, number: int, content: str, version: str) -> dict[str, object]:
        host = self.yard.registry.host
        return {
            "release": number,
            "images": (
                f"{host}/models/iris@{self.yard.digests[content]}",
                f"{host}/datascience@{self.yard.digests['all']}" if content == "two" else "",
            ),
            "version": version,
            "alias": version,
            "declaration": f'schedule = "{content}"\n'.encode(),
            "shared": DAGS,
        }


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path, yard: Yard) -> Folder:
    if request.param == "folder":
        return open_folder(str(tmp_path / "dags"), STORES)
    settings = STORES.model_copy(update={"s3_endpoint_url": yard.s3.endpoint})
    return open_folder(f"s3://airflow/{tmp_path.name}", settings)


@pytest.fixture
def deployed(place: Folder, yard: Yard, tmp_path: Path) -> Deployed:
    model = f"iris_{re.sub(r'[^a-z0-9]', '_', tmp_path.name.lower())}"
    yard.client.create_registered_model(model)
    for _ in range(3):
        yard.client.create_model_version(model, "s3://models/nowhere")
    return Deployed(yard, place, model, tmp_path)


def test_deploy_twice_and_roll_back_to_what_was_before(deployed: Deployed) -> None:
    assert deployed.deploy("one", "1") == 1
    assert deployed.state() == deployed.expected(1, "one", "1")
    again = deployed.plan("one", "1")
    assert (again.is_empty, again.number) == (True, 1)
    assert deployed.deploy("two", "2") == 2
    assert deployed.state() == deployed.expected(2, "two", "2")
    assert deployed.roll_back() == 1
    assert deployed.state() == deployed.expected(1, "one", "1")
    # One further back each time, and there is none before the first.
    with pytest.raises(UserError, match="has no earlier release: nothing to roll back to"):
        deployed.roll_back()
    # What follows a rollback returns to what ran before it, and not to what was rolled back.
    assert deployed.deploy("two", "3") == 3
    assert deployed.roll_back() == 1
    assert deployed.roll_back(to=2) == 2
    assert deployed.state() == deployed.expected(2, "two", "2")
    assert deployed.environment.bundle.numbers() == [1, 2, 3]


@pytest.mark.parametrize("place", ["bucket"], indirect=True)
def test_another_model_s_release_stays_and_shared_code_does_not(deployed: Deployed) -> None:
    deployed.deploy("one", "1")
    theirs = {f"models/other/{name}": b"theirs\n" for name in ("dag.toml", "release.json")}
    for name, content in theirs.items():
        deployed.folder.write(name, content)
    plan = deployed.plan("one", "1", shared={"dags/models.py": b"import other\n", "other.py": b""})
    assert plan.details == (
        "This deployment changes code that the DAGs of all models share:",
        "  dags/models.py",
        "  declared.py (removed)",
        "  other.py (new)",
    )
    plan.apply()
    assert {name: deployed.folder.read(name) for name in theirs} == theirs
    assert deployed.folder.read("declared.py") is None
    assert deployed.folder.read("other.py") == b""
    deployed.roll_back()
    assert deployed.folder.read("other.py") == b""


@pytest.mark.parametrize("place", ["folder"], indirect=True)
def test_nothing_is_deployed_by_a_plan(deployed: Deployed) -> None:
    plan = deployed.plan("one", "1")
    assert not plan.is_empty
    assert deployed.state()["release"] is None
    assert deployed.folder.names(f"releases/{deployed.model}") == []
    assert deployed.environment.versions.aliased() is None


def test_nobody_is_asked_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_confirmed(yes=True)
    monkeypatch.setattr("sys.stdin", io.StringIO("y"))
    with pytest.raises(InputError, match="Use --yes to skip the question"):
        is_confirmed(yes=False)


@pytest.mark.parametrize(("answer", "agrees"), [("y", True), ("n", False), ("", False)])
def test_a_person_on_a_terminal_decides(
    monkeypatch: pytest.MonkeyPatch, answer: str, agrees: bool
) -> None:
    ours, its = pty.openpty()
    with os.fdopen(its) as terminal:
        monkeypatch.setattr("sys.stdin", terminal)
        os.write(ours, f"{answer}\n".encode())
        assert is_confirmed(yes=False) is agrees
    os.close(ours)


def stop_registry(deployed: Deployed) -> Callable[[], None]:
    deployed.yard.registry.stop()
    return deployed.yard.registry.start


def stop_mlflow(deployed: Deployed) -> Callable[[], None]:
    deployed.yard.server.stop()
    return deployed.yard.server.start


def fail_to_write(name: str) -> Callable[[Deployed], Callable[[], None]]:
    """A folder stands where the file should: as good as a store that refuses it."""

    def fail(deployed: Deployed) -> Callable[[], None]:
        path = Path(deployed.folder.location) / name.format(model=deployed.model)
        before = path.read_bytes() if path.is_file() else None
        path.unlink(missing_ok=True)
        path.mkdir(parents=True)
        (path / "in_the_way").touch()

        def mend() -> None:
            (path / "in_the_way").unlink()
            path.rmdir()
            if before is not None:
                path.write_bytes(before)

        return mend

    return fail


@pytest.mark.parametrize("place", ["folder"], indirect=True)
@pytest.mark.parametrize(
    ("breaking", "says"),
    [
        (stop_registry, "failed at 'push the images to"),
        (fail_to_write("releases/{model}/2.json"), "failed at 'write releases/"),
        (fail_to_write("new.py"), "failed at 'write the shared code of all DAGs"),
        (stop_mlflow, "failed at 'move the alias champion"),
    ],
)
def test_a_failure_in_the_middle_leaves_what_ran_and_the_same_call_goes_on(
    deployed: Deployed, breaking: Callable[[Deployed], Callable[[], None]], says: str
) -> None:
    deployed.deploy("one", "1")
    before = deployed.state()
    plan = deployed.plan("two", "2", shared={**DAGS, "new.py": b"", "dags/models.py": b"new\n"})
    mend = breaking(deployed)
    try:
        with pytest.raises(UserError, match=re.escape(says)) as raised:
            plan.apply()
    finally:
        mend()
    assert "Fix this, and run the same command again" in str(raised.value)
    assert deployed.state() == before
    assert deployed.deploy("two", "2") == 2
    assert deployed.state() == deployed.expected(2, "two", "2")


@pytest.mark.parametrize("place", ["bucket"], indirect=True)
def test_where_nothing_can_be_put_back_a_message_says_so_and_the_next_call_mends_it(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store goes away between two writes, and stays away."""
    deployed.deploy("one", "1")
    plan = deployed.plan("two", "2")
    versions = type(deployed.environment.versions)
    set_alias = versions.set_alias

    def point_and_stop(self: ModelVersions, number: str | None) -> None:
        set_alias(self, number)
        deployed.yard.s3.stop()

    monkeypatch.setattr(versions, "set_alias", point_and_stop)
    try:
        with pytest.raises(UserError, match="Could not undo") as raised:
            plan.apply()
    finally:
        monkeypatch.undo()
        deployed.yard.s3.start()
    assert f"models/{deployed.model}/dag.toml" in str(raised.value)


@pytest.mark.parametrize("place", ["folder"], indirect=True)
def test_a_first_deployment_that_fails_leaves_nothing(deployed: Deployed) -> None:
    plan = deployed.plan("one", "1")
    mend = fail_to_write("models/{model}/release.json")(deployed)
    try:
        with pytest.raises(UserError, match="the earlier release still runs"):
            plan.apply()
    finally:
        mend()
    state = deployed.state()
    assert (state["release"], state["alias"], state["declaration"]) == (None, None, None)
    assert state["shared"] == dict.fromkeys(DAGS)
    assert deployed.folder.names(f"releases/{deployed.model}") == []


@pytest.mark.parametrize("place", ["folder"], indirect=True)
def test_what_is_gone_is_not_rolled_back_to(deployed: Deployed) -> None:
    deployed.deploy("one", "1")
    deployed.deploy("two", "2")
    deployed.yard.client.delete_model_version(deployed.model, "1")
    before = deployed.state()
    with pytest.raises(UserError, match="version 1 of release 1 no longer exists in"):
        deployed.roll_back()
    assert deployed.state() == before


@pytest.mark.parametrize("place", ["folder"], indirect=True)
def test_versions_that_are_not_there_are_refused_with_those_that_are(deployed: Deployed) -> None:
    versions = deployed.environment.versions
    for number, problem in (("9", "no version '9'"), ("", "no version with the alias 'champion'")):
        with pytest.raises(UserError, match=re.escape(problem)) as raised:
            choose_version(versions, number)
        assert "; versions: 1, 2, 3." in str(raised.value)
    assert choose_version(versions, "2") == "2"


@pytest.mark.parametrize("place", ["folder"], indirect=True)
def test_a_folder_of_another_environment_is_refused(deployed: Deployed) -> None:
    deployed.deploy("one", "1")
    staging = deployed.environment
    production = DeploymentEnvironment("prod", staging.registry, staging.bundle, staging.versions)
    with pytest.raises(UserError, match="Set a separate folder for 'prod'"):
        production.rollback_target(None)


def test_what_is_not_deployed_is_not_rolled_back(
    tmp_path: Path, yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pants.toml").touch()
    definition = tmp_path / "src/models/iris/definition.py"
    definition.parent.mkdir(parents=True)
    definition.touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", yard.server.uri)
    monkeypatch.setenv("DATASCIENCE_DEPLOYMENT_REGISTRY", f"127.0.0.1:{free_port()}")
    monkeypatch.setenv("DATASCIENCE_DEPLOYMENT_DAGS", str(tmp_path / "dags"))
    with pytest.raises(UserError, match="iris is not deployed to prod: nothing to roll back"):
        roll_back_by_command(RollbackSettings(name="iris"), TaskContext({}, "prod"))
    assert sorted(os.listdir(tmp_path)) == ["pants.toml", "src"]
