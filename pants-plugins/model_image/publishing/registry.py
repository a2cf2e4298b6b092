"""What a registry has under a tag, and one more tag for the same bytes.

docker cannot do this: it pulls the image and writes a manifest of its own when it pushes it, which
has another digest where another builder (BuildKit, containerd, buildah) wrote the first.
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
# Where an engine looks for the certificate of a registry that nobody else knows.
CERTIFICATES = Path("/etc/docker/certs.d")
HUB = "registry-1.docker.io"
# A proxy before it says so when a registry is busy or just being started.
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
    """What a tag names, byte for byte: the digest is the digest of these bytes."""

    media_type: str
    body: bytes

    @property
    def digest(self) -> str:
        return f"sha256:{hashlib.sha256(self.body).hexdigest()}"

    def is_of(self, image: str) -> bool:
        """Whether it describes an image of the engine, whose ID is one of the two digests."""
        config = json.loads(self.body).get("config") or {}
        return image in (self.digest, config.get("digest"))


class Patient(HTTPAdapter):
    """Waits, but not forever, which is what oras does."""

    def send(self, *arguments: Any, **options: Any) -> requests.Response:
        return super().send(*arguments, **{**options, "timeout": SECONDS})


class Registry(OrasRegistry):  # type: ignore[misc]  # oras ships no types
    """One repository of a registry; `insecure` as for the engine: any certificate, or none."""

    # Without oras' retries, which make two minutes of a wrong password.
    do_request = inspect.unwrap(OrasRegistry.do_request)

    def __init__(self, place: Place, *, insecure: bool) -> None:
        own = CERTIFICATES / place.host / "ca.crt"
        verify = not insecure and (str(own) if own.exists() else True)
        super().__init__(place.host, tls_verify=verify, auth_backend="docker")
        self.auth.host = place.host
        self.place = place
        # An entry of ~/.netrc would take the place of docker's login.
        self.session.auth = lambda request: request
        for scheme in ("https://", "http://"):
            self.session.mount(scheme, Patient(max_retries=TRIES))
        if insecure:
            # In this machine or network, where no proxy has a way to.
            self.session.trust_env = False
            self.prefix = self._scheme()

    def _scheme(self) -> str:
        try:
            self.session.get(f"https://{self.place.host}/v2/", verify=False)
        except requests.RequestException:
            return "http"
        return "https"

    def find(self, tag: str) -> Manifest | None:
        """What the tag names, if there is such a tag, and such a repository."""
        accept = ", ".join(default_manifest_accepted_media_types)
        answer = self._ask("GET", tag, {"Accept": accept})
        if answer is None:
            return None
        media_type = answer.headers.get("Content-Type", "").partition(";")[0]
        if media_type not in default_manifest_accepted_media_types:
            said = f"{media_type or 'nothing'!r} was answered, which is no manifest."
            raise self.place.error(f"ask for {self.place.ref(tag)}", said, self.place.misplaced)
        return Manifest(media_type, answer.content)

    def put(self, tag: str, manifest: Manifest) -> None:
        """Let the tag name what the registry already has."""
        headers = {"Content-Type": manifest.media_type}
        if self._ask("PUT", tag, headers, manifest.body) is None:
            what = f"set {self.place.ref(tag)}"
            raise self.place.error(what, "what it is to name has been removed", "Publish again.")

    def _ask(
        self, method: str, tag: str, headers: dict[str, str], body: bytes | None = None
    ) -> requests.Response | None:
        """The registry's answer, None if there is no such thing."""
        host = HUB if self.place.host in logins.HUB else self.place.host
        url = f"{self.prefix}://{host}/v2/{self.place.repository}/manifests/{tag}"
        what = f"{'set' if method == 'PUT' else 'ask for'} {self.place.ref(tag)}"
        with self._told(what):
            answer: requests.Response = self.do_request(url, method, data=body, headers=headers)
        if answer.status_code == 404:
            return None
        if not answer.ok:
            said = said_by(answer)
            raise self.place.error(what, said, self._todo(answer.status_code, said))
        return answer

    def _todo(self, status: int, said: str) -> str:
        if status in (401, 403):
            return self.place.denied
        if status >= 500 or status == 429:
            return remedy(said, ENGINE_REMEDIES) or self.place.broken
        return self.place.misplaced

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        try:
            yield
        except requests.RequestException as error:
            reason = getattr(error.args[0] if error.args else error, "reason", None) or error
            raise self.place.error(what, str(reason), self.place.unreachable) from error
        except ValueError as error:
            # There is no login, or none that its service of tokens knows.
            raise self.place.error(what, "authentication required", self.place.denied) from error


def said_by(answer: requests.Response) -> str:
    """The status, and the first of the errors that a registry tells."""
    try:
        first = answer.json()["errors"][0]
        told = f": {first['code']} {first.get('message', '')}"
    except (ValueError, KeyError, IndexError, TypeError):
        told = ""
    return f"HTTP {answer.status_code} {answer.reason}{told}"
