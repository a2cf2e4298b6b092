"""Which MLflow models and tools talk to, and how patiently; imports no MLflow itself."""

from __future__ import annotations

import os
from typing import ClassVar

from pydantic import Field

from cli.errors import UserError
from config.settings import Settings

URI_VARIABLE = "MLFLOW_TRACKING_URI"
# MLflow reads these when it is imported.
_VARIABLES = {
    # Nothing is reported to anybody.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "GIT_PYTHON_REFRESH": "quiet",
    # The address of a run may hold a password, and MLflow prints it as it is.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # Where tqdm is installed it would draw a bar into every log.
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # A server that is down is told within seconds: MLflow's own defaults retry for minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
}


class TrackingSettings(Settings):
    """Which MLflow to use; by default an SQLite file and a folder in the repository."""

    section: ClassVar[str] = "tracking"

    uri: str = Field("", description="An MLflow server; default: $MLFLOW_TRACKING_URI.")
    require_server: bool = Field(False, description="Refuse the embedded store.")
    alias: str = Field(
        "champion",
        min_length=1,
        description="The alias of the version that predicts; one per environment, where several "
        "environments share a server.",
    )


def missing_variables() -> dict[str, str]:
    """What makes MLflow quiet, and soon done with a server that is down; unless it is set already.

    For the environment, before MLflow is imported.
    """
    return {name: value for name, value in _VARIABLES.items() if name not in os.environ}


def server_uri(settings: TrackingSettings) -> str:
    """The server that the settings or the environment name; empty for the embedded store.

    Raises:
        UserError: the settings demand a server and none is named.
    """
    uri = settings.uri or os.environ.get(URI_VARIABLE, "")
    if not uri and settings.require_server:
        raise UserError(
            "This environment requires an MLflow server, but none is set. "
            f"Set {URI_VARIABLE}, or choose --environment dev."
        )
    return uri
