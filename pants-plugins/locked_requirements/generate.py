from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

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


class GenerateLockedRequirementsRequest(GenerateTargetsRequest):
    generate_from = LockedRequirementsTargetGenerator


def parse_requirements(content: str, *, path: str) -> dict[str, dict[str, PipRequirement]]:
    """The requirements of a file by project and by line, a line being `<file>:<number>: <text>`."""
    numbers = {
        number: requirement
        for number, line in enumerate(content.splitlines(), start=1)
        # Blank lines before it keep Pants' own parser right about the number in its message.
        for requirement in parse_requirements_file("\n" * (number - 1) + line, rel_path=path)
    }
    projects: dict[str, dict[str, PipRequirement]] = defaultdict(dict)
    for number, requirement in numbers.items():
        projects[requirement.project_name][f"{path}:{number}: {requirement}"] = requirement
    return dict(projects)


def lock_below(lockfile: str | None, *, spec_path: str) -> tuple[str, ...]:
    """The lockfile as a BUILD file's target may own it: relative, and not above the BUILD file."""
    relative = os.path.relpath(lockfile or "..", spec_path or ".")
    return () if relative.startswith("..") else (relative,)


def take_overrides(
    overrides: dict[str, dict[str, Any]], project: str, *, dependency: str
) -> Mapping[str, Any]:
    fields = overrides.pop(canonicalize_name(project), {})
    return {**fields, Dependencies.alias: [*fields.get(Dependencies.alias, ()), dependency]}


def no_overrides_left(overrides: Iterable[str], address: Address) -> None:
    if overrides:
        raise InvalidFieldException(
            f"Unused key in the `overrides` field for {address}: {sorted(overrides)}"
        )


@rule(
    desc="Generate `python_requirement` targets that depend on their closures", level=LogLevel.DEBUG
)
async def generate_locked_requirements(
    request: GenerateLockedRequirementsRequest,
    union_membership: UnionMembership,
    python_setup: PythonSetup,
) -> GeneratedTargets:
    generator = request.generator
    address = request.template_address
    source = generator[LockedRequirementsSourceField]
    resolve = (
        request.template.get(PythonRequirementResolveField.alias) or python_setup.default_resolve
    )
    folder = ClosureFolder(address.spec_path, resolve)
    overrides: dict[str, dict[str, Any]] = {
        canonicalize_name(project): dict(fields)
        for project, fields in request.require_unparametrized_overrides().items()
    }
    files = await Get(
        DigestContents,
        PathGlobs(
            [source.file_path],
            glob_match_error_behavior=GlobMatchErrorBehavior.error,
            description_of_origin=f"{generator}'s field `{source.alias}`",
        ),
    )

    def closure(project: str, lines: Iterable[str]) -> RequirementClosureTarget:
        return RequirementClosureTarget(
            {
                RequirementClosureSourceField.alias: folder.relative_path(project),
                RequirementClosureLinesField.alias: tuple(lines),
                ClosureResolveField.alias: resolve,
            },
            address.create_generated(f"closure/{project}"),
            union_membership,
        )

    def requirement(
        project: str, requirements: Iterable[PipRequirement]
    ) -> PythonRequirementTarget:
        name = canonicalize_name(project)
        dependency = address.create_generated(f"closure/{project}").spec
        return PythonRequirementTarget(
            {
                **request.template,
                PythonRequirementsField.alias: list(requirements),
                PythonRequirementModulesField.alias: generator[ModuleMappingField].value.get(name),
                PythonRequirementTypeStubModulesField.alias: generator[
                    TypeStubsModuleMappingField
                ].value.get(name),
                **take_overrides(overrides, project, dependency=dependency),
            },
            address.create_generated(project),
            union_membership,
        )

    inputs = ClosureInputsTarget(
        {
            ClosureInputsSourcesField.alias: (
                source.value,
                *lock_below(python_setup.resolves.get(resolve), spec_path=address.spec_path),
            ),
            ClosureResolveField.alias: resolve,
        },
        address.create_generated(f"closure-inputs/{source.value}"),
        union_membership,
    )
    projects = parse_requirements(files[0].content.decode(), path=source.file_path)
    targets: list[Target] = [inputs]
    for project, requirements in projects.items():
        targets += [
            closure(project, requirements),
            requirement(project, requirements.values()),
        ]
    no_overrides_left(overrides, address)
    return GeneratedTargets(generator, targets)


def rules():
    return (
        *collect_rules(),
        UnionRule(GenerateTargetsRequest, GenerateLockedRequirementsRequest),
    )
