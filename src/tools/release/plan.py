"""What a deployment or a rollback would change, and the steps that change it."""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path

from cli.errors import InputError, UserError
from cli.terminal import confirm, say, show, show_table
from data_access_layer.folders import Folder
from tools.release.artifacts import Artifacts, Image, Registry, publish
from tools.release.release import (
    BUNDLE,
    DeployedBundle,
    Record,
    Release,
    bundle_content,
    record_content,
)
from tools.release.site import Site
from tools.release.steps import Step, carry_out

_SHORT = 12
NOTHING = "none"


@dataclass(frozen=True)
class Row:
    """One thing that is deployed: as it is, and as it would be."""

    name: str
    present: str
    new: str

    @property
    def is_change(self) -> bool:
        """Whether it would be another."""
        return self.present != self.new


@dataclass(frozen=True)
class Plan:
    """What would change; `number` is of the release that would run, or does."""

    title: str
    number: int
    rows: tuple[Row, ...]
    details: tuple[str, ...]
    steps: tuple[Step, ...]

    @property
    def is_empty(self) -> bool:
        """Whether it is as it should be already."""
        return not self.steps

    def show(self) -> None:
        """Print it."""
        rows = [
            (row.name, row.present, row.new if row.is_change else "(the same)")
            for row in self.rows
            if (row.present, row.new) != (NOTHING, NOTHING)
        ]
        show_table(self.title, ("", "present", "new"), rows)
        for line in self.details:
            show(line)

    def carry_out(self) -> None:
        """Do all steps, or none.

        Raises:
            UserError: a step failed.
        """
        carry_out(self.steps, what=self.title)

    def confirm_and_carry_out(self, *, dry_run: bool, yes: bool, done: str) -> int:
        """Show the plan, ask, and carry it out, or nothing of it; return the exit code.

        `done` says what the release is afterwards, such as `deployed`.

        Raises:
            InputError: nobody can be asked.
            UserError: a step failed.
        """
        if self.is_empty:
            show(f"{self.title}: nothing to do, release {self.number} is already deployed.")
            return 0
        self.show()
        if dry_run:
            return 0
        if not is_confirmed(yes=yes):
            say("Nothing was done.")
            return 1
        self.carry_out()
        show(f"{self.title}: {done} release {self.number}.")
        return 0


def is_confirmed(*, yes: bool) -> bool:
    """Whether a person agrees; `yes` skips the question.

    Raises:
        InputError: there is no terminal to ask.
    """
    if yes:
        return True
    if not sys.stdin.isatty():
        raise InputError(
            "There is no terminal to ask for confirmation. Nothing was done. "
            "Use --yes to skip the question."
        )
    try:
        return confirm("Do it?")
    except EOFError:
        return False


def plan_deployment(
    site: Site,
    artifacts: Artifacts,
    registry: Registry,
    *,
    root: Path,
    version: str,
    commit: str,
) -> Plan:
    """What it takes to run these artifacts with that version.

    Raises:
        UserError: the registry, MLflow or the folder of DAGs cannot be asked.
    """
    bundle, current = site.bundle, site.current()
    digests = {image: registry.digest(image.repository, image.tag) for image in artifacts.images}
    changes = _SharedChanges.between(bundle, artifacts.shared)
    declared = bundle.folder.read(bundle.declaration_file)
    aliased = _aliased(site)
    rows = (
        *_image_rows(current, digests),
        Row("version", current.version if current else NOTHING, version),
        Row(f"alias {site.versions.alias}", aliased or NOTHING, version),
        Row("DAG", _state(declared), _state(artifacts.declaration)),
        Row("code of all DAGs", "as deployed", str(changes) if changes else "as deployed"),
    )
    title = f"{site.versions.model} in {site.environment}"
    if not any(row.is_change for row in rows) and declared == artifacts.declaration and current:
        return Plan(title, current.release, rows, (), ())
    number = max([0, *bundle.numbers()]) + 1
    header = (
        Row("release", str(current.release) if current else NOTHING, str(number)),
        Row("commit", _short(current.commit) if current else NOTHING, _short(commit)),
    )
    deployment = _Deployment(site, artifacts, registry, root, current, changes)
    release = Release(
        model=site.versions.model,
        image="",
        shared_image="",
        version=version,
        commit=commit,
        environment=site.environment,
        release=number,
        previous=current.release if current else None,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    details = (
        *(
            f"{image.repository}:{image.tag} is new in {site.registry}, and will be pushed."
            for image, digest in digests.items()
            if not digest
        ),
        *_diff(declared, artifacts.declaration, bundle.declaration_file),
        *changes.details(),
    )
    steps = deployment.steps(release, aliased)
    return Plan(title, number, (*header, *rows), details, tuple(steps))


def plan_rollback(site: Site, target: Record, registry: Registry) -> Plan:
    """What it takes to run a release of the history.

    Raises:
        UserError: its image or its version is gone, or something cannot be asked.
    """
    bundle, current, release = site.bundle, site.current(), target.release
    title = f"{release.model} in {site.environment}"
    for image in release.images:
        place, _, digest = image.partition("@")
        if registry.digest(place.removeprefix(f"{site.registry}/"), digest) != digest:
            raise UserError(f"{title}: the image of release {release.release}, {image}, is gone.")
    if site.versions.find(release.version) is None:
        raise UserError(
            f"{title}: version {release.version} of release {release.release} is gone from "
            f"{site.versions.uri}."
        )
    declared, aliased = bundle.folder.read(bundle.declaration_file), _aliased(site)
    assert current
    rows = (
        Row("release", str(current.release), str(release.release)),
        Row("commit", _short(current.commit), _short(release.commit)),
        Row("image", _digest(current.image), _digest(release.image)),
        Row("image of other tasks", _digest(current.shared_image), _digest(release.shared_image)),
        Row("version", current.version, release.version),
        Row(f"alias {site.versions.alias}", aliased or NOTHING, release.version),
        Row("DAG", _state(declared), _state(target.declaration)),
    )
    if not any(row.is_change for row in rows) and declared == target.declaration:
        return Plan(title, release.release, rows, (), ())
    details = _diff(declared, target.declaration, bundle.declaration_file)
    steps = _switch(site, lambda: target, aliased)
    return Plan(title, release.release, rows, tuple(details), tuple(steps))


@dataclass(frozen=True)
class _SharedChanges:
    """Files of no single model that differ: what is there, and what would be; None is no file."""

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
        """Lines for a person."""
        if self:
            yield "Code that the DAGs of all models share changes with this deployment:"
        for name in self.after:
            gone, new = self.after[name] is None, self.before[name] is None
            yield f"  {name}{' (removed)' if gone else ' (new)' if new else ''}"


@dataclass(frozen=True)
class _Deployment:
    site: Site
    artifacts: Artifacts
    registry: Registry
    root: Path
    current: Release | None
    changes: _SharedChanges

    def steps(self, release: Release, aliased: str | None) -> Iterator[Step]:
        """The image first, then files that nobody looks at, at last what is looked at."""
        bundle, folder = self.site.bundle, self.site.bundle.folder
        pushed: list[str] = []

        def push() -> None:
            pushed[:] = [self._pushed(image) for image in self.artifacts.images]

        def record() -> Record:
            own, *others = pushed
            named = dataclasses.replace(release, image=own, shared_image="".join(others))
            return Record(named, self.artifacts.declaration)

        places = "images are" if self.artifacts.shared_image else "image is"
        yield Step(f"the {places} in {self.site.registry}", push)
        file = bundle.record_file(release.release)
        yield Step(
            f"{file} is written",
            lambda: folder.write(file, record_content(record())),
            lambda: _forget(folder, file),
        )
        if self.changes:
            yield self._share(release.commit)
        yield from _switch(self.site, record, aliased)

    def _pushed(self, image: Image) -> str:
        """The image with its digest, which the registry has from now on."""
        digest = self.registry.digest(image.repository, image.tag)
        if not digest:
            publish(self.root, image, self.site.registry)
            digest = self.registry.digest(image.repository, image.tag)
        named = f"{self.site.registry}/{image.repository}"
        if not digest:
            raise UserError(f"{named}:{image.tag} was pushed and is not there.")
        return f"{named}@{digest}"

    def _share(self, commit: str) -> Step:
        folder = self.site.bundle.folder
        listed = folder.read(BUNDLE)

        def put_back() -> None:
            _put(folder, {**self.changes.before, BUNDLE: listed})

        return Step(
            f"the code of all DAGs is written: {self.changes}",
            lambda: _put(
                folder,
                {**self.changes.after, BUNDLE: bundle_content(commit, self.artifacts.shared)},
            ),
            put_back,
        )


def _switch(site: Site, record: Callable[[], Record], aliased: str | None) -> Iterator[Step]:
    """What decides what runs; the release's own file comes last."""
    bundle, versions = site.bundle, site.versions
    declaration, file = bundle.declaration_file, bundle.release_file
    before = {name: bundle.folder.read(name) for name in (declaration, file)}

    def point_back() -> None:
        if _aliased(site) != aliased:
            versions.set_alias(aliased)

    yield Step(
        f"{declaration} is written",
        lambda: bundle.folder.write(declaration, record().declaration),
        lambda: _put(bundle.folder, {declaration: before[declaration]}),
    )
    yield Step(
        f"the alias {versions.alias} is moved",
        lambda: versions.set_alias(record().release.version),
        point_back,
    )
    yield Step(
        f"{file} is written",
        lambda: bundle.folder.write(file, record().release.to_json()),
        lambda: _put(bundle.folder, {file: before[file]}),
    )


def _aliased(site: Site) -> str | None:
    version = site.versions.aliased()
    return str(version.version) if version else None


def _put(folder: Folder, files: Mapping[str, bytes | None]) -> None:
    """Let files be so, and None not be there; what the others import comes first."""
    for name in sorted(files, key=lambda name: (files[name] is None, name.startswith("dags/"))):
        content = files[name]
        if folder.read(name) == content:
            continue
        if content is None:
            folder.remove(name)
        else:
            folder.write(name, content)


def _forget(folder: Folder, name: str) -> None:
    """Remove what nothing refers to; where that fails, it does no harm."""
    with suppress(UserError):
        folder.remove(name)


def _image_rows(current: Release | None, digests: Mapping[Image, str]) -> Iterator[Row]:
    """One for each image; one that is not in the registry yet is named by its tag."""
    names = ("image", "image of other tasks")
    present = (current.image, current.shared_image) if current else ("", "")
    new = [_short(digest) or image.tag for image, digest in digests.items()]
    for name, before, after in zip_longest(names, present, new, fillvalue=NOTHING):
        yield Row(name, _digest(before), after)


def _digest(image: str) -> str:
    return _short(image.partition("@")[2]) or NOTHING


def _short(text: str) -> str:
    algorithm, colon, digits = text.rpartition(":")
    return f"{algorithm}{colon}{digits[:_SHORT]}"


def _state(declaration: bytes | None) -> str:
    if declaration is None:
        return NOTHING
    return f"dag.toml {hashlib.sha256(declaration).hexdigest()[:_SHORT]}"


def _diff(present: bytes | None, new: bytes, name: str) -> Iterator[str]:
    """How a declaration changes, line by line."""
    if present is None or present == new:
        return
    before, after = (text.decode().splitlines() for text in (present, new))
    yield from difflib.unified_diff(before, after, f"{name}, present", f"{name}, new", lineterm="")
