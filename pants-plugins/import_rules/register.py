from __future__ import annotations

from import_rules import import_lines
from import_rules import rules as import_rules_rules


def rules():
    return (*import_lines.rules(), *import_rules_rules.rules())
