"""Which MLflow server to use, and its timeouts; does not import MLflow."""

from __future__ import annotations

import os
from typing import ClassVar

from pydantic import Field

from cli.errors import UserError
from config.settings import Settings

URI_VARIABLE = "MLFLOW_TRACKING_URI"
# MLflow reads these when it is imported.
_VARIABLES = {
    # No telemetry.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "GIT_PYTHON_REFRESH": "quiet",
    # MLflow prints the URL of a run, which may contain a password.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # If tqdm is installed, it would draw a bar into every log.
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # Report a server that is down within seconds: MLflow's defaults retry for minutes.
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
    """Environment variables for a quiet MLflow with short timeouts, without those already set.

    Set them before MLflow is imported.
    """
    return {name: value for name, value in _VARIABLES.items() if name not in os.environ}


def server_uri(settings: TrackingSettings) -> str:
    """The server of the settings or the environment; empty for the embedded store.

    Raises:
        UserError: the settings require a server, and none is set.
    """
    uri = settings.uri or os.environ.get(URI_VARIABLE, "")
    if not uri and settings.require_server:
        raise UserError(
            "This environment requires an MLflow server, but none is set. "
            f"Set {URI_VARIABLE}, or choose --environment dev."
        )
    return uri
