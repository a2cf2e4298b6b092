"""Where a model is deployed to: an environment's registry, folder of DAGs and MLflow."""

from __future__ import annotations

import difflib
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

# What decides what is built.
_BUILT_FROM = ("src", "docker", "3rdparty", "pants-plugins", "pants.toml")


class DeploymentSettings(Settings):
    """Where the environment's images and DAGs are."""

    section: ClassVar[str] = "deployment"

    registry: str = Field("", description="the registry of images, such as registry.example.com")
    dags: str = Field(
        "", description="where Airflow takes its DAGs from: a folder, or s3://bucket/dags"
    )

    @field_validator("dags", mode="before")
    @classmethod
    def _without_credentials(cls, value: Any) -> Any:
        refuse_credentials(str(value))
        return value


@dataclass(frozen=True)
class Site:
    """Where one model is deployed to."""

    environment: str
    registry: str
    bundle: DeployedBundle
    versions: ModelVersions

    @classmethod
    def of(cls, model: str, context: TaskContext) -> Site:
        """That of the environment that was asked for.

        Raises:
            InputError: the environment's settings lack something.
            UserError: no MLflow server is named.
        """
        environment = context.environment or chosen_environment()
        settings = context.load(DeploymentSettings)
        for key in ("registry", "dags"):
            if not getattr(settings, key):
                raise InputError(
                    f"The environment {environment!r} has no [deployment] {key}: set it in "
                    f"src/config/environments/{environment}.toml, in the file of --config or as "
                    f"{PREFIX}DEPLOYMENT_{key.upper()}; or choose --environment staging or prod."
                )
        folder = open_folder(settings.dags, context.load(StoreSettings))
        versions = versions_on_server(model, context.load(TrackingSettings))
        return cls(environment, settings.registry, DeployedBundle(folder, model), versions)

    def current(self) -> Release | None:
        """What is deployed now.

        Raises:
            UserError: it is of another environment.
        """
        found = self.bundle.current()
        if found and found.environment != self.environment:
            raise UserError(
                f"{self.bundle.folder.location} has releases of {found.environment!r}: "
                f"{self.environment!r} needs a folder of its own, [deployment] dags."
            )
        return found

    def rollback_target(self, number: int | None) -> Record:
        """The release of that number; without one, the one before the present one.

        Raises:
            UserError: there is none.
        """
        model, current = self.versions.model, self.current()
        if current is None:
            raise UserError(f"{model} is not deployed to {self.environment}: nothing to roll back.")
        chosen = number or current.previous
        if chosen is None:
            raise UserError(
                f"{model} is at release {current.release} in {self.environment}, and there is none "
                "before it: nothing to roll back to."
            )
        return self.bundle.record(chosen)


def versions_on_server(model: str, settings: TrackingSettings) -> ModelVersions:
    """The versions on the server that the environment's tasks use.

    Raises:
        UserError: no server is named.
    """
    uri = server_uri(settings)
    if not uri:
        raise UserError(
            "No MLflow server is named, and only versions of a server can be deployed. "
            f"Set {URI_VARIABLE}, or [tracking] uri."
        )
    return ModelVersions(model, uri, settings.alias)


def choose_version(versions: ModelVersions, number: str) -> str:
    """The number, if there is such a version; without one, that of the aliased version.

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
        f"versions: {known}. Name one with --version, or train one there: "
        f"./pants run src/models/{versions.model}:train"
    )


def check_model(root: Path, name: str) -> None:
    """Refuse what is no model.

    Raises:
        InputError: it is none; names those that there are.
    """
    known = sorted(path.parent.name for path in root.glob("src/models/*/definition.py"))
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else f"; models: {', '.join(known)}."
        raise InputError(f"No model {name!r} in src/models{hint}")


def check_committed(root: Path) -> None:
    """Refuse to build from what is in no commit.

    Raises:
        InputError: something is changed.
    """
    changed = (git(root, "status", "--porcelain", "--", *_BUILT_FROM) or "").splitlines()
    if changed:
        raise InputError(
            f"{changed[0].split()[-1]}: is not committed"
            f"{f', nor {len(changed) - 1} more' if changed[1:] else ''}. Commit or stash it: what "
            "is deployed has to be found in git."
        )


def commit_of(root: Path) -> str:
    """The commit that is checked out.

    Raises:
        InputError: there is none.
    """
    commit = git(root, "rev-parse", "HEAD")
    if commit is None:
        raise InputError(f"{root}: not a git repository with a commit: what would be deployed?")
    return commit
