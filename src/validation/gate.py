"""A declared gate between a new model and the one in use."""

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

    `metric` decides and must be better than the champion's by more than `margin`; `at_least` and
    `at_most` are limits for any metrics, whatever the champion does. How certain the gain is, is
    told as an interval of that `confidence` from `resamples` of the hold-out; `certain` demands
    that all of it is above the margin. Off by default: on a small hold-out, only a far better
    model is certainly better.
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
    """Whether the gate holds, with one line for each thing that it looked at."""

    passed: bool
    reasons: tuple[str, ...]


def judge(
    gate: Gate,
    challenger: Mapping[str, float],
    champion: Mapping[str, float] | None,
    gain: Interval | None = None,
) -> Verdict:
    """Hold the challenger's metrics against the gate, and against the champion's where one is.

    `gain` is the interval of what the challenger gains, None where it cannot be told.
    """
    checks = [
        *(_limit(name, challenger, limit, "at least") for name, limit in gate.at_least.items()),
        *(
            _limit(name, challenger, limit, "at most")
            for name, limit in (gate.at_most or {}).items()
        ),
        _comparison(gate, challenger, champion, gain),
    ]
    return Verdict(all(passed for passed, _ in checks), tuple(reason for _, reason in checks))


def _limit(
    name: str, challenger: Mapping[str, float], limit: float, kind: Literal["at least", "at most"]
) -> tuple[bool, str]:
    value = challenger.get(name)
    if value is None:
        return False, f"{name} was not measured, {kind} {limit:g}"
    passed = value >= limit if kind == "at least" else value <= limit
    return passed, f"{name} {value:.4f}, {kind} {limit:g}"


def _comparison(
    gate: Gate,
    challenger: Mapping[str, float],
    champion: Mapping[str, float] | None,
    interval: Interval | None,
) -> tuple[bool, str]:
    own = challenger.get(gate.metric, math.nan)
    if math.isnan(own):
        return False, f"{gate.metric} is no number, so nothing can be said"
    if champion is None:
        return True, "there is no champion to compare with"
    other = champion.get(gate.metric, math.nan)
    gain = own - other if gate.higher_is_better else other - own
    # Any number is better than none.
    passed = math.isnan(other) or gain > gate.margin
    told = f"; gain {gain:+.4f}, {interval}" if interval else ""
    if gate.certain and passed and not math.isnan(other):
        # Also without an interval, or with one that is no number.
        passed = bool(interval and interval.low > gate.margin)
    word = "certainly better" if gate.certain else "better"
    return passed, (
        f"{gate.metric} {own:.4f}, champion's {other:.4f}: {'' if passed else 'not '}{word}"
        + (f" by more than {gate.margin:g}" if gate.margin else "")
        + told
    )
