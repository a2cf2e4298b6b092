from __future__ import annotations

import pytest

from import_rules.rule_types import ExplainedRuleSet, VisibilityRuleSet, reasons_of


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (("!*",), ("",)),
        (("# why", "!*"), ("why",)),
        # One comment may take lines, and cover rules.
        (
            ("# models are independent:", "#  move it", "!/a", "?/b"),
            ("models are independent: move it",) * 2,
        ),
        (("# first", "!/a", "# second", "!/b"), ("first", "second")),
        # An allowing rule has no reason, and ends the comment.
        (("# own folder", "./**", "!*"), ("", "")),
        (("# why", "!/a", "/b", "!*"), ("why", "", "")),
        (("# why", "", "!*"), ("why",)),
    ],
)
def test_a_comment_covers_the_denials_after_it(
    rules: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    assert reasons_of(rules) == expected


def test_the_reason_is_that_of_the_first_rule_that_matches() -> None:
    arg = ("<python_sources>", ["/own", "# why\n!/a\n!/b"], "# else", "!/b")
    ruleset = ExplainedRuleSet.explain(VisibilityRuleSet.parse("src/BUILD", arg), arg)
    assert [str(rule) for rule in ruleset.rules] == ["src/own", "!src/a", "!src/b", "!src/b"]
    assert [ruleset.reason(pattern) for pattern in ("src/own", "!src/a", "!src/b", "!src/c")] == [
        "",
        "why",
        "why",
        "",
    ]
