"""Pants' visibility rules, extended by reasons: the comments in a rule set."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, cast

from pants.backend.visibility.rule_types import (
    BuildFileVisibilityRules,
    BuildFileVisibilityRulesParserState,
    VisibilityRuleSet,
    flatten,
)
from pants.engine.addresses import Address
from pants.engine.internals.dep_rules import (
    BuildFileDependencyRules,
    BuildFileDependencyRulesParserState,
    DependencyRuleAction,
    DependencyRuleApplication,
)
from pants.engine.internals.target_adaptor import TargetAdaptor


def reasons_of(rules: Iterable[str]) -> tuple[str, ...]:
    """For each rule that is not a comment, the comment above it, or "".

    A comment covers the `!` and `?` rules that follow it, up to the next comment or allowing rule.
    Adjacent comment lines are one comment.
    """
    reasons = []
    comment: list[str] = []
    covers = False
    for rule in filter(None, rules):
        if rule.startswith("#"):
            comment = [] if covers else comment
            comment.append(rule.lstrip("# "))
            covers = False
        else:
            covers = rule.startswith(("!", "?"))
            comment = comment if covers else []
            reasons.append(" ".join(comment))
    return tuple(reasons)


@dataclass(frozen=True)
class ExplainedRuleSet(VisibilityRuleSet):
    reasons: tuple[str, ...]

    @classmethod
    def explain(cls, ruleset: VisibilityRuleSet, arg: Any) -> ExplainedRuleSet:
        """The rule set that Pants parsed from `arg`, with the comments in it."""
        return cls(
            ruleset.build_file, ruleset.selectors, ruleset.rules, reasons_of(flatten(arg[1:], str))
        )

    def reason(self, pattern: str) -> str:
        matches = (why for rule, why in zip(self.rules, self.reasons) if str(rule) == pattern)
        return next(matches, "")


@dataclass(frozen=True)
class ExplainedApplication(DependencyRuleApplication):
    reasons: tuple[str, ...]
    places: tuple[str, ...] = ()

    def at(self, places: Iterable[str]) -> ExplainedApplication:
        return replace(self, places=tuple(places))

    def __str__(self) -> str:
        return "\n".join((super().__str__(), *self.places, *self.reasons))


@dataclass(frozen=True)
class ExplainedRules(BuildFileVisibilityRules):
    @staticmethod
    def create_parser_state(
        path: str, parent: BuildFileDependencyRules | None
    ) -> BuildFileDependencyRulesParserState:
        return ExplainedRulesParserState(path, cast(ExplainedRules, parent))

    @classmethod
    def check_dependency_rules(
        cls,
        *,
        origin_address: Address,
        origin_adaptor: TargetAdaptor,
        dependencies_rules: BuildFileDependencyRules | None,
        dependency_address: Address,
        dependency_adaptor: TargetAdaptor,
        dependents_rules: BuildFileDependencyRules | None,
    ) -> DependencyRuleApplication:
        application = super().check_dependency_rules(
            origin_address=origin_address,
            origin_adaptor=origin_adaptor,
            dependencies_rules=dependencies_rules,
            dependency_address=dependency_address,
            dependency_adaptor=dependency_adaptor,
            dependents_rules=dependents_rules,
        )
        if application.action is DependencyRuleAction.ALLOW:
            return application
        origin = (origin_address, origin_adaptor)
        dependency = (dependency_address, dependency_adaptor)
        reasons = (
            cls._reason(dependencies_rules, *origin, *dependency),
            cls._reason(dependents_rules, *dependency, *origin),
        )
        return ExplainedApplication(
            **vars(application), reasons=tuple(dict.fromkeys(filter(None, reasons)))
        )

    @staticmethod
    def _reason(
        rules: BuildFileDependencyRules | None,
        address: Address,
        adaptor: TargetAdaptor,
        other_address: Address,
        other_adaptor: TargetAdaptor,
    ) -> str:
        if rules is None:
            return ""
        ruleset, _, pattern = cast(ExplainedRules, rules).get_action(
            address, adaptor, other_address, other_adaptor
        )
        return cast(ExplainedRuleSet, ruleset).reason(pattern) if ruleset and pattern else ""


@dataclass
class ExplainedRulesParserState(BuildFileVisibilityRulesParserState):
    def get_frozen_dependency_rules(self) -> BuildFileDependencyRules | None:
        return ExplainedRules(self.path, tuple(self.rulesets)) if self.rulesets else self.parent

    def set_dependency_rules(
        self, build_file: str, *args: Any, extend: bool = False, **kwargs: Any
    ) -> None:
        super().set_dependency_rules(build_file, *args, extend=extend, **kwargs)
        # The rest are the parent's rule sets, which have their reasons already.
        given = [arg for arg in args if arg]
        own = map(ExplainedRuleSet.explain, self.rulesets, given)
        self.rulesets = [*own, *self.rulesets[len(given) :]]
