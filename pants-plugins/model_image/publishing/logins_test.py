from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import pytest

from model_image.publishing.logins import read_config, temporary_login
from model_image.publishing.place import Place, PublishError

AMAZON = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
PLACE = Place(AMAZON, "models/iris")
OWN = {
    "auths": {"registry.example.com": {"auth": "c2VjcmV0"}, AMAZON: {"auth": "b2xk"}},
    "credHelpers": {AMAZON: "ecr-login", "gcr.io": "gcloud"},
    "credsStore": "desktop",
    "currentContext": "remote",
}


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "config.json").write_text(json.dumps(OWN))
    (tmp_path / "contexts" / "meta").mkdir(parents=True)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    return tmp_path


def test_a_temporary_login_is_the_only_one_and_is_not_stored(own: Path) -> None:
    before = (own / "config.json").read_bytes()
    with temporary_login(PLACE, "AWS", "token"):
        folder = Path(os.environ["DOCKER_CONFIG"])
        assert folder != own
        login = base64.b64encode(b"AWS:token").decode()
        assert read_config() == {"currentContext": "remote", "auths": {AMAZON: {"auth": login}}}
        assert (folder / "contexts" / "meta").is_dir()
        assert (folder / "config.json").stat().st_mode & 0o077 == 0
        assert folder.stat().st_mode & 0o077 == 0
    assert not folder.exists()
    assert os.environ["DOCKER_CONFIG"] == str(own)
    assert (own / "config.json").read_bytes() == before
    assert (own / "contexts" / "meta").is_dir()


def test_settings_are_not_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOCKER_CONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with temporary_login(PLACE, "AWS", "token"):
        assert list(read_config()) == ["auths"]
    assert "DOCKER_CONFIG" not in os.environ
    assert read_config() == {}


@pytest.mark.parametrize("text", ["{", "[]"])
def test_damaged_settings_are_named(own: Path, text: str) -> None:
    (own / "config.json").write_text(text)
    with pytest.raises(PublishError, match="config.json.*Fix the file"):
        read_config()
