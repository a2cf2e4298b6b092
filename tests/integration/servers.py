"""Real servers of stores, which a test starts, kills and starts again."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import pytest

from support.requirements import fail_missing
from support.tasks import IMPORT_PATH

# Debian installs the servers of all versions next to each other, none of them in PATH.
BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
USER = "analyst"
SECONDS_TO_START = 60


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


class PostgreSQL:
    """A PostgreSQL server that asks for a password, sorts text as English does, and logs all."""

    def __init__(self, password: str) -> None:
        if not BINARIES:
            fail_missing("PostgreSQL")
        self._binaries = BINARIES[-1].parent
        self._folder = Path(tempfile.mkdtemp(prefix="postgresql-"))
        self._password = password
        self._process: subprocess.Popen[bytes] | None = None
        self._log = self._folder / "log"
        self.port = free_port()

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://127.0.0.1:{self.port}/postgres"

    def _as_other(self) -> dict[str, Any]:
        """The server refuses to run as root."""
        if os.getuid():
            return {}
        for name in ("postgres", "nobody"):
            with suppress(KeyError):
                other = pwd.getpwnam(name)
                os.chown(self._folder, other.pw_uid, other.pw_gid)
                return {"user": other.pw_uid, "group": other.pw_gid, "extra_groups": []}
        pytest.skip("PostgreSQL runs as postgres or nobody, and neither user is there")

    def __enter__(self) -> Self:
        options = self._as_other()
        password = self._folder / "password"
        password.write_text(self._password)
        password.chmod(0o644)
        command: list[str | Path] = [
            self._binaries / "initdb",
            "-D",
            self._folder / "data",
            "-U",
            USER,
        ]
        command += [f"--pwfile={password}", "--auth=scram-sha-256", "--encoding=UTF8", "--no-sync"]
        command += ["--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en"]
        made = subprocess.run(command, cwd=self._folder, capture_output=True, text=True, **options)
        password.unlink()
        assert made.returncode == 0, made.stderr
        self.start()
        return self

    def start(self) -> None:
        command: list[str | Path] = [
            self._binaries / "postgres",
            "-D",
            self._folder / "data",
            "-p",
            str(self.port),
        ]
        for option in ("listen_addresses=127.0.0.1", "fsync=off", "log_statement=all"):
            command += ["-c", option]
        command += ["-c", f"unix_socket_directories={self._folder}"]
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                command, cwd=self._folder, stdout=log, stderr=log, **self._as_other()
            )
        self._process = process
        deadline = time.monotonic() + SECONDS_TO_START
        ready: list[str | Path] = [
            self._binaries / "pg_isready",
            "-q",
            "-h",
            "127.0.0.1",
            "-p",
            str(self.port),
        ]
        while subprocess.run(ready).returncode:
            assert process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.05)

    def log(self) -> str:
        return self._log.read_text()

    def stop(self, how: int = signal.SIGINT) -> None:
        """Stop it immediately; to its clients, SIGQUIT is like a crash."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(timeout=30)
            self._process = None

    def __exit__(self, *_: object) -> None:
        try:
            self.stop()
        finally:
            shutil.rmtree(self._folder)


class S3:
    """moto's S3 server, with one empty bucket."""

    def __init__(self, *buckets: str) -> None:
        self._buckets = buckets
        self.port = free_port()
        self._server: Any = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    @property
    def settings(self) -> dict[str, str]:
        """What a person sets to reach it, as environment variables."""
        return {
            "DATASCIENCE_STORES_S3_ENDPOINT_URL": self.endpoint,
            "DATASCIENCE_STORES_S3_KEY": "key",
            "DATASCIENCE_STORES_S3_SECRET": "secret",  # pragma: allowlist secret
        }

    @property
    def filesystem(self) -> Any:
        """A separate client."""
        from pyarrow import fs

        return fs.S3FileSystem(
            endpoint_override=self.endpoint,
            access_key="key",
            secret_key="secret",  # pragma: allowlist secret
            region="us-east-1",
        )

    def start(self) -> None:
        from moto.server import ThreadedMotoServer

        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=self.port, verbose=False)
        self._server.start()
        self.wait()

    def wait(self) -> None:
        """Wait until the server answers, and make the buckets."""
        deadline = time.monotonic() + SECONDS_TO_START
        while not answers(self.port):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        for bucket in self._buckets:
            self.ask("PUT", f"/{bucket}")

    def ask(self, method: str, path: str, body: bytes | None = None) -> None:
        from urllib.request import Request, urlopen

        urlopen(
            Request(self.endpoint + path, body, {"Content-Type": "text/plain"}, method=method)
        ).close()

    @cached_property
    def client(self) -> Any:
        """A client that is not the product's."""
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id="key",
            aws_secret_access_key="secret",  # pragma: allowlist secret
        )

    def put(self, key: str, content: bytes, *, bucket: str = "") -> str:
        """Make it an object, and return its place."""
        bucket = bucket or self._buckets[0]
        self.client.put_object(Bucket=bucket, Key=key, Body=content)
        return f"s3://{bucket}/{key}"

    def get(self, place: str) -> bytes:
        """What an object holds."""
        bucket, _, key = place.removeprefix("s3://").partition("/")
        return bytes(self.client.get_object(Bucket=bucket, Key=key)["Body"].read())

    def delete(self, key: str) -> None:
        self.client.delete_object(Bucket=self._buckets[0], Key=key)

    def names(self, prefix: str = "") -> list[str]:
        """The names of all objects below a prefix, relative to it, without folder markers."""
        found = self.client.list_objects_v2(Bucket=self._buckets[0], Prefix=prefix)
        keys = (entry["Key"] for entry in found.get("Contents", ()))
        return sorted(key.removeprefix(prefix) for key in keys if not key.endswith("/"))

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop()
            self._server = None

    def __exit__(self, *_: object) -> None:
        self.stop()


class S3Process(S3):
    """The same in a separate process: deltalake holds Python's lock while it waits."""

    def start(self) -> None:
        self._server = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)],
            env={**os.environ, "PYTHONPATH": IMPORT_PATH},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.wait()

    def stop(self) -> None:
        if self._server is not None:
            self._server.kill()
            self._server.wait(timeout=30)
            self._server = None
