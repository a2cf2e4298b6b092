"""Find versions of a registered model in MLflow, by number and by alias."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cli.errors import UserError
from config.tracking import missing_variables

os.environ.update(missing_variables())

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

_NOT_FOUND = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}


@dataclass(frozen=True)
class ModelVersions:
    """The versions of one model in the registry at `uri`; `alias` names the one that predicts."""

    model: str
    uri: str
    alias: str

    def aliased(self) -> ModelVersion | None:
        """The version that has the alias, or None."""
        with none_if_not_found(self.uri):
            return self._client().get_model_version_by_alias(self.model, self.alias)
        return None

    def find(self, number: str) -> ModelVersion | None:
        """The version with a number, or None."""
        with none_if_not_found(self.uri):
            return self._client().get_model_version(self.model, number)
        return None

    def latest(self) -> ModelVersion | None:
        """The newest version, or None."""
        with readable_errors(self.uri):
            found = self._client().search_model_versions(
                f"name='{self.model}'", max_results=1, order_by=["version_number DESC"]
            )
        return found[0] if found else None

    def numbers(self) -> list[int]:
        """The numbers of all versions, in ascending order."""
        with readable_errors(self.uri):
            found = self._client().search_model_versions(f"name='{self.model}'")
        return sorted(int(version.version) for version in found)

    def set_alias(self, number: str | None) -> None:
        """Move the alias to a version; None removes it."""
        with readable_errors(self.uri):
            if number is None:
                self._client().delete_registered_model_alias(self.model, self.alias)
            else:
                self._client().set_registered_model_alias(self.model, self.alias, number)

    def _client(self) -> MlflowClient:
        return MlflowClient(self.uri, self.uri)


@contextmanager
def none_if_not_found(uri: str) -> Iterator[None]:
    """Suppress the error of a missing version; convert others as `readable_errors` does."""
    with readable_errors(uri):
        try:
            yield
        except MlflowException as error:
            if error.error_code not in _NOT_FOUND:
                raise


@contextmanager
def readable_errors(uri: str) -> Iterator[None]:
    """Convert errors of MLflow and its database to one line.

    Raises:
        UserError: MLflow or its database failed; the message names the store.
    """
    try:
        yield
    except Exception as error:
        # By name: the client of a server does not need these libraries.
        database = type(error).__module__.partition(".")[0] in ("alembic", "sqlalchemy")
        if not database and not isinstance(error, MlflowException):
            raise
        reason = str(error).splitlines()[0]
        raise UserError(f"MLflow at {uri}: {reason}") from error
