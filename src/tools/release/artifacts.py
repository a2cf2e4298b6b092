"""What Pants makes of a commit: a model's image and the bundle of DAGs; what a registry has."""

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

# The archive of Airflow's DAGs, and the program that asks a registry.
BUNDLE_TARGET = "src/dags:bundle"
# The image with the tasks of all models, and with those that are none's.
SHARED_IMAGE_TARGET = "docker/datascience:image"
DECLARATION = "dag.toml"
_MANIFEST = "pants-plugins/model_image/scripts:manifest"
_MANIFEST_FILE = "pants-plugins.model_image.scripts/manifest.pex"
_CONTENT = "content-"
_OF_MODELS = "models/"


@dataclass(frozen=True)
class Registry:
    """A registry of images, and the program that looks into it."""

    host: str
    program: Path

    @classmethod
    def packaged(cls, root: Path, host: str) -> Registry:
        """With its program, which Pants makes where it is not there yet."""
        _package(root, _MANIFEST)
        return cls(host, _dist(root) / _MANIFEST_FILE)

    def digest(self, repository: str, tag: str) -> str:
        """What it has under a tag or a digest; empty where it has nothing.

        Raises:
            UserError: it cannot be asked.
        """
        kept = ("PYTHON", "VIRTUAL_ENV", "PEX")
        done = subprocess.run(
            # Not our own virtual environment.
            [Path(sys.executable).resolve(), self.program, f"{self.host}/{repository}", tag],
            env={name: value for name, value in os.environ.items() if not name.startswith(kept)},
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
    """An image that Pants built: its target, its name without registry, and its tag by content."""

    target: str
    repository: str
    tag: str


@dataclass(frozen=True)
class Artifacts:
    """What a commit has for a model.

    Attributes:
        image: of the model's own tasks.
        shared_image: of the DAG's other tasks, where it has some.
        declaration: the model's `dag.toml`.
        shared: the other files of the bundle, without those of models.
    """

    image: Image
    shared_image: Image | None
    declaration: bytes
    shared: Mapping[str, bytes]

    @property
    def images(self) -> tuple[Image, ...]:
        """Those that there are, the model's own first."""
        return (self.image, *([self.shared_image] if self.shared_image else []))


def build(root: Path, model: str) -> Artifacts:
    """Build a model's images and the bundle, as the working tree has them.

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
    declaration = files.get(f"{_OF_MODELS}{model}/{DECLARATION}")
    if declaration is None:
        raise UserError(
            f"{BUNDLE_TARGET} has no {_OF_MODELS}{model}/{DECLARATION}: does "
            f'src/models/{model}/BUILD have file(name="dag", source="dag.toml")?'
        )
    shared = {name: text for name, text in files.items() if not name.startswith(_OF_MODELS)}
    return Artifacts(images[0], images[1] if images[1:] else None, declaration, shared)


def has_other_tasks(root: Path, model: str) -> bool:
    """Whether a model's DAG has tasks that are not the model's own.

    Raises:
        UserError: it declares none, or what it declares cannot be read.
    """
    file = root / "src/models" / model / DECLARATION
    shown = file.relative_to(root)
    try:
        told = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{shown}: is not there: declare the model's DAG in it.") from error
    except (ValueError, OSError) as error:
        raise UserError(f"{shown}: cannot be read as TOML: {error}.") from error
    tasks = told.get("tasks", {})
    modules = [task.get("module", "") for task in tasks.values() if isinstance(task, dict)]
    return any(module and not module.startswith(f"models.{model}.") for module in modules)


def publish(root: Path, image: Image, host: str) -> None:
    """Push an image to one registry, whichever pants.toml names.

    Raises:
        UserError: the registry does not take it.
    """
    registries = {"deployment": {"address": host, "default": True}}
    say(f"Publishing {image.target} …")
    # Pants reads a Python literal.
    call_pants(root, [f"--docker-registries={registries!r}", "publish", image.target])


def _package(root: Path, *targets: str) -> None:
    call_pants(root, ["package", *targets])


def _image(root: Path, target: str) -> Image:
    folder, _, name = target.partition(":")
    told = json.loads((_dist(root) / folder.replace("/", ".") / f"{name}.json").read_text())
    for ref in told["refs"]:
        repository, _, tag = ref.rpartition(":")
        if tag.startswith(_CONTENT):
            return Image(target, repository, tag)
    raise UserError(f"{target} has no tag by its content: {told['refs']}.")


def _archive(root: Path) -> Path:
    folder, _, name = BUNDLE_TARGET.partition(":")
    found = sorted((_dist(root) / folder.replace("/", ".")).glob(f"{name}.*"))
    if len(found) != 1:
        raise UserError(f"{BUNDLE_TARGET}: expected one archive in dist, found {len(found)}.")
    return found[0]


def _files(archive: Path) -> Iterator[tuple[str, bytes]]:
    """The files of a zip or tar archive, by their names in it."""
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
