"""The environment that a model is deployed to: image registry, DAG folder and MLflow server."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field, field_validator

from cli.errors import InputError, UserError
from cli.task import TaskContext
from config.settings import PREFIX, Settings, chosen_environment
from config.tracking import URI_VARIABLE, TrackingSettings, server_uri
from data_access_layer.folders import open_folder
from data_access_layer.locations import refuse_credentials
from data_access_layer.settings import StoreSettings
from modelling.registry.model_versions import ModelVersions
from tools.release.release import DeployedBundle, Record, Release
from tools.workspace.git import git

# The inputs of a build.
_BUILT_FROM = ("src", "docker", "3rdparty", "pants-plugins", "pants.toml")


class DeploymentSettings(Settings):
    """The places of an environment's images and DAGs."""

    section: ClassVar[str] = "deployment"

    registry: str = Field("", description="the image registry, such as registry.example.com")
    dags: str = Field(
        "", description="the folder that Airflow reads DAGs from, or s3://bucket/dags"
    )

    @field_validator("dags", mode="before")
    @classmethod
    def _without_credentials(cls, value: Any) -> Any:
        refuse_credentials(str(value))
        return value


@dataclass(frozen=True)
class DeploymentEnvironment:
    """One model's deployment environment."""

    name: str
    registry: str
    bundle: DeployedBundle
    versions: ModelVersions

    @classmethod
    def of(cls, model: str, context: TaskContext) -> DeploymentEnvironment:
        """The environment of --environment or the settings.

        Raises:
            InputError: a setting of the environment is missing.
            UserError: no MLflow server is set.
        """
        name = context.environment or chosen_environment()
        settings = context.load(DeploymentSettings)
        for key in ("registry", "dags"):
            if not getattr(settings, key):
                raise InputError(
                    f"The environment {name!r} has no [deployment] {key}. Set it in "
                    f"src/config/environments/{name}.toml, in the file of --config or as "
                    f"{PREFIX}DEPLOYMENT_{key.upper()}, or use --environment staging or prod."
                )
        folder = open_folder(settings.dags, context.load(StoreSettings))
        versions = versions_on_server(model, context.load(TrackingSettings))
        return cls(name, settings.registry, DeployedBundle(folder, model), versions)

    @property
    def title(self) -> str:
        """The model and the environment, such as `iris in prod`."""
        return f"{self.versions.model} in {self.name}"

    def current(self) -> Release | None:
        """The release that is deployed now, None before the first deployment.

        Raises:
            UserError: it belongs to another environment.
        """
        found = self.bundle.current()
        if found and found.environment != self.name:
            raise UserError(
                f"{self.bundle.folder.location} has releases of {found.environment!r}. Set a "
                f"separate folder for {self.name!r}: [deployment] dags."
            )
        return found

    def aliased_version(self) -> str | None:
        """The number of the version that the alias points at, None if there is none."""
        version = self.versions.aliased()
        return str(version.version) if version else None

    def rollback_target(self, number: int | None) -> Record:
        """The release with this number; with None, the release before the current one.

        Raises:
            UserError: there is no such release.
        """
        model, current = self.versions.model, self.current()
        if current is None:
            raise UserError(f"{model} is not deployed to {self.name}: nothing to roll back.")
        chosen = number or current.previous
        if chosen is None:
            raise UserError(
                f"{model} is at release {current.release} in {self.name}, which has no earlier "
                "release: nothing to roll back to."
            )
        return self.bundle.record(chosen)


def versions_on_server(model: str, settings: TrackingSettings) -> ModelVersions:
    """The model's versions on the environment's MLflow server.

    Raises:
        UserError: no server is set.
    """
    uri = server_uri(settings)
    if not uri:
        raise UserError(
            "No MLflow server is set, and only versions on a server can be deployed. "
            f"Set {URI_VARIABLE}, or [tracking] uri."
        )
    return ModelVersions(model, uri, settings.alias)


def choose_version(versions: ModelVersions, number: str) -> str:
    """Return `number` if there is such a version; if it is empty, the aliased version's number.

    Raises:
        InputError: there is no such version.
    """
    version = versions.find(number) if number else versions.aliased()
    if version is not None:
        return str(version.version)
    known = ", ".join(map(str, versions.numbers())) or "none"
    if number:
        raise InputError(
            f"{versions.model} has no version {number!r} in {versions.uri}; versions: {known}."
        )
    raise InputError(
        f"{versions.model} has no version with the alias {versions.alias!r} in {versions.uri}; "
        f"versions: {known}. Name one with --version, or train one on this server: "
        f"./pants run src/models/{versions.model}:train"
    )


def check_committed(root: Path) -> None:
    """Refuse to build uncommitted changes.

    Raises:
        InputError: there are uncommitted changes.
    """
    changed = (git(root, "status", "--porcelain", "--", *_BUILT_FROM) or "").splitlines()
    if changed:
        raise InputError(
            f"{changed[0].split()[-1]}: is not committed"
            f"{f', and {len(changed) - 1} more' if changed[1:] else ''}. Commit or stash the "
            "changes: only commits can be deployed."
        )


def head_commit(root: Path) -> str:
    """The checked-out commit.

    Raises:
        InputError: there is none.
    """
    commit = git(root, "rev-parse", "HEAD")
    if commit is None:
        raise InputError(f"{root}: expected a git repository with a commit to deploy.")
    return commit
