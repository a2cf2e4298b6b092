from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass

from pants.backend.python.dependency_inference.module_mapper import (
    PythonModuleOwners,
    PythonModuleOwnersRequest,
)
from pants.backend.python.dependency_inference.rules import (
    ResolvedParsedPythonDependencies,
    ResolvedParsedPythonDependenciesRequest,
    UnownedDependencyError,
    UnownedImportPossibleOwnerRequest,
    UnownedImportPossibleOwners,
    _collect_imports_info,
    _remove_ignored_imports,
)
from pants.backend.python.dependency_inference.rules import rules as python_inference_rules
from pants.backend.python.dependency_inference.subsystem import (
    PythonInferSubsystem,
    UnownedDependencyUsage,
)
from pants.backend.python.subsystems.setup import PythonSetup
from pants.backend.python.target_types import InterpreterConstraintsField, PythonResolveField
from pants.backend.python.util_rules.interpreter_constraints import InterpreterConstraints
from pants.engine.addresses import Address
from pants.engine.internals.graph import Owners, OwnersRequest
from pants.engine.rules import Get, MultiGet, collect_rules, rule
from pants.engine.target import FieldSet, InferDependenciesRequest, InferredDependencies
from pants.engine.unions import UnionRule
from pants.util.docutil import doc_url
from pants.util.strutil import bullet_list, softwrap

from notebook.cells import CellLine
from notebook.parse import ParsedNotebook, ParseNotebookRequest
from notebook.target_types import (
    NotebookDependenciesField,
    NotebookSkipExecuteField,
    NotebookSourceField,
)

logger = logging.getLogger(__name__)

KERNEL = "ipykernel"


@dataclass(frozen=True)
class NotebookInferenceFieldSet(FieldSet):
    """The fields that Pants' own rules for Python read, with a notebook as the source."""

    required_fields = (NotebookSourceField, NotebookDependenciesField, PythonResolveField)

    source: NotebookSourceField
    dependencies: NotebookDependenciesField
    resolve: PythonResolveField
    interpreter_constraints: InterpreterConstraintsField
    skip_execute: NotebookSkipExecuteField

    def parse_request(self, setup: PythonSetup) -> ParseNotebookRequest:
        constraints = InterpreterConstraints.create_from_compatibility_fields(
            [self.interpreter_constraints], setup
        )
        return ParseNotebookRequest(self.source, constraints)


class InferNotebookDependencies(InferDependenciesRequest):
    infer_from = NotebookInferenceFieldSet


@dataclass(frozen=True)
class UnownedImportsRequest:
    """The imports of a notebook that no target provides."""

    address: Address
    origins: tuple[tuple[str, CellLine], ...]
    resolve: str


@dataclass(frozen=True)
class UnownedImportsMessage:
    text: str


@rule
async def describe_unowned_imports(request: UnownedImportsRequest) -> UnownedImportsMessage:
    possible = await MultiGet(
        Get(UnownedImportPossibleOwners, UnownedImportPossibleOwnerRequest(name, request.resolve))
        for name, _ in request.origins
    )
    elsewhere = [
        f"{name}: {', '.join(f'`{resolve}` from {owner}' for owner, resolve in owners.value)}"
        for (name, _), owners in zip(request.origins, possible)
        if owners.value
    ]
    others = f"\n\nOther resolves have these:\n\n{bullet_list(elsewhere)}" if elsewhere else ""
    imports = [f"{name} ({origin})" for name, origin in request.origins]
    return UnownedImportsMessage(
        softwrap(
            f"""
            Pants cannot infer owners for the following imports in the notebook {request.address}
            (resolve `{request.resolve}`):

            {bullet_list(imports)}{others}

            If you do not expect an import to be inferrable, add `# pants: no-infer-dep` to the
            import line. Otherwise, see
            {doc_url("troubleshooting#import-errors-and-missing-dependencies")} for common problems.
            """
        )
    )


def unowned(
    resolved: ResolvedParsedPythonDependencies, infer: PythonInferSubsystem
) -> tuple[str, ...]:
    _, names = _collect_imports_info(resolved.resolve_results)
    return tuple(sorted(_remove_ignored_imports(names, infer.ignored_unowned_imports)))


def run_paths(paths: Mapping[str, CellLine], folder: str) -> tuple[str, ...]:
    """Paths in `%run` are relative to the notebook's folder."""
    return tuple(os.path.normpath(os.path.join(folder, path)) for path in paths)


async def _report(behaviour: UnownedDependencyUsage, request: UnownedImportsRequest) -> None:
    """Warn or fail, as `[python-infer].unowned_dependency_behavior` says."""
    if not request.origins or behaviour is UnownedDependencyUsage.DoNothing:
        return
    message = await Get(UnownedImportsMessage, UnownedImportsRequest, request)
    if behaviour is UnownedDependencyUsage.RaiseError:
        raise UnownedDependencyError(message.text)
    logger.warning(message.text)


@rule(desc="Infer what notebooks import")
async def infer_notebook_dependencies(
    request: InferNotebookDependencies, infer: PythonInferSubsystem, setup: PythonSetup
) -> InferredDependencies:
    field_set: NotebookInferenceFieldSet = request.field_set
    parsed = await Get(ParsedNotebook, ParseNotebookRequest, field_set.parse_request(setup))
    for problem in parsed.problems:
        logger.warning(f"{problem} No dependencies are inferred from it.")
    resolve = field_set.resolve.normalized_value(setup)
    resolved, kernel, *run = await MultiGet(
        Get(
            ResolvedParsedPythonDependencies,
            # Our field set has the attributes that this rule reads.
            ResolvedParsedPythonDependenciesRequest(
                field_set,
                parsed.dependencies,
                resolve,  # type: ignore[arg-type]
            ),
        ),
        Get(PythonModuleOwners, PythonModuleOwnersRequest(KERNEL, resolve, locality=None)),
        *(
            Get(Owners, OwnersRequest((path,)))
            for path in run_paths(parsed.runs, field_set.address.spec_path)
        ),
    )
    imports, _ = _collect_imports_info(resolved.resolve_results)
    assets, _ = _collect_imports_info(resolved.assets)
    origins = tuple((name, parsed.origins[name]) for name in unowned(resolved, infer))
    not_there = tuple(path for (path, _), owners in zip(parsed.runs.items(), run) if not owners)
    await _report(
        infer.unowned_dependency_behavior,
        UnownedImportsRequest(
            field_set.address,
            (*origins, *((f"%run {path}", parsed.runs[path]) for path in not_there)),
            resolve,
        ),
    )
    executed = () if field_set.skip_execute.value else kernel.unambiguous
    return InferredDependencies(
        sorted({*imports, *assets, *executed, *(owner for owners in run for owner in owners)})
    )


def rules():
    return (
        *collect_rules(),
        *python_inference_rules(),
        UnionRule(InferDependenciesRequest, InferNotebookDependencies),
    )
