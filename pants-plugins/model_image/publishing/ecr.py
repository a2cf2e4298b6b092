"""What Amazon's registry asks for beside a push: a repository, and a login for half a day."""

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
LOG_IN = "aws sso login, or set AWS_PROFILE or new keys."
RIGHTS = (
    "The role needs ecr:GetAuthorizationToken, ecr:DescribeRepositories, ecr:CreateRepository, and "
    "what a push needs."
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
        with self._told("sign in to AWS"):
            self.client: Any = boto3.client("ecr", region_name=found["region"], config=config)

    def make_repository(self) -> None:
        """Make the repository where there is none."""
        with self._told(f"make the repository {self.place.repository}"):
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
                # `latest` moves; that commits' tags do not is seen to by publish.py.
                imageTagMutability="MUTABLE",
                imageScanningConfiguration={"scanOnPush": True},
            )
        except self.client.exceptions.RepositoryAlreadyExistsException:
            # Somebody else was quicker.
            return
        print(f"created        {self.place.host}/{self.place.repository}", flush=True)

    def login(self) -> tuple[str, str]:
        """The user and password of the next twelve hours."""
        with self._told(f"log in to {self.place.host}"):
            (told,) = self.client.get_authorization_token()["authorizationData"]
        user, _, password = base64.b64decode(told["authorizationToken"]).decode().partition(":")
        return user, password

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            raise self._refused(what, error.response["Error"]["Code"]) from error
        except (EndpointConnectionError, HTTPClientError) as error:
            raise self.place.error(what, str(error), self.place.unreachable) from error
        except BotoCoreError as error:
            # No credentials, half of them, an unknown profile, a session that is over.
            todo = f"There are no AWS credentials that serve: {LOG_IN}"
            raise self.place.error(what, str(error), todo) from error

    def _refused(self, what: str, code: str) -> PublishError:
        if code in EXPIRED:
            todo = f"The AWS credentials have expired: {LOG_IN}"
        elif code.startswith("AccessDenied"):
            todo = RIGHTS
        elif code.startswith(("Unrecognized", "Invalid", "SignatureDoesNotMatch")):
            todo = f"AWS does not know these credentials: {LOG_IN}"
        else:
            todo = self.place.broken
        return self.place.error(what, f"AWS says {code}.", todo)
