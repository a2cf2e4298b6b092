"""The gate: what a new version of a model must reach to become champion."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from validation.bootstrap import Interval


@dataclass(frozen=True, kw_only=True)
class Gate:
    """What a challenger must reach on the hold-out to become champion.

    Its `metric` must be better than the champion's by more than `margin`. `at_least` and `at_most`
    are limits for any metrics, independent of the champion. The gain has an interval of
    `confidence` from `resamples` of the hold-out. With `certain`, the whole interval must be above
    the margin; off by default, because on a small hold-out only a far better model reaches that.
    """

    metric: str
    higher_is_better: bool = True
    margin: float = 0.0
    at_least: Mapping[str, float]
    at_most: Mapping[str, float] | None = None
    certain: bool = False
    confidence: float = 0.95
    resamples: int = 200


@dataclass(frozen=True)
class Verdict:
    """Whether the challenger passes the gate, with one reason for each check."""

    passed: bool
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        return f"Gate {'passed' if self.passed else 'failed'}: {'; '.join(self.reasons)}."


def judge(
    gate: Gate,
    challenger: Mapping[str, float],
    champion: Mapping[str, float] | None,
    gain: Interval | None = None,
) -> Verdict:
    """Judge the challenger's metrics by the gate's limits, and compare them with the champion's.

    `gain` is the interval of the challenger's gain, None if it is unknown.
    """
    limits: list[tuple[str, float, Literal["at least", "at most"]]] = [
        *((name, limit, "at least") for name, limit in gate.at_least.items()),
        *((name, limit, "at most") for name, limit in (gate.at_most or {}).items()),
    ]
    checks = [
        *(_check_limit(name, challenger, limit, kind) for name, limit, kind in limits),
        _check_gain(gate, challenger, champion, gain),
    ]
    return Verdict(all(passed for passed, _ in checks), tuple(reason for _, reason in checks))


def _check_limit(
    name: str, challenger: Mapping[str, float], limit: float, kind: Literal["at least", "at most"]
) -> tuple[bool, str]:
    value = challenger.get(name)
    if value is None:
        return False, f"{name} was not measured, {kind} {limit:g}"
    passed = value >= limit if kind == "at least" else value <= limit
    return passed, f"{name} {value:.4f}, {kind} {limit:g}"


def _check_gain(
    gate: Gate,
    challenger: Mapping[str, float],
    champion: Mapping[str, float] | None,
    interval: Interval | None,
) -> tuple[bool, str]:
    own = challenger.get(gate.metric, math.nan)
    if math.isnan(own):
        return False, f"{gate.metric} is not a number"
    if champion is None:
        return True, "there is no champion to compare with"
    other = champion.get(gate.metric, math.nan)
    gain = own - other if gate.higher_is_better else other - own
    # Any number is better than NaN.
    passed = math.isnan(other) or gain > gate.margin
    gain_text = f"; gain {gain:+.4f}, {interval}" if interval else ""
    if gate.certain and passed and not math.isnan(other):
        # False without an interval, and for an interval of NaN.
        passed = bool(interval and interval.low > gate.margin)
    word = "certainly better" if gate.certain else "better"
    return passed, (
        f"{gate.metric} {own:.4f}, champion's {other:.4f}: {'' if passed else 'not '}{word}"
        + (f" by more than {gate.margin:g}" if gate.margin else "")
        + gain_text
    )
