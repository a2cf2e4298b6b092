"""A declared gate between a new model and the one in use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Gate:
    """What a challenger must reach on the hold-out to become champion.

    `metric` decides and must be better than the champion's by more than `margin`; `at_least` and
    `at_most` are limits for any metrics, whatever the champion does.
    """

    metric: str
    higher_is_better: bool = True
    margin: float = 0.0
    at_least: Mapping[str, float]
    at_most: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Verdict:
    """Whether the gate holds, with one line for each thing that it looked at."""

    passed: bool
    reasons: tuple[str, ...]


def judge(
    gate: Gate, challenger: Mapping[str, float], champion: Mapping[str, float] | None
) -> Verdict:
    """Hold the challenger's metrics against the gate, and against the champion's where one is."""
    checks = [*_limits(gate, challenger), _comparison(gate, challenger, champion)]
    return Verdict(all(passed for passed, _ in checks), tuple(reason for _, reason in checks))


def _limits(gate: Gate, challenger: Mapping[str, float]) -> list[tuple[bool, str]]:
    lower = [
        (
            challenger[name] >= limit,
            f"{name} {challenger[name]:.4f}, at least {limit:g}",
        )
        for name, limit in gate.at_least.items()
    ]
    upper = [
        (challenger[name] <= limit, f"{name} {challenger[name]:.4f}, at most {limit:g}")
        for name, limit in (gate.at_most or {}).items()
    ]
    return lower + upper


def _comparison(
    gate: Gate, challenger: Mapping[str, float], champion: Mapping[str, float] | None
) -> tuple[bool, str]:
    if champion is None:
        return True, "there is no champion to compare with"
    gain = challenger[gate.metric] - champion[gate.metric]
    if not gate.higher_is_better:
        gain = -gain
    text = f"{gate.metric} {challenger[gate.metric]:.4f}, champion's {champion[gate.metric]:.4f}"
    passed = gain > gate.margin
    return passed, f"{text}: {'better' if passed else 'not better'}" + (
        f" by more than {gate.margin:g}" if gate.margin else ""
    )
