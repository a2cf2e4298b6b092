from __future__ import annotations

from changed_targets import rules as changed_targets_rules


def rules():
    changed_targets_rules.replace_rule()
    return ()
