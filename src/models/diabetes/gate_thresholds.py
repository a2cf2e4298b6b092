"""What a version must reach on the hold-out to become champion."""

from __future__ import annotations

from validation.gate import Gate

GATE = Gate(metric="mae", higher_is_better=False, at_least={"r2": 0.3, "coverage": 0.8})
