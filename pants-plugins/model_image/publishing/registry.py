"""Read the manifest of a tag in a registry, and add tags to a manifest.

docker cannot add a tag: it has to pull the image, and pushes a new manifest. That manifest has a
different digest if another builder (BuildKit, containerd, buildah) wrote the first one.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from oras.defaults import default_manifest_accepted_media_types
from oras.provider import Registry as OrasRegistry
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from model_image.failures import ENGINE_REMEDIES, remedy
from model_image.publishing import logins
from model_image.publishing.place import Place

SECONDS = 30
# Where the Docker engine looks for a registry's own certificate authority.
CERTIFICATES = Path("/etc/docker/certs.d")
HUB = "registry-1.docker.io"
# The status codes of a registry that is busy, or of a proxy before one that is starting.
TRIES = Retry(
    3,
    connect=0,
    read=0,
    other=0,
    backoff_factor=0.5,
    status_forcelist=(429, 502, 503, 504),
    raise_on_status=False,
    respect_retry_after_header=False,
)


@dataclass(frozen=True)
class Manifest:
    """The exact bytes of a manifest, since its digest is computed from them."""

    media_type: str
    body: bytes

    @property
    def digest(self) -> str:
        return f"sha256:{hashlib.sha256(self.body).hexdigest()}"

    def is_of(self, image: str) -> bool:
        """Whether `image` is the ID of this image; engines use either of the two digests."""
        config = json.loads(self.body).get("config") or {}
        return image in (self.digest, config.get("digest"))


class TimeoutAdapter(HTTPAdapter):
    """Adds a timeout, since oras has none."""

    def send(self, *arguments: Any, **options: Any) -> requests.Response:
        return super().send(*arguments, **{**options, "timeout": SECONDS})


class Registry(OrasRegistry):  # type: ignore[misc]  # oras ships no types
    """One repository of a registry; `insecure` accepts any certificate, or none."""

    # Without oras' retries, which take two minutes for a wrong password.
    do_request = inspect.unwrap(OrasRegistry.do_request)

    def __init__(self, place: Place, *, insecure: bool) -> None:
        own = CERTIFICATES / place.host / "ca.crt"
        verify = not insecure and (str(own) if own.exists() else True)
        super().__init__(place.host, tls_verify=verify, auth_backend="docker")
        self.auth.host = place.host
        self.place = place
        # An entry of ~/.netrc would replace docker's login.
        self.session.auth = lambda request: request
        for scheme in ("https://", "http://"):
            self.session.mount(scheme, TimeoutAdapter(max_retries=TRIES))
        if insecure:
            # It is in the local network, which a proxy cannot reach.
            self.session.trust_env = False
            self.prefix = self._scheme()

    def _scheme(self) -> str:
        try:
            self.session.get(f"https://{self.place.host}/v2/", verify=False)
        except requests.RequestException:
            return "http"
        return "https"

    def find(self, tag: str) -> Manifest | None:
        """The tag's manifest, or None if the tag or the repository does not exist."""
        accept = ", ".join(default_manifest_accepted_media_types)
        response = self._request("GET", tag, {"Accept": accept})
        if response is None:
            return None
        media_type = response.headers.get("Content-Type", "").partition(";")[0]
        if media_type not in default_manifest_accepted_media_types:
            reason = f"Expected a manifest, got {media_type or 'nothing'!r}."
            raise self.place.error(f"look up {self.place.ref(tag)}", reason, self.place.misplaced)
        return Manifest(media_type, response.content)

    def put(self, tag: str, manifest: Manifest) -> None:
        """Set the tag to a manifest that the registry already has."""
        headers = {"Content-Type": manifest.media_type}
        if self._request("PUT", tag, headers, manifest.body) is None:
            what = f"set {self.place.ref(tag)}"
            raise self.place.error(what, "its image has been removed", "Publish again.")

    def _request(
        self, method: str, tag: str, headers: dict[str, str], body: bytes | None = None
    ) -> requests.Response | None:
        """Send a request; None if the registry responds with 404."""
        host = HUB if self.place.host in logins.HUB else self.place.host
        url = f"{self.prefix}://{host}/v2/{self.place.repository}/manifests/{tag}"
        what = f"{'set' if method == 'PUT' else 'look up'} {self.place.ref(tag)}"
        with self._explain_errors(what):
            response: requests.Response = self.do_request(url, method, data=body, headers=headers)
        if response.status_code == 404:
            return None
        if not response.ok:
            reason = error_text(response)
            raise self.place.error(what, reason, self._todo(response.status_code, reason))
        return response

    def _todo(self, status: int, reason: str) -> str:
        if status in (401, 403):
            return self.place.denied
        if status >= 500 or status == 429:
            return remedy(reason, ENGINE_REMEDIES) or self.place.broken
        return self.place.misplaced

    @contextmanager
    def _explain_errors(self, what: str) -> Iterator[None]:
        try:
            yield
        except requests.RequestException as error:
            reason = getattr(error.args[0] if error.args else error, "reason", None) or error
            raise self.place.error(what, str(reason), self.place.unreachable) from error
        except ValueError as error:
            # There is no login, or the token service rejected it.
            raise self.place.error(what, "authentication required", self.place.denied) from error


def error_text(response: requests.Response) -> str:
    """The status, and the first error in the response of a registry."""
    try:
        first = response.json()["errors"][0]
        error = f": {first['code']} {first.get('message', '')}"
    except (ValueError, KeyError, IndexError, TypeError):
        error = ""
    return f"HTTP {response.status_code} {response.reason}{error}"
