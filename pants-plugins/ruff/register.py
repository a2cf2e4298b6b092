from __future__ import annotations

from ruff import first_party, skip_field, subsystem
from ruff import rules as ruff_rules


def rules():
    return (
        *first_party.rules(),
        *ruff_rules.rules(),
        *skip_field.rules(),
        *subsystem.rules(),
    )
