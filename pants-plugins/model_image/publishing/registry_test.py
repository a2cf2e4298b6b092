"""Fake registries with a token service, or with failures; tests/integration has a real one."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from model_image.publishing import registry
from model_image.publishing.place import Place, PublishError
from model_image.publishing.registry import Manifest, Registry

PASSWORD = "correct-horse-planted"  # pragma: allowlist secret
LOGIN = base64.b64encode(f"publisher:{PASSWORD}".encode()).decode()
OCI = "application/vnd.oci.image.manifest.v1+json"
BODY = b'{ "schemaVersion": 2,\n  "config": {"digest": "sha256:1"} }\n'


class TokenRegistry(BaseHTTPRequestHandler):
    """Stores manifests. Each request needs a token, and each token needs a login."""

    manifests: dict[str, tuple[str, bytes]]
    asked: list[str]
    status: int | None

    def log_message(self, *arguments: object) -> None:
        pass

    def reply(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def handle_request(self, scope: str) -> bool:
        self.asked.append(f"{self.command} {self.path.partition('?')[0]}")
        if self.status:
            error = {"errors": [{"code": "UNAVAILABLE", "message": "not now"}]}
            self.reply(self.status, json.dumps(error).encode())
            return False
        if self.headers["Authorization"] == f"Bearer {scope}":
            return True
        host = self.headers["Host"]
        challenge = f'Bearer realm="http://{host}/token",service="it",scope="{scope}"'
        self.reply(401, Www_Authenticate=challenge)
        return False

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path == "/token":
            if self.headers["Authorization"] != f"Basic {LOGIN}":
                self.reply(401)
                return
            (scope,) = parse_qs(url.query)["scope"]
            self.reply(200, json.dumps({"token": scope}).encode())
        elif self.handle_request("repository:models/iris:pull"):
            if url.path in self.manifests:
                media_type, body = self.manifests[url.path]
                self.reply(200, body, Content_Type=media_type)
            else:
                self.reply(404)

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.handle_request("repository:models/iris:pull,push"):
            self.manifests[self.path] = (self.headers["Content-Type"], body)
            self.reply(201)


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Place]:
    TokenRegistry.manifests, TokenRegistry.asked, TokenRegistry.status = {}, [], None
    with ThreadingHTTPServer(("127.0.0.1", 0), TokenRegistry) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        host = f"127.0.0.1:{server.server_port}"
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
        log_in(tmp_path, host, LOGIN)
        yield Place(host, "models/iris")
        server.shutdown()
        thread.join()


def log_in(folder: Path, host: str, login: str) -> None:
    (folder / "config.json").write_text(json.dumps({"auths": {host: {"auth": login}}}))


def test_a_read_token_is_not_used_for_writing(place: Place) -> None:
    there = Registry(place, insecure=True)
    assert there.find("latest") is None
    manifest = Manifest(OCI, BODY)
    there.put("latest", manifest)
    # Byte for byte: no two writers of JSON agree on these blanks.
    assert TokenRegistry.manifests == {"/v2/models/iris/manifests/latest": (OCI, BODY)}
    assert Registry(place, insecure=True).find("latest") == manifest


def test_a_wrong_password_is_reported_at_once(
    place: Place, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log_in(tmp_path, place.host, base64.b64encode(b"publisher:wrong").decode())
    with pytest.raises(PublishError, match=f"docker login {place.host}"):
        Registry(place, insecure=True).find("latest")
    assert TokenRegistry.asked == ["GET /v2/models/iris/manifests/latest"]
    assert caplog.messages == []


def test_an_entry_of_netrc_is_not_docker_s_login(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("default login other password other\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    there = Registry(place, insecure=True)
    there.session.trust_env = True
    assert there.find("latest") is None


def test_a_credential_helper_is_used(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper = tmp_path / "docker-credential-own"
    login = json.dumps({"Username": "publisher", "Secret": PASSWORD})
    helper.write_text(f"#!/bin/sh\ncat >{tmp_path}/asked\necho '{login}'\n")
    helper.chmod(0o755)
    (tmp_path / "config.json").write_text(json.dumps({"credsStore": "own"}))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert Registry(place, insecure=True).find("latest") is None
    assert (tmp_path / "asked").read_text() == place.host


def test_a_missing_credential_helper_is_reported(
    place: Place, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"credHelpers": {place.host: "none"}}))
    with pytest.raises(PublishError, match=f"docker login {place.host}"):
        Registry(place, insecure=True).find("latest")
    assert caplog.messages == ["Credential helper 'docker-credential-none' not found in PATH"]


@pytest.mark.parametrize("status", [500, 503])
def test_a_registrys_internal_error_is_reported(
    place: Place, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry.TRIES, "backoff_factor", 0)
    TokenRegistry.status = status
    with pytest.raises(PublishError) as raised:
        Registry(place, insecure=True).find("latest")
    assert f"HTTP {status}" in str(raised.value)
    assert "UNAVAILABLE not now" in str(raised.value)
    assert f"{place.host} has an internal error. Try again later" in str(raised.value)
    # A temporary failure is retried.
    tries = [line for line in TokenRegistry.asked if line.endswith("/manifests/latest")]
    assert len(tries) == (4 if status == 503 else 1)


def test_a_registrys_full_disk_is_reported(place: Place) -> None:
    TokenRegistry.status = 507
    with pytest.raises(PublishError, match="HTTP 507 .*\nA disk is full"):
        Registry(place, insecure=True).find("latest")


def test_a_web_page_is_not_a_manifest(place: Place) -> None:
    TokenRegistry.manifests["/v2/models/iris/manifests/latest"] = ("text/html", b"<html>")
    with pytest.raises(PublishError, match="Expected a manifest, got 'text/html'."):
        Registry(place, insecure=True).find("latest")


@pytest.mark.parametrize("kept", ["in the settings", "by a helper"])
def test_an_identity_token_is_not_sent_as_a_password(
    place: Place, tmp_path: Path, kept: str
) -> None:
    if kept == "by a helper":
        log_in(tmp_path, place.host, base64.b64encode(b"<token>:abc").decode())
    else:
        login = {"auth": base64.b64encode(b"user:").decode(), "identitytoken": "abc"}
        (tmp_path / "config.json").write_text(json.dumps({"auths": {place.host: login}}))
    with pytest.raises(PublishError, match="docker stores an identity token"):
        Registry(place, insecure=True).find("latest")


def test_a_server_that_is_not_a_registry_is_reported(place: Place) -> None:
    TokenRegistry.status = 418
    with pytest.raises(PublishError, match=f"Check that {place.host} in "):
        Registry(place, insecure=True).find("latest")


def test_certificates_are_verified_unless_the_registry_is_insecure(place: Place) -> None:
    with pytest.raises(PublishError, match="cannot be reached.*certificate"):
        Registry(place, insecure=False).find("latest")
    assert TokenRegistry.asked == []


def test_a_certificate_that_the_engine_trusts_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "registry.example.com" / "ca.crt"
    own.parent.mkdir()
    own.touch()
    monkeypatch.setattr(registry, "CERTIFICATES", tmp_path)
    assert Registry(Place("registry.example.com", "a"), insecure=False)._tls_verify == str(own)
    assert Registry(Place("other.example.com", "a"), insecure=False)._tls_verify is True


@pytest.mark.parametrize("image", ["sha256:1", Manifest(OCI, BODY).digest])
def test_a_manifest_matches_an_image_by_either_digest(image: str) -> None:
    assert Manifest(OCI, BODY).is_of(image)
    assert not Manifest(OCI, BODY).is_of("sha256:2")
    assert not Manifest(OCI, b'{"manifests": []}').is_of(image)
