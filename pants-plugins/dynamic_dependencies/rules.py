from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pants.backend.python.subsystems.setup import PythonSetup
from pants.backend.python.target_types import PythonResolveField
from pants.engine.addresses import Address, Addresses
from pants.engine.fs import PathGlobs, Paths
from pants.engine.rules import Get, MultiGet, collect_rules, rule
from pants.engine.target import (
    FieldSet,
    InferDependenciesRequest,
    InferredDependencies,
    InvalidFieldException,
    Target,
)
from pants.engine.unions import UnionRule
from pants.util.logging import LogLevel

from dynamic_dependencies import targets_by_file
from dynamic_dependencies.field import DynamicDependenciesField
from dynamic_dependencies.targets_by_file import PythonTargetsByFile


@dataclass(frozen=True)
class DynamicDependenciesFieldSet(FieldSet):
    required_fields = (DynamicDependenciesField, PythonResolveField)

    modules: DynamicDependenciesField
    resolve: PythonResolveField


class InferDynamicDependencies(InferDependenciesRequest):
    infer_from = DynamicDependenciesFieldSet


class UnmatchedGlobError(InvalidFieldException):
    """A glob of `dynamic_dependencies` matches no module."""

    def __init__(self, address: Address, glob: str, expected: str) -> None:
        self.address = address
        self.glob = glob
        super().__init__(
            f"The glob {glob!r} in the `{DynamicDependenciesField.alias}` field of {address} "
            f"matches no {expected}. Globs are relative to the build root."
        )


def with_exclusions(globs: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Each glob that includes files, with all globs that exclude files."""
    globs = tuple(globs)
    excludes = tuple(glob for glob in globs if glob.startswith("!"))
    return {glob: (glob, *excludes) for glob in globs if glob not in excludes}


def python_sources(targets: Iterable[Target], *, resolve: str, setup: PythonSetup) -> Addresses:
    return Addresses(
        target.address
        for target in targets
        if target[PythonResolveField].normalized_value(setup) == resolve
    )


@rule(desc="Match modules that are imported at run time", level=LogLevel.DEBUG)
async def infer_dynamic_dependencies(
    request: InferDynamicDependencies, python_setup: PythonSetup
) -> InferredDependencies:
    field_set = request.field_set
    globs = with_exclusions(field_set.modules.value or ())
    if not globs:
        # Most binaries have none, and need not load all targets.
        return InferredDependencies(())
    paths = await MultiGet(Get(Paths, PathGlobs(group)) for group in globs.values())
    for glob, matched in zip(globs, paths):
        if not matched.files:
            raise UnmatchedGlobError(field_set.address, glob, "file")
    targets = await Get(PythonTargetsByFile)
    resolve = field_set.resolve.normalized_value(python_setup)
    sources = [
        python_sources(
            (target for file in matched.files for target in targets.get(file, ())),
            resolve=resolve,
            setup=python_setup,
        )
        for matched in paths
    ]
    for glob, addresses in zip(globs, sources):
        if not addresses:
            expected = f"Python source of the resolve `{resolve}`"
            raise UnmatchedGlobError(field_set.address, glob, expected)
    return InferredDependencies(address for addresses in sources for address in addresses)


def rules():
    return (
        *collect_rules(),
        *targets_by_file.rules(),
        UnionRule(InferDependenciesRequest, InferDynamicDependencies),
    )
