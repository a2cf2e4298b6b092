"""Who docker is to a registry, and a login that leaves no trace."""

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

# Docker Hub's logins have this name, for reasons of history.
HUB = dict.fromkeys(("docker.io", "index.docker.io"), "https://index.docker.io/v1/")
# Of a helper for passwords that does not work oras tells; of all else we do.
logging.getLogger("oras.logger").addFilter(lambda record: record.levelno == logging.WARNING)


def config_folder() -> Path:
    return Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")


def read_config() -> dict[str, Any]:
    """Docker's settings; empty where there are none."""
    file = config_folder() / "config.json"
    try:
        config = json.loads(file.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise PublishError(f"{file} cannot be read as JSON ({error}): mend it.") from error
    if not isinstance(config, dict):
        raise PublishError(f"{file}: expected a JSON object: mend it.")
    return config


class DockerLogin(TokenAuth):  # type: ignore[misc]  # oras ships no types
    """Answers what a registry asks for as docker does.

    oras itself looks into the home's folder alone, whatever DOCKER_CONFIG says; takes the name in a
    `Basic` challenge for an address, and sends the password there; and keeps the token of a reading
    request for a writing one.
    """

    host: str
    _auth_config: dict[str, Any]

    def authenticate_request(
        self, original: requests.Response, headers: dict[str, str], refresh: bool = False
    ) -> tuple[dict[str, str], bool]:
        """The headers for another try, and whether there is to be one."""
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
            # For later requests, too, so that none has to be sent twice.
            self.session.headers["Authorization"] = f"Basic {login}"
        return headers, bool(login)

    def _look_up(self) -> None:
        key = HUB.get(self.host, self.host)
        self._auth_config = {"auths": {}, **read_config()}
        self._load_auth(key)
        user = base64.b64decode(getattr(self, "_basic_auth", "")).partition(b":")[0]
        # In words of `docker login`, and of the helpers that keep passwords.
        if user == b"<token>" or self._auth_config["auths"].get(key, {}).get("identitytoken"):
            raise PublishError(
                f"For {self.host} docker keeps an identity token, which docker alone can use. Log "
                f"in with a password: docker login --username USER --password-stdin {self.host}"
            )


auth_backends["docker"] = DockerLogin


@contextmanager
def logged_in(place: Place, user: str, password: str) -> Iterator[None]:
    """Let docker, and whoever else reads its settings, know this login for as long as this lasts.

    The user's stores of passwords are left out: docker would ask them, and they keep what they are
    told.
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
        # How to find the engine, if `docker context use` was told.
        if (own / "contexts").is_dir():
            (Path(name) / "contexts").symlink_to(own / "contexts")
        os.environ["DOCKER_CONFIG"] = name
        try:
            yield
        finally:
            del os.environ["DOCKER_CONFIG"]
            if before is not None:
                os.environ["DOCKER_CONFIG"] = before
