from __future__ import annotations

from dataclasses import replace

from pants.backend.visibility.rules import VisibilityValidateFieldSet
from pants.engine.internals.dep_rules import (
    BuildFileDependencyRulesImplementation,
    BuildFileDependencyRulesImplementationRequest,
)
from pants.engine.rules import Get, collect_rules, rule
from pants.engine.target import (
    DependenciesRuleApplication,
    DependenciesRuleApplicationRequest,
    ValidatedDependencies,
    ValidateDependenciesRequest,
)
from pants.engine.unions import UnionRule
from pants.util.frozendict import FrozenDict

from import_rules.import_lines import ImportLines, ImportLinesRequest
from import_rules.rule_types import ExplainedApplication, ExplainedRules


class ExplainedRulesRequest(BuildFileDependencyRulesImplementationRequest):
    pass


class ValidateImportsRequest(ValidateDependenciesRequest):
    field_set_type = VisibilityValidateFieldSet


@rule
def use_explained_rules(_: ExplainedRulesRequest) -> BuildFileDependencyRulesImplementation:
    return BuildFileDependencyRulesImplementation(ExplainedRules)


def locate(
    applied: DependenciesRuleApplication, imports: ImportLines
) -> DependenciesRuleApplication:
    rules = {
        address: (
            application.at(imports.lines.get(address, ()))
            if isinstance(application, ExplainedApplication)
            else application
        )
        for address, application in applied.dependencies_rule.items()
    }
    return replace(applied, dependencies_rule=FrozenDict(rules))


@rule
async def validate_imports(request: ValidateImportsRequest) -> ValidatedDependencies:
    address = request.field_set.address
    applied = await Get(
        DependenciesRuleApplication,
        DependenciesRuleApplicationRequest(
            address=address,
            dependencies=request.dependencies,
            description_of_origin=f"get dependency rules for {address}",
        ),
    )
    if any(isinstance(rule, ExplainedApplication) for rule in applied.dependencies_rule.values()):
        imports = await Get(ImportLines, ImportLinesRequest(address))
        applied = locate(applied, imports)
    applied.execute_actions()
    return ValidatedDependencies()


def rules():
    return (
        *collect_rules(),
        UnionRule(BuildFileDependencyRulesImplementationRequest, ExplainedRulesRequest),
        UnionRule(ValidateDependenciesRequest, ValidateImportsRequest),
    )
