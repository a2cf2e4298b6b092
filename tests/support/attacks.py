"""How many examples of hostile input a test tries: a few in CI, always the same, or more."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# If set: the number of examples of each test, new ones in each run.
VARIABLE = "ATTACK_EXAMPLES"


def attack(examples: int) -> settings:
    """The settings of a test that makes up `examples` of hostile input."""
    wanted = os.environ.get(VARIABLE)
    return settings(
        max_examples=int(wanted or examples),
        derandomize=not wanted,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
