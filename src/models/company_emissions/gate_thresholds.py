"""What a version must reach on the hold-out to become champion."""

from __future__ import annotations

from validation.gate import Gate

GATE = Gate(
    metric="rmsle", higher_is_better=False, at_least={"coverage": 0.8}, at_most={"rmsle": 1.5}
)
