"""MLflow: where runs are logged, versions registered, and the champion is found."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pandas as pd
import pandera.pandas as pa
import skops.io
from sklearn.pipeline import Pipeline

from cli.errors import UserError
from cli.safe_text import safe
from config.tracking import TrackingSettings, server_uri
from modelling.definition import ModelDefinition
from modelling.registry import embedded_store
from modelling.stored_models.read_pipeline import read_pipeline

# First: it sets the variables that MLflow reads when it is imported.
from modelling.registry.model_versions import ModelVersions, readable_errors  # isort: skip

import mlflow
import mlflow.sklearn
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from mlflow.models.model import MLMODEL_FILE_NAME
from mlflow.models.signature import ModelSignature
from mlflow.types import ColSpec, Schema

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

LATEST = "latest"
STORE_FOLDER = ".mlflow"
_MLFLOW_TYPES = {
    "float64": "double",
    "float32": "float",
    "int64": "long",
    "int32": "integer",
}
# Where MLflow's own stores and servers put files: it would open other places, too, such as ftp.
_SOURCES = {
    "",
    "file",
    "mlflow-artifacts",
    "runs",
    "s3",
    "r2",
    "gs",
    "wasbs",
    "abfss",
    "hdfs",
    "dbfs",
}
_LOGGED_MODEL = "models:/m-"


@dataclass(frozen=True)
class Registry:
    """Logs runs, and finds, loads and promotes the versions of models."""

    uri: str
    embedded: Path | None
    alias: str

    @classmethod
    def connect(cls, settings: TrackingSettings) -> Registry:
        """Use the server that the settings or the environment name, else the embedded store.

        Raises:
            UserError: the settings demand a server and none is named; the embedded store cannot be
                used.
        """
        _quieten()
        uri = server_uri(settings)
        embedded = None
        if not uri:
            embedded = repository_root() / STORE_FOLDER
            uri = embedded_store.prepare(embedded)
        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(uri)
        return cls(uri, embedded, settings.alias)

    def champion(self, name: str) -> ModelVersion | None:
        """The version that the alias points at, None where there is none."""
        return self._versions(name).aliased()

    def version(self, name: str, number: str) -> ModelVersion:
        """One version by its number; `latest` is the one that was registered last.

        Raises:
            UserError: there is no such version.
        """
        versions = self._versions(name)
        found = versions.latest() if number == LATEST else versions.find(number)
        if found is None:
            raise UserError(f"Model {name!r} has no version {number!r} in {self.uri}.")
        return found

    def promote(self, version: ModelVersion) -> None:
        """Point the alias at `version`."""
        self._versions(version.name).set_alias(version.version)

    def _versions(self, name: str) -> ModelVersions:
        return ModelVersions(name, self.uri, self.alias)

    def load(self, version: ModelVersion, definition: ModelDefinition) -> Pipeline:
        """The fitted pipeline of a version.

        Nothing is loaded but what `definition.build_pipeline` makes, with the types that the
        definition trusts. The file's own claims are not believed.

        Raises:
            UserError: the version cannot be fetched, is not stored by skops, holds something else,
                or cannot be read.
        """
        name = f"{version.name} version {version.version}"
        with (
            tempfile.TemporaryDirectory(prefix="model-") as folder,
            readable_errors(self.uri),
        ):
            path = _fetched(version, name, folder)
            return read_pipeline(_skops_file(path, name), name, definition)

    @contextmanager
    def run(self, experiment: str, name: str) -> Iterator[mlflow.ActiveRun]:
        """A run of an experiment, which is made where there is none."""
        with readable_errors(self.uri):
            if mlflow.get_experiment_by_name(experiment) is None:
                self._create_experiment(experiment)
            mlflow.set_experiment(experiment)
            with mlflow.start_run(run_name=name) as run:
                yield run

    def _create_experiment(self, name: str) -> None:
        at = self.embedded
        location = embedded_store.artifact_location(at) if at else None
        try:
            mlflow.create_experiment(name, artifact_location=location)
        except MlflowException as error:
            # Another process may have been faster.
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def log_results(
        self,
        parameters: Mapping[str, object],
        metrics: Mapping[str, float],
        artifacts: Mapping[str, object],
    ) -> None:
        """Log to the run that is open; an artifact is a text, a dictionary or a figure."""
        # Names of files may be text that no database takes.
        mlflow.log_params({name: safe(str(value)) for name, value in parameters.items()})
        mlflow.log_metrics(dict(metrics))
        for name, content in artifacts.items():
            if isinstance(content, str):
                mlflow.log_text(content, name)
            elif isinstance(content, dict):
                mlflow.log_dict(content, name)
            else:
                mlflow.log_figure(content, name)

    def results(self, version: ModelVersion) -> tuple[dict[str, str], dict[str, float]]:
        """The parameters and the metrics that a version's training logged."""
        if not version.run_id:
            return {}, {}
        with readable_errors(self.uri):
            data = mlflow.MlflowClient().get_run(version.run_id).data
        return data.params, data.metrics

    def register(
        self,
        pipeline: Pipeline,
        definition: ModelDefinition,
        run: mlflow.ActiveRun,
        *,
        example: pd.DataFrame,
        requirements: Mapping[str, str],
        tags: Mapping[str, str],
    ) -> ModelVersion:
        """Store the pipeline with the open run, and register it as a new version.

        Raises:
            UserError: the pipeline is one that `load` would refuse.
        """
        _check_loadable(pipeline, definition)
        stored = mlflow.sklearn.log_model(
            pipeline,
            name="model",
            serialization_format="skops",
            skops_trusted_types=definition.trusted(),
            signature=_signature(definition),
            input_example=example,
            pip_requirements=[f"{name}=={version}" for name, version in requirements.items()],
        )
        client = mlflow.MlflowClient()
        with suppress(MlflowException):  # it exists, or the next call says what is wrong
            client.create_registered_model(definition.name)
        return client.create_model_version(
            definition.name,
            stored.model_uri,
            run_id=run.info.run_id,
            tags=dict(tags),
            model_id=stored.model_id,
        )


def repository_root() -> Path:
    """The folder of the enclosing `pants.toml`, or the current folder outside a repository."""
    here = Path.cwd()
    return next((path for path in (here, *here.parents) if (path / "pants.toml").exists()), here)


def _check_loadable(pipeline: Pipeline, definition: ModelDefinition) -> None:
    with tempfile.TemporaryDirectory(prefix="model-") as folder:
        file = Path(folder) / "model.skops"
        try:
            skops.io.dump(pipeline, file)
        except Exception as error:  # whatever a part that skops cannot store raises
            raise UserError(
                f"{definition.name} cannot be stored by skops: {ascii(error)[:300]}."
            ) from error
        read_pipeline(file, f"{definition.name} as it was trained", definition)


def _fetched(version: ModelVersion, name: str, folder: str) -> Path:
    """The folder of a version's files, fetched into `folder`."""
    scheme = urlsplit(_source(version)).scheme
    if scheme not in _SOURCES:
        raise UserError(
            f"{name} cannot be fetched: the registry says that it is at {scheme + ':'!a}, expected "
            f"one of {', '.join(sorted(_SOURCES - {''}))}. Train a version: "
            f"./pants run src/models/{version.name}:train"
        )
    try:
        path = Path(
            mlflow.artifacts.download_artifacts(
                artifact_uri=f"models:/{version.name}/{version.version}", dst_path=folder
            )
        )
    except MlflowException:
        raise
    except Exception as error:  # whatever the library for such a source raises
        raise UserError(
            f"{name} cannot be fetched from its {scheme or 'file'} source: {ascii(error)[:200]}."
        ) from error
    if not (path / MLMODEL_FILE_NAME).is_file():
        place = mlflow.MlflowClient().get_model_version_download_uri(version.name, version.version)
        raise UserError(
            f"{name} cannot be read: MLflow stored its files in {place}, and they are not there. "
            "Restore them, or train the model again."
        )
    return path


def _source(version: ModelVersion) -> str:
    """Where the registry says that a version's files are."""
    client = mlflow.MlflowClient()
    source = str(client.get_model_version_download_uri(version.name, version.version))
    if source.startswith(_LOGGED_MODEL):
        source = client.get_logged_model(source.removeprefix(_LOGGED_MODEL)).artifact_location
    return source


def _skops_file(folder: Path, name: str) -> Path:
    """The file of the pipeline, as the version's description names it."""
    try:
        flavor = Model.load(str(folder)).flavors["sklearn"]
        storage, file_name = flavor["serialization_format"], str(flavor["pickled_model"])
    except Exception as error:  # whatever a description that somebody altered makes a reader raise
        raise UserError(f"{name} cannot be read: its MLmodel is no sklearn model's.") from error
    if storage != "skops":
        raise UserError(
            f"{name} is not stored by skops, and reading a pickle runs whatever its author hid in "
            "it. Train the model again with this repository's train task."
        )
    file = (folder / file_name).resolve()
    if file.parent != folder.resolve() or not file.is_file():
        raise UserError(f"{name} cannot be read: {file_name!r} is no file of this version.")
    return file


def _signature(definition: ModelDefinition) -> ModelSignature:
    return ModelSignature(
        inputs=_mlflow_schema(definition.input_contract),
        outputs=_mlflow_schema(definition.output_contract),
    )


def _mlflow_schema(contract: type[pa.DataFrameModel]) -> Schema:
    return Schema(
        [
            ColSpec(_MLFLOW_TYPES.get(str(column.dtype), "string"), name)
            for name, column in contract.to_schema().columns.items()
        ]
    )


def _quieten() -> None:
    """MLflow and alembic tell of every table that they make; a person asked for a model."""
    for name in ("alembic", "mlflow"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # Logs what it raises, which `readable_errors` reports.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", module="mlflow")
