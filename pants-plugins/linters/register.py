from __future__ import annotations

from linters import rules as linters_rules


def rules():
    return linters_rules.rules()
