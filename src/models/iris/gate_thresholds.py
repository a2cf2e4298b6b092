"""What a version must reach on the hold-out to become champion."""

from __future__ import annotations

from validation.gate import Gate

GATE = Gate(metric="log_loss", higher_is_better=False, at_least={"accuracy": 0.9})
