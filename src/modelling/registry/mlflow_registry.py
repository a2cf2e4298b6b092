"""Log runs in MLflow, and register, find, load and promote versions."""

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

# Before MLflow: it sets the variables that MLflow reads when it is imported.
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
# The schemes that MLflow's stores and servers use; MLflow would also open others, such as ftp.
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
        """Connect to the server in the settings or environment, or to the embedded store.

        Raises:
            UserError: the settings require a server and none is set, or the embedded store is not
                usable.
        """
        _silence_logs()
        uri = server_uri(settings)
        embedded = None
        if not uri:
            embedded = repository_root() / STORE_FOLDER
            uri = embedded_store.prepare(embedded)
        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(uri)
        return cls(uri, embedded, settings.alias)

    def champion(self, name: str) -> ModelVersion | None:
        """The version that has the alias, or None."""
        return self._versions(name).aliased()

    def version(self, name: str, number: str) -> ModelVersion:
        """The version with a number; `latest` is the newest one.

        Raises:
            UserError: the version does not exist.
        """
        versions = self._versions(name)
        found = versions.latest() if number == LATEST else versions.find(number)
        if found is None:
            raise UserError(f"Model {name!r} has no version {number!r} in {self.uri}.")
        return found

    def promote(self, version: ModelVersion) -> None:
        """Move the alias to `version`."""
        self._versions(version.name).set_alias(version.version)

    def _versions(self, name: str) -> ModelVersions:
        return ModelVersions(name, self.uri, self.alias)

    def load(self, version: ModelVersion, definition: ModelDefinition) -> Pipeline:
        """Download and read the fitted pipeline of a version.

        Only a pipeline that `definition.build_pipeline` builds is loaded, with the types that the
        definition trusts.

        Raises:
            UserError: the version cannot be downloaded or read, is not stored by skops, or contains
                something else.
        """
        name = f"{version.name} version {version.version}"
        with (
            tempfile.TemporaryDirectory(prefix="model-") as folder,
            readable_errors(self.uri),
        ):
            path = _download(version, name, folder)
            return read_pipeline(_find_skops_file(path, name), name, definition)

    @contextmanager
    def start_run(self, experiment: str, name: str) -> Iterator[mlflow.ActiveRun]:
        """Start a run of an experiment, and create the experiment if it does not exist."""
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
            # Another process may have created it in the meantime.
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def log_results(
        self,
        parameters: Mapping[str, object],
        metrics: Mapping[str, float],
        artifacts: Mapping[str, object],
    ) -> None:
        """Log to the active run; an artifact is a string, a dictionary or a figure."""
        # A parameter may be a file name with characters that databases refuse.
        mlflow.log_params({name: safe(str(value)) for name, value in parameters.items()})
        mlflow.log_metrics(dict(metrics))
        for name, content in artifacts.items():
            if isinstance(content, str):
                mlflow.log_text(content, name)
            elif isinstance(content, dict):
                mlflow.log_dict(content, name)
            else:
                mlflow.log_figure(content, name)

    def read_results(self, version: ModelVersion) -> tuple[dict[str, str], dict[str, float]]:
        """The parameters and metrics that a version's training logged."""
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
        """Store the pipeline with the active run, and register it as a new version.

        Raises:
            UserError: `load` would refuse the pipeline.
        """
        _check_loadable(pipeline, definition)
        stored = mlflow.sklearn.log_model(
            pipeline,
            name="model",
            serialization_format="skops",
            skops_trusted_types=definition.collect_trusted_types(),
            signature=_build_signature(definition),
            input_example=example,
            pip_requirements=[f"{name}=={version}" for name, version in requirements.items()],
        )
        client = mlflow.MlflowClient()
        with suppress(MlflowException):  # it exists, or the next call raises the error
            client.create_registered_model(definition.name)
        return client.create_model_version(
            definition.name,
            stored.model_uri,
            run_id=run.info.run_id,
            tags=dict(tags),
            model_id=stored.model_id,
        )


def repository_root() -> Path:
    """The closest folder upwards with a `pants.toml`, or the current folder."""
    here = Path.cwd()
    return next((path for path in (here, *here.parents) if (path / "pants.toml").exists()), here)


def _check_loadable(pipeline: Pipeline, definition: ModelDefinition) -> None:
    with tempfile.TemporaryDirectory(prefix="model-") as folder:
        file = Path(folder) / "model.skops"
        try:
            skops.io.dump(pipeline, file)
        except Exception as error:  # an estimator that skops cannot store may raise anything
            raise UserError(
                f"{definition.name}: skops cannot store the pipeline: {ascii(error)[:300]}."
            ) from error
        read_pipeline(file, f"The trained {definition.name}", definition)


def _download(version: ModelVersion, name: str, folder: str) -> Path:
    """Download a version's files into `folder`, and return their folder."""
    scheme = urlsplit(_find_source(version)).scheme
    if scheme not in _SOURCES:
        raise UserError(
            f"{name} cannot be downloaded: the scheme of its location is {scheme!a}, expected one "
            f"of {', '.join(sorted(_SOURCES - {''}))}. Train a new version: "
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
    except Exception as error:  # the client library of such a location may raise anything
        raise UserError(
            f"{name} cannot be downloaded from its {scheme or 'file'} location: "
            f"{ascii(error)[:200]}."
        ) from error
    if not (path / MLMODEL_FILE_NAME).is_file():
        place = mlflow.MlflowClient().get_model_version_download_uri(version.name, version.version)
        raise UserError(
            f"{name} cannot be read: its files are missing in {place}. Restore them, or train the "
            "model again."
        )
    return path


def _find_source(version: ModelVersion) -> str:
    """The location of a version's files according to the registry."""
    client = mlflow.MlflowClient()
    source = str(client.get_model_version_download_uri(version.name, version.version))
    if source.startswith(_LOGGED_MODEL):
        source = client.get_logged_model(source.removeprefix(_LOGGED_MODEL)).artifact_location
    return source


def _find_skops_file(folder: Path, name: str) -> Path:
    """The pipeline's file, which the version's MLmodel file names."""
    try:
        flavor = Model.load(str(folder)).flavors["sklearn"]
        storage, file_name = flavor["serialization_format"], str(flavor["pickled_model"])
    except Exception as error:  # a modified MLmodel file may raise anything
        raise UserError(
            f"{name} cannot be read: its MLmodel file does not describe a sklearn model."
        ) from error
    if storage != "skops":
        raise UserError(
            f"{name} is not stored by skops, and loading a pickle can run any code. Train the "
            "model again with this repository's train task."
        )
    file = (folder / file_name).resolve()
    if file.parent != folder.resolve() or not file.is_file():
        raise UserError(f"{name} cannot be read: the version has no file {file_name!r}.")
    return file


def _build_signature(definition: ModelDefinition) -> ModelSignature:
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


def _silence_logs() -> None:
    """Hide log messages of MLflow and alembic, such as one for every table that they create."""
    for name in ("alembic", "mlflow"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # Logs the errors that it raises; `readable_errors` reports them.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", module="mlflow")
