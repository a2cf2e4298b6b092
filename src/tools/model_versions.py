"""The versions of models in MLflow, and the alias by which tasks find the one that predicts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from config.errors import InputError, UserError
from config.tracking import URI_VARIABLE, TrackingSettings, missing_variables, server_uri

os.environ.update(missing_variables())

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

_NOT_THERE = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}


@dataclass(frozen=True)
class ModelVersions:
    """A model's versions on a server."""

    model: str
    uri: str
    alias: str

    @classmethod
    def of(cls, model: str, settings: TrackingSettings) -> ModelVersions:
        """Those of the server that the environment's tasks use.

        Raises:
            UserError: no server is named.
        """
        uri = server_uri(settings)
        if not uri:
            raise UserError(
                "No MLflow server is named, and the versions that are deployed come from one: "
                f"set {URI_VARIABLE}, or [tracking] uri."
            )
        return cls(model, uri, settings.alias)

    def aliased(self) -> str | None:
        """The version that the alias points at."""
        with self._readable_errors():
            try:
                found = self._client().get_model_version_by_alias(self.model, self.alias)
            except MlflowException as error:
                if error.error_code in _NOT_THERE:
                    return None
                raise
        return str(found.version)

    def choose(self, number: str) -> str:
        """The version of that number; without one, the one that the alias points at.

        Raises:
            InputError: there is none.
        """
        if not number:
            chosen = self.aliased()
            if chosen is None:
                raise InputError(
                    f"{self.model} has no version with the alias {self.alias!r} in {self.uri}"
                    f"{self._known()} Name one with --version, or train one there: "
                    f"./pants run src/models/{self.model}:train"
                )
            return chosen
        if not self.has(number):
            raise InputError(f"{self.model} has no version {number!r} in {self.uri}{self._known()}")
        return number

    def has(self, number: str) -> bool:
        """Whether a version is there."""
        with self._readable_errors():
            try:
                self._client().get_model_version(self.model, number)
            except MlflowException as error:
                if error.error_code not in _NOT_THERE:
                    raise
                return False
        return True

    def point_at(self, number: str | None) -> None:
        """Let the alias point at a version; None removes it."""
        with self._readable_errors():
            if number is None:
                self._client().delete_registered_model_alias(self.model, self.alias)
            else:
                self._client().set_registered_model_alias(self.model, self.alias, number)

    def _known(self) -> str:
        with self._readable_errors():
            found = self._client().search_model_versions(f"name = '{self.model}'")
        numbers = sorted(int(version.version) for version in found)
        return f"; versions: {', '.join(map(str, numbers)) or 'none'}."

    def _client(self) -> MlflowClient:
        return MlflowClient(self.uri, self.uri)

    @contextmanager
    def _readable_errors(self) -> Iterator[None]:
        try:
            yield
        except MlflowException as error:
            reason = str(error).splitlines()[0]
            raise UserError(f"MLflow at {self.uri}: {reason}") from error
