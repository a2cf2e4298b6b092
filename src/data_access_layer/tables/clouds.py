"""The object stores of the clouds, as Arrow opens them: S3, Google Cloud Storage, Azure.

All are part of pyarrow, which every package contains. Credentials come from the settings, or from
where the cloud's own tools find them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pyarrow as pa
from pydantic import SecretStr

from cli.errors import InputError
from data_access_layer.locations import AZURE, AZURE_HOST, GCS, OBJECT_STORES, S3
from data_access_layer.settings import StoreSettings

CHUNK_BYTES = 8 << 20
# The most that Azure copies in one step ("Copy Blob From URL").
AZURE_COPY_BYTES = 256 << 20
# The folder of unfinished uploads in Azure. Readers skip names that begin with a dot.
STAGING = ".uploading"
# Older uploads are from killed runs.
LONGEST_UPLOAD = timedelta(days=1)
_TRANSIENT = re.compile(
    "NETWORK_CONNECTION|SLOW_DOWN|SERVICE_UNAVAILABLE|INTERNAL_FAILURE|THROTTLING|REQUEST_TIMEOUT|"
    r"REQUEST_EXPIRED|HTTP status 5|curlCode|timed? ?out|UNAVAILABLE|DEADLINE_EXCEEDED|CURL error|"
    r"http_status_code=5|Azure Error: \[\w*\] (5|Fail|Error|Conn)|ServerBusy|InternalError",
    re.IGNORECASE,
)
_REFUSED = re.compile(
    "ACCESS_DENIED|INVALID_ACCESS_KEY|INVALID_CLIENT_TOKEN|SIGNATURE|UNRECOGNIZED_CLIENT|"
    "credential|HTTP status 40[13]|PERMISSION_DENIED|UNAUTHENTICATED|access token|Base64|"
    r"Authenticat|Authoriz|Azure Error: \[\w*\] 40[13]",
    re.IGNORECASE,
)
_NO_BUCKET = re.compile(
    "NO_SUCH_BUCKET|bucket does not exist|ContainerNotFound|FilesystemNotFound", re.IGNORECASE
)


@dataclass(frozen=True)
class Cloud:
    """One kind of object store.

    Attributes:
        filesystem: opens the filesystem of a location.
        publish: uploads a local file to a key, completely or not at all.
        bucket: the cloud's word for a bucket.
        credentials: how to set credentials, for the error "access denied".
    """

    filesystem: Callable[[str, StoreSettings], Any]
    publish: Callable[[Any, Path, str], None]
    bucket: str
    credentials: str


class TooLargeError(Exception):
    """The store cannot replace an object of that size as a whole."""


def cloud_of(location: str) -> Cloud:
    """The store of a location's scheme.

    Raises:
        InputError: the scheme is not one of these stores.
    """
    scheme = location.partition("://")[0].lower()
    if scheme not in CLOUDS:
        raise InputError(
            f"{location}: expected an object store: {', '.join(f'{s}://' for s in OBJECT_STORES)}."
        )
    return CLOUDS[scheme]


def key_of(location: str) -> str:
    """The bucket and the key, in the format of Arrow's filesystems."""
    authority, slash, key = location.partition("://")[2].partition("/")
    return f"{authority.partition('@')[0]}{slash}{key}".rstrip("/")


def is_access_denied(message: str) -> bool:
    """Whether an error message means that access is denied."""
    return bool(_REFUSED.search(message))


def is_missing_bucket(message: str) -> bool:
    """Whether an error message means that the bucket does not exist."""
    return bool(_NO_BUCKET.search(message))


def is_transient(message: str) -> bool:
    """Whether an error message means that a retry may succeed."""
    return bool(_TRANSIENT.search(message))


def _send(filesystem: Any, file: Path, key: str) -> None:
    """Upload a file in one call, which no Python exception can interrupt.

    Arrow publishes a partial object if an exception interrupts an open upload.
    """
    from pyarrow import fs

    fs.copy_files(
        str(file),
        key,
        source_filesystem=fs.LocalFileSystem(),
        destination_filesystem=filesystem,
        chunk_size=CHUNK_BYTES,
        use_threads=False,
    )


def _send_and_rename(filesystem: Any, file: Path, key: str) -> None:
    """Upload a file under another name, and rename it at the end.

    Arrow empties an object in Azure before it sends the first byte of the new one.
    """
    folder = f"{key.rpartition('/')[0]}/{STAGING}"
    _remove_leftovers(filesystem, folder)
    # Each upload has its own folder: to delete only an object would leave an empty folder.
    work = f"{folder}/{uuid4().hex}"
    staged = f"{work}/object"
    try:
        _send(filesystem, file, staged)
        try:
            filesystem.move(staged, key)
        except pa.ArrowNotImplementedError:
            _copy(filesystem, staged, key, file.stat().st_size)
    finally:
        with suppress(OSError, pa.ArrowException):
            filesystem.delete_dir(work)


def _copy(filesystem: Any, staged: str, key: str, size: int) -> None:
    """Copy a staged object to its key, in an account that cannot rename."""
    if size > AZURE_COPY_BYTES:
        raise TooLargeError(
            f"its size is {size / (1 << 20):,.0f} MiB, and Azure replaces more than "
            f"{AZURE_COPY_BYTES >> 20} MiB as a whole "
            "only in accounts with hierarchical namespace (Data Lake Storage Gen2)."
        )
    filesystem.copy_file(staged, key)


def _remove_leftovers(filesystem: Any, folder: str) -> None:
    """Remove the uploads of killed runs."""
    from pyarrow import fs

    selector = fs.FileSelector(folder, allow_not_found=True, recursive=True)
    for info in filesystem.get_file_info(selector):
        if info.is_file and info.mtime < datetime.now(UTC) - LONGEST_UPLOAD:
            # Another run may remove it at the same time.
            with suppress(FileNotFoundError):
                filesystem.delete_dir(info.path.rpartition("/")[0])


def _s3(location: str, settings: StoreSettings) -> Any:
    return _s3_client(
        settings.s3_endpoint_url or "",
        settings.s3_key,
        settings.s3_secret,
        settings.timeout_seconds,
    )


@lru_cache
def _s3_client(endpoint: str, key: SecretStr | None, secret: SecretStr | None, timeout: int) -> Any:
    """The client of a server, shared by all of its objects."""
    from pyarrow import fs

    options = _server_options(endpoint)
    if key and secret:
        options["access_key"] = key.get_secret_value()
        options["secret_key"] = secret.get_secret_value()
    return fs.S3FileSystem(
        **options,
        connect_timeout=timeout,
        request_timeout=timeout,
        # `with_retries` counts and reports retries.
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=1),
    )


def _gcs(location: str, settings: StoreSettings) -> Any:
    return _gcs_client(settings.gcs_endpoint_url or "", settings.timeout_seconds)


@lru_cache
def _gcs_client(endpoint: str, timeout: int) -> Any:
    """The client of a server; without TLS, as with an emulator, it sends no credentials."""
    from pyarrow import fs

    options = _server_options(endpoint)
    return fs.GcsFileSystem(
        anonymous=options.get("scheme") == "http",
        retry_time_limit=timedelta(seconds=timeout),
        **options,
    )


def _azure(location: str, settings: StoreSettings) -> Any:
    account = _account_of(location) or settings.azure_account
    if not account:
        raise InputError(
            f"{location}: names no storage account. Write abfs://container@ACCOUNT.{AZURE_HOST}/…, "
            "or set DATASCIENCE_STORES_AZURE_ACCOUNT."
        )
    # The key belongs to one account, so it must not be sent for another one.
    key = settings.azure_key if account == (settings.azure_account or account) else None
    return _azure_client(settings.azure_endpoint_url or "", account, key)


def _account_of(location: str) -> str:
    """The account in `abfs://container@account.dfs.core.windows.net/name`, or an empty string."""
    _, _, host = location.partition("://")[2].partition("/")[0].partition("@")
    account, dot, domain = host.partition(".")
    if dot and domain != AZURE_HOST:
        raise InputError(
            f"{location}: expected abfs://container@ACCOUNT.{AZURE_HOST}/…. For another "
            "server, set DATASCIENCE_STORES_AZURE_ENDPOINT_URL."
        )
    return account


@lru_cache
def _azure_client(endpoint: str, account: str, key: SecretStr | None) -> Any:
    """The client of a storage account."""
    from pyarrow import fs

    options = {
        f"{service}_storage_{'authority' if name == 'endpoint_override' else name}": value
        for name, value in _server_options(endpoint).items()
        for service in ("blob", "dfs")
    }
    return fs.AzureFileSystem(
        account, account_key=key.get_secret_value() if key else None, **options
    )


def _server_options(endpoint: str) -> dict[str, Any]:
    server = urlsplit(endpoint)
    return {"endpoint_override": server.netloc, "scheme": server.scheme} if server.netloc else {}


_S3 = Cloud(
    _s3,
    _send,
    "bucket",
    "Set DATASCIENCE_STORES_S3_KEY and DATASCIENCE_STORES_S3_SECRET, or configure the AWS CLI.",
)
_GCS = Cloud(
    _gcs,
    _send,
    "bucket",
    "Set GOOGLE_APPLICATION_CREDENTIALS to the key file of a service account, or run "
    "gcloud auth application-default login, or give the machine or pod a service account.",
)
_AZURE = Cloud(
    _azure,
    _send_and_rename,
    "container",
    "Set DATASCIENCE_STORES_AZURE_ACCOUNT and DATASCIENCE_STORES_AZURE_KEY, or run az login, or "
    "give the machine or pod a managed identity.",
)
CLOUDS = {
    **dict.fromkeys(S3, _S3),
    **dict.fromkeys(GCS, _GCS),
    **dict.fromkeys(AZURE, _AZURE),
}
