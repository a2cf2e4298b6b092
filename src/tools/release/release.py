"""What is deployed of a model, and what was: files beside the DAGs that Airflow reads.

- `models/iris/dag.toml` and `models/iris/release.json`: what runs now; the second is written last.
- `releases/iris/1.json`, `2.json`, …: every release that was made, each with its `dag.toml`.
- `bundle.json`: the files that all models share, which the last deployed commit brought.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from cli.errors import UserError
from data_access_layer.folders import Folder

BUNDLE = "bundle.json"


@dataclass(frozen=True, kw_only=True)
class Release:
    """One release of a model.

    Attributes:
        image: with its digest, so that nothing that is pushed later changes it.
        shared_image: of the DAG's tasks that are no model's own; empty where it has none of those.
        version: the number of the model's version in MLflow.
        release: counts the model's releases in this environment.
        previous: the release that it took the place of, to which a rollback returns.
        created: when it was first deployed, in UTC.
    """

    model: str
    image: str
    shared_image: str
    version: str
    commit: str
    environment: str
    release: int
    previous: int | None
    created: str

    @property
    def images(self) -> tuple[str, ...]:
        """All of them, each with its digest; the model's own first."""
        return tuple(image for image in (self.image, self.shared_image) if image)

    def to_json(self, **more: str) -> bytes:
        """As it stands in a file."""
        return f"{json.dumps({**dataclasses.asdict(self), **more}, indent=2)}\n".encode()

    @classmethod
    def from_json(cls, content: bytes, *, file: str) -> Self:
        """Read a file.

        Raises:
            UserError: it is no release.
        """
        told = _object(content, file)
        try:
            return cls(**{field.name: told[field.name] for field in dataclasses.fields(cls)})
        except KeyError as error:
            raise UserError(
                f"{file}: expected a release, and it has no {error}. Put the file back as it was."
            ) from error


@dataclass(frozen=True)
class Record:
    """A release with the declaration of its DAG, as the history keeps them."""

    release: Release
    declaration: bytes


@dataclass(frozen=True)
class DeployedBundle:
    """The folder that Airflow takes its DAGs from, with one model's releases in it."""

    folder: Folder
    model: str

    @property
    def declaration_file(self) -> str:
        """What its DAG is made from."""
        return f"models/{self.model}/dag.toml"

    @property
    def release_file(self) -> str:
        """What says which release runs."""
        return f"models/{self.model}/release.json"

    def record_file(self, number: int) -> str:
        """Where the history keeps a release."""
        return f"releases/{self.model}/{number}.json"

    def current(self) -> Release | None:
        """What is deployed now, None before the first time."""
        content = self.folder.read(self.release_file)
        return Release.from_json(content, file=self._named(self.release_file)) if content else None

    def numbers(self) -> list[int]:
        """The releases that the history has."""
        names = self.folder.names(f"releases/{self.model}")
        return sorted(int(found[1]) for name in names if (found := re.match(r"(\d+)\.json$", name)))

    def record(self, number: int) -> Record:
        """One release of the history.

        Raises:
            UserError: it is not there.
        """
        file = self.record_file(number)
        content = self.folder.read(file)
        if content is None:
            known = ", ".join(map(str, self.numbers())) or "none"
            raise UserError(
                f"{self.model} has no release {number} in {self.folder.location}; "
                f"releases: {known}."
            )
        told = _object(content, self._named(file))
        release = Release.from_json(content, file=self._named(file))
        return Record(release, str(told.get("declaration", "")).encode())

    def shared_files(self) -> list[str]:
        """The files of no single model that the last deployed bundle brought."""
        content = self.folder.read(BUNDLE)
        return list(_object(content, self._named(BUNDLE))["files"]) if content else []

    def _named(self, file: str) -> str:
        return f"{self.folder.location}/{file}"


def record_content(record: Record) -> bytes:
    """What the history's file of a release holds."""
    return record.release.to_json(declaration=record.declaration.decode())


def bundle_content(commit: str, files: Mapping[str, bytes]) -> bytes:
    """Which files of no single model are there, and of which commit."""
    return f"{json.dumps({'commit': commit, 'files': sorted(files)}, indent=2)}\n".encode()


def _object(content: bytes, file: str) -> dict[str, Any]:
    try:
        told = json.loads(content)
    except ValueError as error:
        raise UserError(f"{file}: no JSON ({error}). Put the file back as it was.") from error
    if not isinstance(told, dict):
        raise UserError(f"{file}: expected a JSON object. Put the file back as it was.")
    return told
