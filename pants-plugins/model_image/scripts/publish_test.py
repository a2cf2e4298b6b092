from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from model_image.scripts.publish import (
    ECR,
    Place,
    PublishError,
    ecr_password,
    make_repository,
    prepare_ecr,
)

HOST = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
PLACE = Place(HOST, "models/iris")


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "testing")
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    with mock_aws():
        yield


@pytest.mark.usefixtures("aws")
def test_a_repository_is_made_once(capsys: pytest.CaptureFixture[str]) -> None:
    ecr = boto3.client("ecr", region_name="eu-west-1")
    make_repository(ecr, PLACE)
    assert capsys.readouterr().out == f"created        {HOST}/models/iris\n"
    make_repository(ecr, PLACE)
    assert capsys.readouterr().out == ""
    (made,) = ecr.describe_repositories()["repositories"]
    assert made["repositoryName"] == "models/iris"
    assert made["imageTagMutability"] == "MUTABLE"
    assert made["imageScanningConfiguration"] == {"scanOnPush": True}


@pytest.mark.usefixtures("aws")
def test_the_password_is_amazons_token() -> None:
    password = prepare_ecr(PLACE, "eu-west-1")
    assert password == ecr_password(boto3.client("ecr", region_name="eu-west-1"))
    assert password


@pytest.mark.usefixtures("aws")
def test_somebody_else_made_it_in_the_same_moment() -> None:
    ecr = boto3.client("ecr", region_name="eu-west-1")
    with Stubber(ecr) as answers:
        answers.add_client_error("describe_repositories", "RepositoryNotFoundException")
        answers.add_client_error("create_repository", "RepositoryAlreadyExistsException")
        make_repository(ecr, PLACE)


def test_expired_credentials_are_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "old")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "old")
    ecr = boto3.client("ecr", region_name="eu-west-1")
    # moto's credentials do not expire, so the answer is Amazon's own, put in by hand.
    with Stubber(ecr) as answers:
        answers.add_client_error(
            "describe_repositories", "ExpiredTokenException", "The security token has expired"
        )
        monkeypatch.setattr(boto3, "client", lambda *_, **__: ecr)
        with pytest.raises(PublishError, match="aws sso login"):
            prepare_ecr(PLACE, "eu-west-1")


def test_without_credentials_one_message(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    # A session remembers credentials; and should there be any, nobody outside is asked.
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", f"{tmp_path}/none")
    monkeypatch.setenv("AWS_CONFIG_FILE", f"{tmp_path}/none")
    with pytest.raises(PublishError, match="There are no AWS credentials: aws sso login"):
        prepare_ecr(PLACE, "eu-west-1")


@pytest.mark.parametrize(
    ("host", "is_amazons"),
    [
        (HOST, True),
        ("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", True),
        ("registry.example.com", False),
        (f"{HOST}.example.com", False),
    ],
)
def test_amazons_registries_are_known_by_their_names(host: str, is_amazons: bool) -> None:
    assert bool(ECR.fullmatch(host)) is is_amazons
