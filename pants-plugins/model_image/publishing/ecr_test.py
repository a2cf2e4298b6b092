"""Amazon's registry as moto emulates it; errors that moto cannot return are stubbed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from model_image.publishing.ecr import LOG_IN, Ecr
from model_image.publishing.place import Place, PublishError

AMAZON = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
PLACE = Place(AMAZON, "models/iris")
SECRET = "planted-Secr3t-key"  # pragma: allowlist secret


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_CA_BUNDLE", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, SECRET)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    # A session caches credentials.
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)


@pytest.fixture
def amazon() -> Iterator[None]:
    with mock_aws():
        yield


@pytest.mark.usefixtures("amazon")
def test_a_repository_is_made_once(capsys: pytest.CaptureFixture[str]) -> None:
    Ecr(PLACE).ensure_repository()
    assert capsys.readouterr().out == f"created        {AMAZON}/models/iris\n"
    Ecr(PLACE).ensure_repository()
    assert capsys.readouterr().out == ""
    (made,) = boto3.client("ecr", "eu-west-1").describe_repositories()["repositories"]
    assert made["repositoryName"] == "models/iris"
    assert made["imageTagMutability"] == "MUTABLE"
    assert made["imageScanningConfiguration"] == {"scanOnPush": True}


@pytest.mark.usefixtures("amazon")
def test_the_login_is_amazons_token() -> None:
    user, password = Ecr(PLACE).login()
    assert user == "AWS"
    assert password


def test_another_process_may_create_the_repository(capsys: pytest.CaptureFixture[str]) -> None:
    ecr = Ecr(PLACE)
    with Stubber(ecr.client) as answers:
        answers.add_client_error("describe_repositories", "RepositoryNotFoundException")
        answers.add_client_error("create_repository", "RepositoryAlreadyExistsException")
        ecr.ensure_repository()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("ExpiredTokenException", "The AWS credentials have expired. Run `aws sso login`"),
        ("UnrecognizedClientException", "AWS does not recognize these credentials. Run `aws"),
        ("AccessDeniedException", "ecr:CreateRepository"),
        ("ServerException", f"{AMAZON} has an internal error. Try again later"),
    ],
)
def test_an_aws_error_is_one_message(code: str, expected: str) -> None:
    ecr = Ecr(PLACE)
    with Stubber(ecr.client) as answers:
        answers.add_client_error("get_authorization_token", code, f"about {SECRET}")
        with pytest.raises(PublishError) as raised:
            ecr.login()
    lines = str(raised.value).splitlines()
    assert lines[:2] == [f"Could not log in to {AMAZON}:", f"AWS returned {code}."]
    assert expected in lines[2]
    assert SECRET not in str(raised.value)


def test_without_credentials_the_message_says_how_to_get_some(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    # Make sure that no request leaves this machine.
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(PublishError, match=f"No valid AWS credentials were found. {LOG_IN}"):
        Ecr(PLACE).login()


def test_an_unknown_profile_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    with pytest.raises(PublishError, match="no-such-profile.*\n.*aws sso login"):
        Ecr(PLACE)


def test_a_region_that_cannot_be_reached_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(PublishError, match=r"127\.0\.0\.1:9.*\n.*\[docker\.registries\]"):
        Ecr(PLACE).login()
