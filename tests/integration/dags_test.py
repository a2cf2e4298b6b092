"""The DAG bundle in a real Airflow, with a home and a database of its own."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest

from integration.commands import ROOT, Result, start
from integration.mlflow_server import MLflowServer
from integration.servers import S3

# In Airflow's own environment, and to be seen nowhere.
HIDDEN = "hidden"
CHAIN = ["train", "evaluate", "gate", "predict", "export"]
# Not of a model whose declaration a person may change: of one that is made here.
DECLARATION = """\
start_date = 2026-01-01
schedule = "{schedule}"
owner = "somebody"
retries = 1
retry_delay_minutes = 3
secrets = ["mlflow"]
[alerts]
emails = ["somebody@example.com"]
[resources]
cpu = 0.5
memory = "1Gi"
[environment]
DATASCIENCE_PREDICT_BATCH_ROWS = "1000"
[tasks.predict]
options = {{ output = "{{{{ ds }}}}.parquet" }}
[tasks.export]
after = ["predict"]
retries = 4
module = "data_exports.export"
"""
RELEASE = {
    "model": "tulip",
    "image": "host/models/tulip@sha256:12",
    "version": "3",
    "commit": "abc",
    "environment": "prod",
}
# Prints what Airflow's own DagBag finds in bundles. Airflow is imported once, and a process is
# forked for each bundle.
PARSER = """
import json, os, sys
from airflow.dag_processing.dagbag import DagBag

def describe(task):
    fields = {name: getattr(task, name) for name in task.template_fields}
    callbacks = task.on_failure_callback
    return {
        "class": type(task).__name__, "after": sorted(task.upstream_task_ids), "owner": task.owner,
        "retries": task.retries, "delay": task.retry_delay.total_seconds(),
        "alerts": [c.to for c in (callbacks if isinstance(callbacks, list) else [callbacks]) if c],
        "mem_limit": getattr(task, "mem_limit", None), "cpus": getattr(task, "cpus", None),
        "namespace": getattr(task, "namespace", None),
        **{name: json.loads(json.dumps(value, default=plain)) for name, value in fields.items()},
    }

def plain(value):
    return value.to_dict() if hasattr(value, "to_dict") else str(value)

def parse(folder):
    bag = DagBag(folder, bundle_name="test")
    return {
        "errors": bag.import_errors,
        "heavy": sorted({"pandas", "mlflow", "sklearn", "pyarrow"} & set(sys.modules)),
        "dags": {
            dag_id: {
                "schedule": dag.schedule, "tasks": {t.task_id: describe(t) for t in dag.tasks}
            }
            for dag_id, dag in bag.dags.items()
        },
    }

for line in sys.stdin:
    asked = json.loads(line)
    sys.stdout.flush()
    process = os.fork()
    if not process:
        os.environ.update(asked["env"])
        print(json.dumps(parse(asked["folder"])), flush=True)
        os._exit(0)
    os.waitpid(process, 0)
"""


def environment(folder: Path) -> dict[str, str]:
    """Of an Airflow whose home, bundle and work are in a folder."""
    return {
        "AIRFLOW_HOME": str(folder / "home"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "bundle"),
        "DATASCIENCE_DAGS_FOLDER": str(folder / "work"),
        "DATASCIENCE_DAGS_PYTHON": _python(),
        "DATASCIENCE_DAGS_PACKAGES": str(ROOT),
        "MLFLOW_TRACKING_URI": "",
        "PYTHONPATH": "",
    }


def _python() -> str:
    return str(Path(sys.executable).resolve())


AIRFLOW = (_python(), str(ROOT / "src.dags/airflow.pex"))


@dataclass(frozen=True)
class Parser:
    """The program that parses bundles."""

    to: IO[str]
    back: IO[str]

    def parse(self, folder: Path, env: Mapping[str, str]) -> dict[str, Any]:
        self.to.write(json.dumps({"folder": str(folder), "env": dict(env)}) + "\n")
        self.to.flush()
        # Airflow may log before the answer.
        while not (line := self.back.readline()).startswith("{"):
            assert line, "the parser has ended"
        assert HIDDEN not in line
        found: dict[str, Any] = json.loads(line)
        return found


@pytest.fixture(scope="module")
def parser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parser]:
    folder = tmp_path_factory.mktemp("parser")
    own = {"PEX_INTERPRETER": "1", "DATASCIENCE_UNKNOWN": HIDDEN}
    # The first call installs what is packaged.
    with subprocess.Popen(
        [*AIRFLOW, "-c", PARSER],
        cwd=folder,
        env={**os.environ, **environment(folder), **own},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        yield Parser(process.stdin, process.stdout)
        process.kill()


@dataclass(frozen=True)
class Airflow:
    """A bundle that is unpacked, and an Airflow with its own home."""

    folder: Path
    parser: Parser

    @property
    def models(self) -> Path:
        return self.folder / "bundle/models"

    @property
    def work(self) -> Path:
        return self.folder / "work"

    def __call__(self, *arguments: str, **variables: str) -> Result:
        env = {**environment(self.folder), **variables}
        started = start(*AIRFLOW, *arguments, cwd=self.work, env=env)
        return Result.of(started, timeout=600)

    def parsed(self, **settings: str) -> dict[str, Any]:
        given = {f"DATASCIENCE_DAGS_{name.upper()}": value for name, value in settings.items()}
        return self.parser.parse(self.folder / "bundle", {**environment(self.folder), **given})

    def declare(self, model: str, text: str) -> None:
        (self.models / model).mkdir(exist_ok=True)
        (self.models / model / "dag.toml").write_text(text)


@pytest.fixture
def airflow(tmp_path: Path, parser: Parser) -> Airflow:
    (tmp_path / "work").mkdir()
    with tarfile.open(ROOT / "src.dags/bundle.tar.gz") as archive:
        archive.extractall(tmp_path / "bundle", filter="data")
    return Airflow(tmp_path, parser)


@pytest.fixture
def tulip(airflow: Airflow) -> Airflow:
    """With no model but one that was released."""
    shutil.rmtree(airflow.models)
    airflow.models.mkdir()
    airflow.declare("tulip", DECLARATION.format(schedule="0 4 * * *"))
    (airflow.models / "tulip/release.json").write_text(json.dumps(RELEASE))
    return airflow


def test_the_dag_of_every_model_is_parsed_and_nothing_heavy_is_loaded(airflow: Airflow) -> None:
    found = airflow.parsed()
    assert (found["errors"], found["heavy"]) == ({}, [])
    assert sorted(found["dags"]) == sorted(path.name for path in airflow.models.iterdir())
    iris = found["dags"]["iris"]["tasks"]
    assert {name: task["after"] for name, task in iris.items()} == {
        name: [before] if before else [] for name, before in zip(CHAIN, ["", *CHAIN], strict=False)
    }


def test_a_wrong_declaration_is_an_import_error_and_all_other_models_have_their_dags(
    airflow: Airflow,
) -> None:
    models = sorted(path.name for path in airflow.models.iterdir())
    airflow.declare("tulip", DECLARATION.format(schedule="daily"))
    airflow.declare("rose", DECLARATION.format(schedule="@daily").replace("owner", "ownr"))
    found = airflow.parsed()
    assert sorted(found["dags"]) == models
    (error,) = found["errors"].values()
    assert "models/tulip/dag.toml: schedule: expected five cron fields" in error
    assert "models/rose/dag.toml: ownr: unknown key; did you mean 'owner'?" in error


def test_a_model_changes_its_schedule_in_its_own_folder(tulip: Airflow) -> None:
    tulip.declare("rose", DECLARATION.format(schedule="0 4 * * *"))
    tulip.declare("tulip", DECLARATION.format(schedule="30 6 * * 1"))
    dags = tulip.parsed()["dags"]
    assert {name: dag["schedule"] for name, dag in dags.items()} == {
        "rose": "0 4 * * *",
        "tulip": "30 6 * * 1",
    }


def test_in_production_tasks_are_pods_of_the_released_image(tulip: Airflow) -> None:
    found = tulip.parsed(runner="kubernetes", namespace="models", volume_claim="shared")
    assert (found["errors"], found["heavy"]) == ({}, [])
    predict, export = (found["dags"]["tulip"]["tasks"][name] for name in ("predict", "export"))
    amounts = {"cpu": "0.5", "memory": "1Gi"}
    assert predict["class"] == "KubernetesPodOperator"
    assert predict["image"] == RELEASE["image"]
    assert predict["arguments"] == ["models.tulip.predict", "--output", "{{ ds }}.parquet"]
    assert predict["env_vars"] == {
        "DATASCIENCE_ENVIRONMENT": "prod",
        "DATASCIENCE_PREDICT_BATCH_ROWS": "1000",
    }
    assert [one["secret_ref"]["name"] for one in predict["env_from"]] == ["mlflow"]
    resources = predict["container_resources"]
    assert (resources["requests"], resources["limits"]) == (amounts, amounts)
    assert predict["volumes"][0]["persistent_volume_claim"]["claim_name"] == "shared"
    assert predict["volume_mounts"][0]["mount_path"] == "/work"
    assert predict["namespace"] == "models"
    assert (predict["owner"], predict["retries"], predict["delay"]) == ("somebody", 1, 180)
    assert predict["alerts"] == [["somebody@example.com"]]
    assert (export["retries"], export["after"]) == (4, ["predict"])
    assert export["image"] == "host/datascience:abc"


def test_tasks_can_be_containers(tulip: Airflow) -> None:
    predict = tulip.parsed(runner="docker")["dags"]["tulip"]["tasks"]["predict"]
    assert predict["class"] == "DockerOperator"
    assert predict["image"] == RELEASE["image"]
    assert predict["command"] == ["models.tulip.predict", "--output", "{{ ds }}.parquet"]
    assert predict["environment"]["DATASCIENCE_PREDICT_BATCH_ROWS"] == "1000"
    assert (predict["cpus"], predict["mem_limit"]) == (0.5, "1g")
    assert predict["alerts"] == [["somebody@example.com"]]


def test_a_setting_that_does_not_exist_is_told(tulip: Airflow) -> None:
    (error,) = tulip.parsed(runer="docker")["errors"].values()
    assert "DATASCIENCE_DAGS_RUNER" in error


def written(folder: Path) -> dict[str, str]:
    """The SHA-256 of each file below the folders of predictions and exports."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for name in ("predictions", "exports")
        for path in (folder / name).rglob("*")
        if path.is_file()
    }


def champion(folder: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(folder / ".mlflow/mlflow.db")) as store:
        return store.execute("SELECT name, alias, version FROM registered_model_aliases").fetchall()


def test_a_run_trains_evaluates_gates_predicts_and_exports_and_again_changes_nothing(
    airflow: Airflow,
) -> None:
    runs = []
    for _ in ("first", "again"):
        result = airflow("dags", "test", "iris", "2026-01-01")
        assert result.code == 0, result.out[-5000:] + result.err[-5000:]
        said = result.out + result.err
        places = [said.index(f"end task task_id={task}") for task in CHAIN]
        assert places == sorted(places)
        runs.append((written(airflow.work), champion(airflow.work)))
    (files, champions), again = runs
    assert sorted(files) == [
        "exports/iris/2026-01-01.csv",
        "exports/iris/2026-01-01.csv.manifest.json",
        "predictions/iris/2026-01-01.parquet",
        "predictions/iris/2026-01-01.parquet.manifest.json",
    ]
    assert champions == [("iris", "champion", 1)]
    assert again == (files, champions)


# Each task has a folder of its own, which nobody sees after it.
ALONE = """\
#!/bin/sh
cd "$(mktemp -d "{folder}/task-XXXXXX")" && exec {python} "$@"
"""


@pytest.mark.parametrize(
    ("model", "predicted"), [("iris", "setosa"), ("company_emissions", "intensity")]
)
def test_tasks_that_share_no_folder_pass_their_tables_through_s3(
    airflow: Airflow, tmp_path: Path, model: str, predicted: str
) -> None:
    program = tmp_path / "alone"
    program.write_text(ALONE.format(folder=tmp_path, python=_python()))
    program.chmod(0o755)
    with S3("flows") as s3, MLflowServer(tmp_path / "mlflow") as mlflow:
        result = airflow(
            *("dags", "test", model, "2026-01-01"),
            DATASCIENCE_DAGS_PLACES="s3://flows/prod",
            DATASCIENCE_STORES_ROOT="s3://flows/tables",
            DATASCIENCE_DAGS_PYTHON=str(program),
            DATASCIENCE_STORES_S3_ENDPOINT_URL=s3.endpoint,
            AWS_ACCESS_KEY_ID="key",
            AWS_SECRET_ACCESS_KEY="secret",  # pragma: allowlist secret
            MLFLOW_TRACKING_URI=mlflow.uri,
        )
        assert result.code == 0, result.out[-5000:] + result.err[-5000:]
        # What another model's run left, moto still has.
        names = [name for name in s3.names("prod/") if f"/{model}/" in name]
        exported = s3.get(f"s3://flows/prod/exports/{model}/2026-01-01.csv").decode()
    assert names == [
        f"exports/{model}/2026-01-01.csv",
        f"exports/{model}/2026-01-01.csv.manifest.json",
        f"predictions/{model}/2026-01-01.parquet",
        f"predictions/{model}/2026-01-01.parquet.manifest.json",
    ]
    assert predicted in exported
    assert written(airflow.work) == {}
    folders = [folder for folder in tmp_path.glob("task-*") if list(folder.iterdir())]
    assert folders == []
