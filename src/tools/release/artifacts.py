"""Build and publish a commit's images and DAG bundle, and look up images in a registry."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cli.errors import UserError
from cli.terminal import say
from tools.workspace.pants import call_pants

# The archive of Airflow's DAGs.
BUNDLE_TARGET = "src/dags:bundle"
# The image with the tasks of all models, and those outside of models.
SHARED_IMAGE_TARGET = "docker/datascience:image"
DECLARATION = "dag.toml"
# The program that looks up images in a registry.
_MANIFEST = "pants-plugins/model_image/scripts:manifest"
_MANIFEST_FILE = "pants-plugins.model_image.scripts/manifest.pex"
_CONTENT = "content-"
_MODELS = "models/"


@dataclass(frozen=True)
class Registry:
    """An image registry, and the program that looks up images in it."""

    host: str
    program: Path

    @classmethod
    def package(cls, root: Path, host: str) -> Registry:
        """Package the program with Pants."""
        _package(root, _MANIFEST)
        return cls(host, _dist(root) / _MANIFEST_FILE)

    def digest(self, repository: str, tag: str) -> str:
        """The digest of an image, by tag or digest; empty if the registry lacks it.

        Raises:
            UserError: the registry cannot be reached, or refuses.
        """
        removed = ("PYTHON", "VIRTUAL_ENV", "PEX")
        done = subprocess.run(
            # The base interpreter, without our packages.
            [Path(sys.executable).resolve(), self.program, f"{self.host}/{repository}", tag],
            env={name: value for name, value in os.environ.items() if not name.startswith(removed)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise UserError(done.stderr.strip())
        return done.stdout.strip()


@dataclass(frozen=True)
class Image:
    """An image that Pants built: its target, its name without registry, and its content tag."""

    target: str
    repository: str
    tag: str


@dataclass(frozen=True)
class Artifacts:
    """What a commit deploys for a model.

    Attributes:
        image: runs the model's tasks.
        shared_image: runs the DAG's tasks outside of the model, if there are any.
        declaration: the model's `dag.toml`.
        shared: the files of the bundle outside of models.
    """

    image: Image
    shared_image: Image | None
    declaration: bytes
    shared: Mapping[str, bytes]

    @property
    def images(self) -> tuple[Image, ...]:
        """All images, the model's first."""
        return (self.image, *([self.shared_image] if self.shared_image else []))


def build(root: Path, model: str) -> Artifacts:
    """Build a model's images and the bundle from the working tree.

    Raises:
        UserError: the model declares no DAG, or Pants fails.
    """
    targets = [f"src/models/{model}:image"]
    if has_other_tasks(root, model):
        targets.append(SHARED_IMAGE_TARGET)
    say(f"Building {', '.join(targets)} and {BUNDLE_TARGET} …")
    _package(root, *targets, BUNDLE_TARGET, _MANIFEST)
    images = [_image(root, target) for target in targets]
    files = dict(_files(_archive(root)))
    declaration = files.get(f"{_MODELS}{model}/{DECLARATION}")
    if declaration is None:
        raise UserError(
            f"{BUNDLE_TARGET} has no {_MODELS}{model}/{DECLARATION}. Add "
            f'file(name="dag", source="dag.toml") to src/models/{model}/BUILD.'
        )
    shared = {name: data for name, data in files.items() if not name.startswith(_MODELS)}
    return Artifacts(images[0], images[1] if images[1:] else None, declaration, shared)


def has_other_tasks(root: Path, model: str) -> bool:
    """Whether a model's DAG has tasks outside of the model.

    Raises:
        UserError: there is no declaration, or it is not valid TOML.
    """
    file = root / "src/models" / model / DECLARATION
    shown = file.relative_to(root)
    try:
        declaration = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{shown}: no such file. Declare the model's DAG in it.") from error
    except (ValueError, OSError) as error:
        raise UserError(f"{shown}: cannot be read as TOML: {error}.") from error
    tasks = declaration.get("tasks", {})
    modules = [task.get("module", "") for task in tasks.values() if isinstance(task, dict)]
    return any(module and not module.startswith(f"models.{model}.") for module in modules)


def publish(root: Path, image: Image, host: str) -> None:
    """Push an image to a registry, instead of those in pants.toml.

    Raises:
        UserError: the push failed.
    """
    registries = {"deployment": {"address": host, "default": True}}
    say(f"Publishing {image.target} …")
    # Pants expects a Python literal.
    call_pants(root, [f"--docker-registries={registries!r}", "publish", image.target])


def _package(root: Path, *targets: str) -> None:
    call_pants(root, ["package", *targets])


def _image(root: Path, target: str) -> Image:
    folder, _, name = target.partition(":")
    built = json.loads((_dist(root) / folder.replace("/", ".") / f"{name}.json").read_text())
    for ref in built["refs"]:
        repository, _, tag = ref.rpartition(":")
        if tag.startswith(_CONTENT):
            return Image(target, repository, tag)
    raise UserError(f"{target} has no tag that starts with {_CONTENT}: {built['refs']}.")


def _archive(root: Path) -> Path:
    folder, _, name = BUNDLE_TARGET.partition(":")
    found = sorted((_dist(root) / folder.replace("/", ".")).glob(f"{name}.*"))
    if len(found) != 1:
        raise UserError(f"{BUNDLE_TARGET}: expected one archive in dist, found {len(found)}.")
    return found[0]


def _files(archive: Path) -> Iterator[tuple[str, bytes]]:
    """The names and contents of the files in a zip or tar archive."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            for entry in opened.infolist():
                if not entry.is_dir():
                    yield _name(entry.filename), opened.read(entry)
        return
    with tarfile.open(archive) as tar:
        for member in filter(tarfile.TarInfo.isfile, tar):
            file = tar.extractfile(member)
            assert file is not None
            yield _name(member.name), file.read()


def _name(path: str) -> str:
    return PurePosixPath(path).as_posix()


def _dist(root: Path) -> Path:
    return root / "dist"
