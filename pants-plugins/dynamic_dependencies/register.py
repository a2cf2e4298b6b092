from __future__ import annotations

from dynamic_dependencies import field
from dynamic_dependencies import rules as dynamic_dependencies_rules


def rules():
    return (*field.rules(), *dynamic_dependencies_rules.rules())
