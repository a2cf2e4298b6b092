from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace

from pants.backend.python.subsystems.setup import PythonSetup
from pants.backend.python.target_types import (
    PexBinary,
    PexEntryPointField,
    PythonResolveField,
    ResolvedPexEntryPoint,
    ResolvePexEntryPointRequest,
)
from pants.base.specs import Specs
from pants.base.specs_parser import SpecsParser
from pants.engine.addresses import Address, Addresses
from pants.engine.fs import PathGlobs, Paths
from pants.engine.internals.graph import Owners, OwnersRequest
from pants.engine.rules import Get, MultiGet, collect_rules, rule
from pants.engine.target import (
    FieldSet,
    InferDependenciesRequest,
    InferredDependencies,
    InvalidFieldException,
    Target,
    Targets,
)
from pants.engine.unions import UnionRule
from pants.util.logging import LogLevel

from model_image.subsystem import ModelImages
from model_image.target_types import ImageTasksField


@dataclass(frozen=True)
class ImageTasksRequest:
    """The tasks of the `model_image` at an address."""

    address: Address
    specs: tuple[str, ...]
    resolve: str

    @classmethod
    def of(cls, field_set: ImageTasksFieldSet, setup: PythonSetup) -> ImageTasksRequest:
        specs = field_set.tasks.value or ()
        return cls(field_set.address, specs, field_set.resolve.normalized_value(setup))


@dataclass(frozen=True)
class ImageTasks:
    """The `pex_binary` targets of an image, and their modules in the same order."""

    addresses: Addresses
    modules: tuple[str, ...]


@dataclass(frozen=True)
class ImageTasksFieldSet(FieldSet):
    required_fields = (ImageTasksField, PythonResolveField)

    tasks: ImageTasksField
    resolve: PythonResolveField


class InferImageTasks(InferDependenciesRequest):
    infer_from = ImageTasksFieldSet


class NoTasksError(InvalidFieldException):
    """A `model_image` has no tasks."""

    def __init__(self, request: ImageTasksRequest) -> None:
        super().__init__(
            f"The `{ImageTasksField.alias}` field of {request.address} is {list(request.specs)}, "
            f"which matches no `pex_binary` of the resolve `{request.resolve}`. Add one for each "
            'module that the image runs: pex_binary(name="predict", entry_point="predict.py").'
        )


def absolute(spec: str, spec_path: str) -> str:
    """Make a spec absolute that is relative to a BUILD file, such as `:predict` or `./more::`."""
    if spec.startswith("-"):
        return f"-{absolute(spec[1:], spec_path)}"
    if spec.startswith(":"):
        # `:` alone selects all targets of the BUILD file.
        return f"{spec_path}{spec}"
    if spec.startswith("./"):
        return os.path.join(spec_path, spec[2:])
    return spec


def is_task(target: Target, *, resolve: str, setup: PythonSetup) -> bool:
    return (
        target.alias == PexBinary.alias
        and bool(target[PexEntryPointField].value)
        and target[PythonResolveField].normalized_value(setup) == resolve
    )


def module_of(entry_point: ResolvedPexEntryPoint) -> str:
    return entry_point.val.module if entry_point.val else ""


async def find_targets(specs: Iterable[str], address: Address) -> Targets:
    parsed = SpecsParser().parse_specs(
        [absolute(spec, address.spec_path) for spec in specs],
        description_of_origin=f"the `{ImageTasksField.alias}` field of {address}",
    )
    # Filters on the command line must not change an image's tasks.
    includes = replace(parsed.includes, filter_by_global_options=False)
    return await Get(Targets, Addresses, await Get(Addresses, Specs(includes, parsed.ignores)))


@rule(desc="Find the tasks of an image", level=LogLevel.DEBUG)
async def find_tasks(request: ImageTasksRequest, setup: PythonSetup) -> ImageTasks:
    targets = [
        target
        for target in await find_targets(request.specs, request.address)
        if is_task(target, resolve=request.resolve, setup=setup)
    ]
    if not targets:
        raise NoTasksError(request)
    targets.sort(key=lambda target: target.address)
    entry_points = await MultiGet(
        Get(ResolvedPexEntryPoint, ResolvePexEntryPointRequest(target[PexEntryPointField]))
        for target in targets
    )
    return ImageTasks(
        Addresses(target.address for target in targets), tuple(map(module_of, entry_points))
    )


@rule(desc="Infer the dependencies of an image", level=LogLevel.DEBUG)
async def infer_tasks(
    request: InferImageTasks, setup: PythonSetup, images: ModelImages
) -> InferredDependencies:
    field_set = request.field_set
    tasks, dockerfiles = await MultiGet(
        Get(
            ImageTasks,
            ImageTasksRequest,
            ImageTasksRequest.of(field_set, setup),
        ),
        Get(Paths, PathGlobs(images.file_globs)),
    )
    owners = await Get(Owners, OwnersRequest(dockerfiles.files))
    return InferredDependencies((*tasks.addresses, *owners))


def rules():
    return (*collect_rules(), UnionRule(InferDependenciesRequest, InferImageTasks))
