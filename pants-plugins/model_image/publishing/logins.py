"""Docker's login to a registry, and a temporary login."""

from __future__ import annotations

import base64
import json
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from oras.auth import TokenAuth, auth_backends

from model_image.publishing.place import Place, PublishError

# Docker stores logins to Docker Hub under this historical name.
HUB = dict.fromkeys(("docker.io", "index.docker.io"), "https://index.docker.io/v1/")
# Keep only oras' warnings about broken credential helpers. This package reports everything else.
logging.getLogger("oras.logger").addFilter(lambda record: record.levelno == logging.WARNING)


def config_folder() -> Path:
    return Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")


def read_config() -> dict[str, Any]:
    """Read Docker's settings; {} if there are none."""
    file = config_folder() / "config.json"
    try:
        config = json.loads(file.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise PublishError(f"{file}: expected JSON ({error}). Fix the file.") from error
    if not isinstance(config, dict):
        raise PublishError(f"{file}: expected a JSON object. Fix the file.")
    return config


class DockerLogin(TokenAuth):  # type: ignore[misc]  # oras ships no types
    """Authenticates at a registry as docker does.

    oras itself ignores DOCKER_CONFIG, sends the password to the name in a `Basic` challenge as if
    it were an address, and reuses a read token for a write request.
    """

    host: str
    _auth_config: dict[str, Any]

    def authenticate_request(
        self, original: requests.Response, headers: dict[str, str], refresh: bool = False
    ) -> tuple[dict[str, str], bool]:
        """Return the headers for a retry, and whether to retry."""
        if not self._auth_config:
            self._look_up()
        challenge = original.headers.get("Www-Authenticate", "")
        if challenge.lower().startswith("bearer"):
            answer: tuple[dict[str, str], bool] = super().authenticate_request(
                original, headers, refresh=True
            )
            return answer
        login = getattr(self, "_basic_auth", None)
        if login:
            # Later requests send the login at once, so that none is sent twice.
            self.session.headers["Authorization"] = f"Basic {login}"
        return headers, bool(login)

    def _look_up(self) -> None:
        key = HUB.get(self.host, self.host)
        self._auth_config = {"auths": {}, **read_config()}
        self._load_auth(key)
        user = base64.b64decode(getattr(self, "_basic_auth", "")).partition(b":")[0]
        # `identitytoken` in the settings, or `<token>` from a credential helper.
        if user == b"<token>" or self._auth_config["auths"].get(key, {}).get("identitytoken"):
            raise PublishError(
                f"docker stores an identity token for {self.host}, which only docker can use. Log "
                f"in with a password: docker login --username USER --password-stdin {self.host}"
            )


auth_backends["docker"] = DockerLogin


@contextmanager
def temporary_login(place: Place, user: str, password: str) -> Iterator[None]:
    """Use this login in docker, and in other programs that read its settings, within the block.

    The user's credential helpers are removed from the settings, because docker would store the
    login in them.
    """
    own = config_folder().absolute()
    config = read_config()
    for name in ("auths", "credHelpers", "credsStore"):
        config.pop(name, None)
    login = base64.b64encode(f"{user}:{password}".encode()).decode()
    before = os.environ.get("DOCKER_CONFIG")
    with tempfile.TemporaryDirectory(prefix="docker-config-") as name:
        file = Path(name) / "config.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps({**config, "auths": {place.host: {"auth": login}}}))
        # docker finds the engine by these after `docker context use`.
        if (own / "contexts").is_dir():
            (Path(name) / "contexts").symlink_to(own / "contexts")
        os.environ["DOCKER_CONFIG"] = name
        try:
            yield
        finally:
            del os.environ["DOCKER_CONFIG"]
            if before is not None:
                os.environ["DOCKER_CONFIG"] = before
