"""What Amazon's registry needs before a push: a repository, and a login that lasts 12 hours."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, HTTPClientError

from model_image.publishing.place import ECR, Place, PublishError

EXPIRED = ("ExpiredToken", "ExpiredTokenException", "RequestExpired")
LOG_IN = "Run `aws sso login`, or set AWS_PROFILE or new keys."
RIGHTS = (
    "The role needs ecr:GetAuthorizationToken, ecr:DescribeRepositories, ecr:CreateRepository, and "
    "the permissions to push."
)


class Ecr:
    """The registry of one account in one region; both are in the host's name."""

    def __init__(self, place: Place) -> None:
        found = ECR.fullmatch(place.host)
        assert found
        self.place = place
        self._account = found["account"]
        config = Config(
            connect_timeout=10,
            read_timeout=30,
            retries={"mode": "standard"},
            use_fips_endpoint=bool(found["fips"]),
        )
        with self._explain_errors("sign in to AWS"):
            self.client: Any = boto3.client("ecr", region_name=found["region"], config=config)

    def ensure_repository(self) -> None:
        """Create the repository if it does not exist."""
        with self._explain_errors(f"create the repository {self.place.repository}"):
            try:
                self.client.describe_repositories(
                    registryId=self._account, repositoryNames=[self.place.repository]
                )
            except self.client.exceptions.RepositoryNotFoundException:
                self._create()

    def _create(self) -> None:
        try:
            self.client.create_repository(
                registryId=self._account,
                repositoryName=self.place.repository,
                # `latest` moves. publish.py refuses to move a commit's tag.
                imageTagMutability="MUTABLE",
                imageScanningConfiguration={"scanOnPush": True},
            )
        except self.client.exceptions.RepositoryAlreadyExistsException:
            # Another process created it in the meantime.
            return
        print(f"created        {self.place.host}/{self.place.repository}", flush=True)

    def login(self) -> tuple[str, str]:
        """Get a user and a password, valid for twelve hours."""
        with self._explain_errors(f"log in to {self.place.host}"):
            (data,) = self.client.get_authorization_token()["authorizationData"]
        user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
        return user, password

    @contextmanager
    def _explain_errors(self, what: str) -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            raise self._aws_error(what, error.response["Error"]["Code"]) from error
        except (EndpointConnectionError, HTTPClientError) as error:
            raise self.place.error(what, str(error), self.place.unreachable) from error
        except BotoCoreError as error:
            # No or incomplete credentials, an unknown profile, or an expired session.
            todo = f"No valid AWS credentials were found. {LOG_IN}"
            raise self.place.error(what, str(error), todo) from error

    def _aws_error(self, what: str, code: str) -> PublishError:
        if code in EXPIRED:
            todo = f"The AWS credentials have expired. {LOG_IN}"
        elif code.startswith("AccessDenied"):
            todo = RIGHTS
        elif code.startswith(("Unrecognized", "Invalid", "SignatureDoesNotMatch")):
            todo = f"AWS does not recognize these credentials. {LOG_IN}"
        else:
            todo = self.place.broken
        return self.place.error(what, f"AWS returned {code}.", todo)
