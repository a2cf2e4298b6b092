"""Find a version, check that this code can load it, and load it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from sklearn.pipeline import Pipeline

from cli.errors import UserError
from cli.terminal import say
from modelling.definition import ModelDefinition
from modelling.registry.compatibility import Compatibility, UnreadableRecordError
from modelling.registry.mlflow_registry import Registry

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion


class NoChampionError(UserError):
    """No version of a model has the champion's alias."""


class MismatchError(UserError):
    """A version was trained with other code, requirements or contract than this process has."""


def load_model(
    definition: ModelDefinition,
    registry: Registry,
    *,
    number: str | None = None,
    allow_mismatch: bool = False,
) -> tuple[ModelVersion, Pipeline]:
    """Load the version `number`, or the champion.

    Raises:
        NoChampionError: `number` is None and there is no champion.
        MismatchError: the version was trained with something else than this process has.
    """
    version = find_version(definition, registry, number=number, allow_mismatch=allow_mismatch)
    return version, registry.load(version, definition)


def find_version(
    definition: ModelDefinition,
    registry: Registry,
    *,
    number: str | None = None,
    allow_mismatch: bool = False,
) -> ModelVersion:
    """Find the version that `load_model` loads, and check that this code can load it.

    Raises:
        NoChampionError: `number` is None and there is no champion.
        MismatchError: the version was trained with something else than this process has.
    """
    version = (
        registry.version(definition.name, number) if number else registry.champion(definition.name)
    )
    if version is None:
        raise NoChampionError(
            f"{definition.name} has no champion in {registry.uri}. "
            f"Train one: ./pants run src/models/{definition.name}:train"
        )
    differences = find_mismatches(definition, version)
    if differences and not allow_mismatch:
        raise MismatchError(_explain_mismatches(version, differences))
    if differences:
        say(f"Loading {version.name} version {version.version} despite: {'; '.join(differences)}.")
    return version


def find_mismatches(definition: ModelDefinition, version: ModelVersion) -> list[str]:
    """Why this process cannot load a version; empty if it can."""
    try:
        recorded = Compatibility.from_tags(version.tags)
    except UnreadableRecordError as error:
        return [str(error)]
    if recorded is None:
        return ["it has no record of what it was trained with"]
    return recorded.differences(Compatibility.of_this_process(definition, recorded.requirements))


def _explain_mismatches(version: ModelVersion, differences: list[str]) -> str:
    recorded = None
    with suppress(UnreadableRecordError):
        recorded = Compatibility.from_tags(version.tags)
    lines = [
        f"{version.name} version {version.version} was not trained with this code:",
        *(f"  - {difference}" for difference in differences),
        "To fix this, either:",
    ]
    if recorded and recorded.image:
        lines.append(f"  - run the image it was trained with: {recorded.image}")
    if recorded:
        lines.append(f"  - run the commit it was trained at: {recorded.git_commit}")
    lines += [
        f"  - train a version with this code: ./pants run src/models/{version.name}:train",
        "  - load it anyway, at your own risk: --allow-mismatch",
    ]
    return "\n".join(lines)
