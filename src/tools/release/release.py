"""The releases of a model: files in the folder from which Airflow reads its DAGs.

- `models/iris/dag.toml` and `models/iris/release.json`: the current release; the second is written
  last.
- `releases/iris/1.json`, `2.json`, …: every release, each with its `dag.toml`.
- `bundle.json`: the list of files that all models share, from the last deployed commit.
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
        image: with its digest, so that later pushes do not change it.
        shared_image: the image of the DAG's tasks outside of the model; empty without such tasks.
        version: the number of the model's version in MLflow.
        release: the number of the release in this environment, from 1.
        previous: the release that it replaced, to which a rollback returns.
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
        """All images with their digests; the model's first."""
        return tuple(image for image in (self.image, self.shared_image) if image)

    def to_json(self, **more: str) -> bytes:
        """The content of its file."""
        return f"{json.dumps({**dataclasses.asdict(self), **more}, indent=2)}\n".encode()

    @classmethod
    def from_json(cls, content: bytes, *, file: str) -> Self:
        """Parse the content of a file.

        Raises:
            UserError: it is not a release.
        """
        values = _object(content, file)
        try:
            return cls(**{field.name: values[field.name] for field in dataclasses.fields(cls)})
        except KeyError as error:
            raise UserError(
                f"{file}: expected a release, but {error} is missing. Restore the file."
            ) from error


@dataclass(frozen=True)
class Record:
    """A release with the declaration of its DAG, as in the history."""

    release: Release
    declaration: bytes


@dataclass(frozen=True)
class DeployedBundle:
    """The folder from which Airflow reads DAGs, with one model's releases."""

    folder: Folder
    model: str

    @property
    def declaration_file(self) -> str:
        """The declaration of the model's DAG."""
        return f"models/{self.model}/dag.toml"

    @property
    def release_file(self) -> str:
        """The current release."""
        return f"models/{self.model}/release.json"

    def record_file(self, number: int) -> str:
        """A release in the history."""
        return f"releases/{self.model}/{number}.json"

    def current(self) -> Release | None:
        """The release that is deployed now, None before the first deployment."""
        content = self.folder.read(self.release_file)
        return (
            Release.from_json(content, file=self._location(self.release_file)) if content else None
        )

    def numbers(self) -> list[int]:
        """The releases in the history."""
        names = self.folder.names(f"releases/{self.model}")
        return sorted(int(found[1]) for name in names if (found := re.match(r"(\d+)\.json$", name)))

    def record(self, number: int) -> Record:
        """Read one release of the history.

        Raises:
            UserError: there is no such release.
        """
        file = self.record_file(number)
        content = self.folder.read(file)
        if content is None:
            known = ", ".join(map(str, self.numbers())) or "none"
            raise UserError(
                f"{self.model} has no release {number} in {self.folder.location}; "
                f"releases: {known}."
            )
        values = _object(content, self._location(file))
        release = Release.from_json(content, file=self._location(file))
        return Record(release, str(values.get("declaration", "")).encode())

    def shared_files(self) -> list[str]:
        """The files that all models share, from the last deployed bundle."""
        content = self.folder.read(BUNDLE)
        return list(_object(content, self._location(BUNDLE))["files"]) if content else []

    def _location(self, file: str) -> str:
        return f"{self.folder.location}/{file}"


def record_content(record: Record) -> bytes:
    """The content of a release's file in the history."""
    return record.release.to_json(declaration=record.declaration.decode())


def bundle_content(commit: str, files: Mapping[str, bytes]) -> bytes:
    """The content of `bundle.json`: the shared files, and their commit."""
    return f"{json.dumps({'commit': commit, 'files': sorted(files)}, indent=2)}\n".encode()


def write_files(folder: Folder, files: Mapping[str, bytes | None]) -> None:
    """Write files, and remove those whose content is None; imported files come first."""
    for name in sorted(files, key=lambda name: (files[name] is None, name.startswith("dags/"))):
        content = files[name]
        if folder.read(name) == content:
            continue
        if content is None:
            folder.remove(name)
        else:
            folder.write(name, content)


def _object(content: bytes, file: str) -> dict[str, Any]:
    try:
        values = json.loads(content)
    except ValueError as error:
        raise UserError(f"{file}: not valid JSON ({error}). Restore the file.") from error
    if not isinstance(values, dict):
        raise UserError(f"{file}: expected a JSON object. Restore the file.")
    return values
