from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from packaging.utils import canonicalize_name
from pants.backend.python.macros.common_fields import (
    ModuleMappingField,
    TypeStubsModuleMappingField,
)
from pants.backend.python.pip_requirement import PipRequirement
from pants.backend.python.subsystems.setup import PythonSetup
from pants.backend.python.target_types import (
    PythonRequirementModulesField,
    PythonRequirementResolveField,
    PythonRequirementsField,
    PythonRequirementTarget,
    PythonRequirementTypeStubModulesField,
    parse_requirements_file,
)
from pants.engine.addresses import Address
from pants.engine.fs import DigestContents, GlobMatchErrorBehavior, PathGlobs
from pants.engine.rules import Get, collect_rules, rule
from pants.engine.target import (
    Dependencies,
    GeneratedTargets,
    GenerateTargetsRequest,
    InvalidFieldException,
    Target,
)
from pants.engine.unions import UnionMembership, UnionRule
from pants.util.logging import LogLevel

from locked_requirements.target_types import (
    ClosureFolder,
    ClosureInputsSourcesField,
    ClosureInputsTarget,
    ClosureResolveField,
    LockedRequirementsSourceField,
    LockedRequirementsTargetGenerator,
    RequirementClosureLinesField,
    RequirementClosureSourceField,
    RequirementClosureTarget,
)

# The fields to override, by project.
Overrides = dict[str, dict[str, Any]]
TargetT = TypeVar("TargetT", bound=Target)


class GenerateLockedRequirementsRequest(GenerateTargetsRequest):
    generate_from = LockedRequirementsTargetGenerator


def parse_requirements(content: str, *, path: str) -> dict[str, dict[str, PipRequirement]]:
    """The requirements of a file by project and by line (`<file>:<number>: <text>`)."""
    numbers = {
        number: requirement
        for number, line in enumerate(content.splitlines(), start=1)
        # Blank lines before it, so that Pants' parser reports the right line number.
        for requirement in parse_requirements_file("\n" * (number - 1) + line, rel_path=path)
    }
    projects: dict[str, dict[str, PipRequirement]] = defaultdict(dict)
    for number, requirement in numbers.items():
        projects[requirement.project_name][f"{path}:{number}: {requirement}"] = requirement
    return dict(projects)


def lock_below(lockfile: str | None, *, spec_path: str) -> tuple[str, ...]:
    """The lockfile's path relative to the BUILD file; empty if it is not below that folder."""
    relative = os.path.relpath(lockfile or "..", spec_path or ".")
    return () if relative.startswith("..") else (relative,)


def take_overrides(overrides: Overrides, project: str, *, dependency: str) -> Mapping[str, Any]:
    """Remove a project's overrides, and return them with the dependency added."""
    fields = overrides.pop(canonicalize_name(project), {})
    return {**fields, Dependencies.alias: [*fields.get(Dependencies.alias, ()), dependency]}


def check_overrides_used(overrides: Iterable[str], address: Address) -> None:
    if overrides:
        raise InvalidFieldException(
            f"Unused key in the `overrides` field for {address}: {sorted(overrides)}"
        )


@dataclass(frozen=True)
class TargetFactory:
    """Creates the generated targets of one `locked_requirements` target."""

    request: GenerateLockedRequirementsRequest
    resolve: str
    union_membership: UnionMembership

    def create(self, target_type: type[TargetT], name: str, fields: Mapping[str, Any]) -> TargetT:
        address = self.request.template_address.create_generated(name)
        return target_type(dict(fields), address, self.union_membership)

    def closure(self, project: str, lines: Iterable[str]) -> RequirementClosureTarget:
        folder = ClosureFolder(self.request.template_address.spec_path, self.resolve)
        fields = {
            RequirementClosureSourceField.alias: folder.relative_path(project),
            RequirementClosureLinesField.alias: tuple(lines),
            ClosureResolveField.alias: self.resolve,
        }
        return self.create(RequirementClosureTarget, f"closure/{project}", fields)

    def requirement(
        self, project: str, requirements: Iterable[PipRequirement], overrides: Overrides
    ) -> PythonRequirementTarget:
        name = canonicalize_name(project)
        generator = self.request.generator
        modules = generator[ModuleMappingField].value
        stubs = generator[TypeStubsModuleMappingField].value
        dependency = self.request.template_address.create_generated(f"closure/{project}").spec
        fields = {
            **self.request.template,
            PythonRequirementsField.alias: list(requirements),
            PythonRequirementModulesField.alias: modules.get(name),
            PythonRequirementTypeStubModulesField.alias: stubs.get(name),
            **take_overrides(overrides, project, dependency=dependency),
        }
        return self.create(PythonRequirementTarget, project, fields)

    def inputs(self, lockfile: str | None) -> ClosureInputsTarget:
        source = self.request.generator[LockedRequirementsSourceField].value
        spec_path = self.request.template_address.spec_path
        fields = {
            ClosureInputsSourcesField.alias: (source, *lock_below(lockfile, spec_path=spec_path)),
            ClosureResolveField.alias: self.resolve,
        }
        return self.create(ClosureInputsTarget, f"closure-inputs/{source}", fields)


@rule(
    desc="Generate `python_requirement` targets that depend on their closures", level=LogLevel.DEBUG
)
async def generate_locked_requirements(
    request: GenerateLockedRequirementsRequest,
    union_membership: UnionMembership,
    python_setup: PythonSetup,
) -> GeneratedTargets:
    generator = request.generator
    source = generator[LockedRequirementsSourceField]
    files = await Get(
        DigestContents,
        PathGlobs(
            [source.file_path],
            glob_match_error_behavior=GlobMatchErrorBehavior.error,
            description_of_origin=f"{generator}'s field `{source.alias}`",
        ),
    )
    resolve = (
        request.template.get(PythonRequirementResolveField.alias) or python_setup.default_resolve
    )
    factory = TargetFactory(request, resolve, union_membership)
    overrides = {
        canonicalize_name(project): dict(fields)
        for project, fields in request.require_unparametrized_overrides().items()
    }
    targets: list[Target] = [factory.inputs(python_setup.resolves.get(resolve))]
    projects = parse_requirements(files[0].content.decode(), path=source.file_path)
    for project, requirements in projects.items():
        targets += [
            factory.closure(project, requirements),
            factory.requirement(project, requirements.values(), overrides),
        ]
    check_overrides_used(overrides, request.template_address)
    return GeneratedTargets(generator, targets)


def rules():
    return (
        *collect_rules(),
        UnionRule(GenerateTargetsRequest, GenerateLockedRequirementsRequest),
    )
