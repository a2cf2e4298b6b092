from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pants.backend.python.dependency_inference.parse_python_dependencies import (
    ParsedPythonDependencies,
    ParsedPythonImportInfo,
    ParsePythonDependenciesRequest,
)
from pants.backend.python.dependency_inference.rules import (
    PythonImportDependenciesInferenceFieldSet,
    ResolvedParsedPythonDependencies,
    ResolvedParsedPythonDependenciesRequest,
)
from pants.backend.python.subsystems.setup import PythonSetup
from pants.backend.python.util_rules.interpreter_constraints import InterpreterConstraints
from pants.engine.addresses import Address
from pants.engine.rules import Get, collect_rules, rule
from pants.engine.target import WrappedTarget, WrappedTargetRequest
from pants.util.frozendict import FrozenDict
from pants.util.logging import LogLevel


@dataclass(frozen=True)
class ImportLinesRequest:
    address: Address


@dataclass(frozen=True)
class ImportLines:
    """The lines that import each dependency of a target, as `<file>:<line>: imports <name>`."""

    lines: FrozenDict[Address, tuple[str, ...]]


def import_lines(
    path: str,
    imports: Mapping[str, ParsedPythonImportInfo],
    owners: Mapping[str, Iterable[Address]],
) -> ImportLines:
    lines: dict[Address, tuple[str, ...]] = defaultdict(tuple)
    for name, info in sorted(imports.items(), key=lambda item: (item[1].lineno, item[0])):
        for owner in owners.get(name, ()):
            lines[owner] = (*lines[owner], f"{path}:{info.lineno}: imports {name}")
    return ImportLines(FrozenDict(lines))


@rule(desc="Find the lines that import a dependency", level=LogLevel.DEBUG)
async def find_import_lines(request: ImportLinesRequest, python_setup: PythonSetup) -> ImportLines:
    wrapped = await Get(
        WrappedTarget, WrappedTargetRequest(request.address, description_of_origin="import_rules")
    )
    if not PythonImportDependenciesInferenceFieldSet.is_applicable(wrapped.target):
        return ImportLines(FrozenDict())
    # The same requests as in Pants' dependency inference: the first two results are memoized.
    field_set = PythonImportDependenciesInferenceFieldSet.create(wrapped.target)
    constraints = InterpreterConstraints.create_from_compatibility_fields(
        [field_set.interpreter_constraints], python_setup
    )
    parsed = await Get(
        ParsedPythonDependencies, ParsePythonDependenciesRequest(field_set.source, constraints)
    )
    resolved = await Get(
        ResolvedParsedPythonDependencies,
        ResolvedParsedPythonDependenciesRequest(
            field_set, parsed, field_set.resolve.normalized_value(python_setup)
        ),
    )
    owners = {name: result.address for name, result in resolved.resolve_results.items()}
    return import_lines(field_set.source.file_path, parsed.imports, owners)


def rules():
    return collect_rules()
