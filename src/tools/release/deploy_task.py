"""Plan a deployment: what it changes, and its steps."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path

from cli.errors import UserError
from data_access_layer.folders import Folder
from tools.release.artifacts import Artifacts, Image, Registry, publish
from tools.release.environment import DeploymentEnvironment
from tools.release.plan import (
    NOTHING,
    Plan,
    Row,
    declaration_digest,
    diff_declarations,
    image_digest,
    shorten,
)
from tools.release.release import (
    BUNDLE,
    DeployedBundle,
    Record,
    Release,
    bundle_content,
    record_content,
    write_files,
)
from tools.release.steps import Step, switch_release


def plan_deployment(
    environment: DeploymentEnvironment,
    artifacts: Artifacts,
    registry: Registry,
    *,
    root: Path,
    version: str,
    commit: str,
) -> Plan:
    """Plan to run these artifacts with this version of the model.

    Raises:
        UserError: the registry, MLflow or the DAG folder cannot be read.
    """
    bundle, current = environment.bundle, environment.current()
    digests = {image: registry.digest(image.repository, image.tag) for image in artifacts.images}
    changes = _SharedChanges.between(bundle, artifacts.shared)
    declared = bundle.folder.read(bundle.declaration_file)
    aliased = environment.aliased_version()
    rows = (
        *_image_rows(current, digests),
        Row("version", current.version if current else NOTHING, version),
        Row(f"alias {environment.versions.alias}", aliased or NOTHING, version),
        Row("DAG", declaration_digest(declared), declaration_digest(artifacts.declaration)),
        Row("code of all DAGs", "as deployed", str(changes) if changes else "as deployed"),
    )
    # Rows show shortened digests.
    is_same = declared == artifacts.declaration and not any(row.is_change for row in rows)
    if current and is_same:
        return Plan(environment.title, current.release, rows, (), ())
    release = _next_release(environment, current, version, commit)
    details = (
        *(
            f"{image.repository}:{image.tag} is new, and will be pushed to {environment.registry}."
            for image, digest in digests.items()
            if not digest
        ),
        *diff_declarations(declared, artifacts.declaration, bundle.declaration_file),
        *changes.details(),
    )
    deployment = _Deployment(environment, artifacts, registry, root, changes)
    return Plan(
        environment.title,
        release.release,
        (*_release_rows(current, release), *rows),
        details,
        tuple(deployment.steps(release, aliased)),
    )


def _next_release(
    environment: DeploymentEnvironment, current: Release | None, version: str, commit: str
) -> Release:
    """The release without its images: only pushing them gives their digests."""
    return Release(
        model=environment.versions.model,
        image="",
        shared_image="",
        version=version,
        commit=commit,
        environment=environment.name,
        release=max([0, *environment.bundle.numbers()]) + 1,
        previous=current.release if current else None,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _release_rows(current: Release | None, new: Release) -> tuple[Row, ...]:
    number, commit = (str(current.release), shorten(current.commit)) if current else (NOTHING,) * 2
    return Row("release", number, str(new.release)), Row("commit", commit, shorten(new.commit))


def _image_rows(current: Release | None, digests: Mapping[Image, str]) -> Iterator[Row]:
    """A row for each image; an image that is not in the registry yet is named by its tag."""
    names = ("image", "image of other tasks")
    before = (current.image, current.shared_image) if current else ("", "")
    new = [shorten(digest) or image.tag for image, digest in digests.items()]
    for name, old, tag in zip_longest(names, before, new, fillvalue=NOTHING):
        yield Row(name, image_digest(old), tag)


@dataclass(frozen=True)
class _SharedChanges:
    """The files of all models that differ: deployed and new content, None if there is no file."""

    before: Mapping[str, bytes | None]
    after: Mapping[str, bytes | None]

    @classmethod
    def between(cls, bundle: DeployedBundle, files: Mapping[str, bytes]) -> _SharedChanges:
        names = sorted({*files, *bundle.shared_files()})
        before = {name: bundle.folder.read(name) for name in names}
        changed = [name for name in names if before[name] != files.get(name)]
        return cls(
            {name: before[name] for name in changed}, {name: files.get(name) for name in changed}
        )

    def __bool__(self) -> bool:
        return bool(self.after)

    def __str__(self) -> str:
        return f"{len(self.after)} file{'' if len(self.after) == 1 else 's'} changed"

    def details(self) -> Iterator[str]:
        """The lines of the plan about these files."""
        if self:
            yield "This deployment changes code that the DAGs of all models share:"
        for name in self.after:
            gone, new = self.after[name] is None, self.before[name] is None
            yield f"  {name}{' (removed)' if gone else ' (new)' if new else ''}"


@dataclass(frozen=True)
class _Deployment:
    environment: DeploymentEnvironment
    artifacts: Artifacts
    registry: Registry
    root: Path
    changes: _SharedChanges

    def steps(self, release: Release, aliased: str | None) -> Iterator[Step]:
        """Push images, write files that nothing reads yet, then switch to the release."""
        bundle, folder = self.environment.bundle, self.environment.bundle.folder
        pushed: list[str] = []

        def push() -> None:
            pushed[:] = [self._push(image) for image in self.artifacts.images]

        def record() -> Record:
            own, *others = pushed
            named = dataclasses.replace(release, image=own, shared_image="".join(others))
            return Record(named, self.artifacts.declaration)

        images = "images" if self.artifacts.shared_image else "image"
        yield Step(f"push the {images} to {self.environment.registry}", push)
        file = bundle.record_file(release.release)
        yield Step(
            f"write {file}",
            lambda: folder.write(file, record_content(record())),
            lambda: _try_to_remove(folder, file),
        )
        if self.changes:
            yield self._write_shared_code(release.commit)
        yield from switch_release(self.environment, record, aliased)

    def _push(self, image: Image) -> str:
        """Push an image unless the registry has it; return its name with the digest."""
        digest = self.registry.digest(image.repository, image.tag)
        if not digest:
            publish(self.root, image, self.environment.registry)
            digest = self.registry.digest(image.repository, image.tag)
        name = f"{self.environment.registry}/{image.repository}"
        if not digest:
            raise UserError(f"{name}:{image.tag} was pushed, but the registry does not have it.")
        return f"{name}@{digest}"

    def _write_shared_code(self, commit: str) -> Step:
        folder = self.environment.bundle.folder
        before = {**self.changes.before, BUNDLE: folder.read(BUNDLE)}
        after = {**self.changes.after, BUNDLE: bundle_content(commit, self.artifacts.shared)}
        return Step(
            f"write the shared code of all DAGs ({self.changes})",
            lambda: write_files(folder, after),
            lambda: write_files(folder, before),
        )


def _try_to_remove(folder: Folder, name: str) -> None:
    """Remove a file that nothing refers to; it does no harm if that fails."""
    with suppress(UserError):
        folder.remove(name)
