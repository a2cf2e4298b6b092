from __future__ import annotations

import math
from collections.abc import Mapping

import pytest

from validation.bootstrap import Interval
from validation.gate import Gate, Verdict, judge

GATE = Gate(metric="f1", at_least={"f1": 0.5}, at_most={"loss": 2.0})


def test_every_limit_and_the_champion_are_looked_at_and_told() -> None:
    assert judge(GATE, {"f1": 0.75, "loss": 1.0}, {"f1": 0.7}) == Verdict(
        True,
        (
            "f1 0.7500, at least 0.5",
            "loss 1.0000, at most 2",
            "f1 0.7500, champion's 0.7000: better",
        ),
    )
    assert judge(GATE, {"f1": 0.25, "loss": 3.0}, {"f1": 0.7}) == Verdict(
        False,
        (
            "f1 0.2500, at least 0.5",
            "loss 3.0000, at most 2",
            "f1 0.2500, champion's 0.7000: not better",
        ),
    )


@pytest.mark.parametrize(
    ("f1", "loss", "passed"),
    [(0.5, 2.0, True), (0.49, 2.0, False), (0.5, 2.01, False), (0.9, 0.0, True)],
)
def test_without_a_champion_only_the_limits_count(f1: float, loss: float, passed: bool) -> None:
    verdict = judge(GATE, {"f1": f1, "loss": loss}, None)
    assert verdict.passed is passed
    assert verdict.reasons[-1] == "there is no champion to compare with"


def test_no_champion_excuses_a_missed_limit() -> None:
    assert not judge(GATE, {"f1": 0.9, "loss": 3.0}, {"f1": 0.1}).passed


@pytest.mark.parametrize(
    ("higher_is_better", "margin", "challenger", "passed"),
    [
        (True, 0.0, 0.51, True),
        (True, 0.0, 0.5, False),
        (True, 0.0, 0.49, False),
        (True, 0.25, 0.75, False),
        (True, 0.25, 0.76, True),
        (False, 0.0, 0.49, True),
        (False, 0.0, 0.5, False),
        (False, 0.0, 0.51, False),
        (False, 0.25, 0.25, False),
        (False, 0.25, 0.24, True),
    ],
)
def test_the_challenger_must_be_better_by_more_than_the_margin(
    higher_is_better: bool, margin: float, challenger: float, passed: bool
) -> None:
    gate = Gate(metric="m", higher_is_better=higher_is_better, margin=margin, at_least={})
    word = "better" if passed else "not better"
    by = " by more than 0.25" if margin else ""
    assert judge(gate, {"m": challenger}, {"m": 0.5}) == Verdict(
        passed, (f"m {challenger:.4f}, champion's 0.5000: {word}{by}",)
    )


@pytest.mark.parametrize("higher_is_better", [True, False])
@pytest.mark.parametrize("champion", [None, {"m": 0.5}, {"m": math.nan}, {"m": math.inf}])
@pytest.mark.parametrize("challenger", [{"m": math.nan}, {}])
def test_a_metric_that_is_no_number_never_passes(
    higher_is_better: bool, champion: Mapping[str, float] | None, challenger: Mapping[str, float]
) -> None:
    gate = Gate(metric="m", higher_is_better=higher_is_better, at_least={})
    verdict = judge(gate, challenger, champion)
    assert verdict == Verdict(False, ("m is not a number",))


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"at_least": {"x": 0.0}}, "at least 0"),
        ({"at_least": {}, "at_most": {"x": 9.0}}, "at most 9"),
    ],
)
def test_a_limit_holds_for_no_metric_that_is_not_a_number_or_was_not_measured(
    limits: dict[str, Mapping[str, float]], reason: str
) -> None:
    gate = Gate(metric="m", **limits)  # type: ignore[arg-type]
    no_champion = "there is no champion to compare with"
    assert judge(gate, {"m": 1.0, "x": math.nan}, None) == Verdict(
        False, (f"x nan, {reason}", no_champion)
    )
    assert judge(gate, {"m": 1.0}, None) == Verdict(
        False, (f"x was not measured, {reason}", no_champion)
    )


@pytest.mark.parametrize("champion", [{"m": math.nan}, {}])
def test_any_number_is_better_than_a_champion_without_one(champion: Mapping[str, float]) -> None:
    gate = Gate(metric="m", at_least={})
    assert judge(gate, {"m": 0.1}, champion) == Verdict(True, ("m 0.1000, champion's nan: better",))


@pytest.mark.parametrize(
    ("gain", "passed", "told"),
    [
        (Interval(0.05, 0.3, 0.95), True, "certainly better; gain +0.2000, 95% interval +0.0500"),
        (Interval(-0.05, 0.3, 0.95), False, "not certainly better; gain +0.2000, 95% interval -0."),
        (Interval(math.nan, math.nan, 0.95), False, "not certainly better; gain +0.2000, 95% inte"),
        (None, False, "champion's 0.5000: not certainly better"),
    ],
)
def test_a_gate_may_demand_that_the_gain_is_certain(
    gain: Interval | None, passed: bool, told: str
) -> None:
    gate = Gate(metric="m", at_least={}, certain=True)
    verdict = judge(gate, {"m": 0.7}, {"m": 0.5}, gain)
    assert verdict.passed is passed
    assert told in verdict.reasons[0]
    assert judge(gate, {"m": 0.7}, None).passed


def test_by_default_the_interval_is_only_told() -> None:
    verdict = judge(
        Gate(metric="m", at_least={}), {"m": 0.7}, {"m": 0.5}, Interval(-0.05, 0.3, 0.95)
    )
    assert verdict == Verdict(
        True,
        ("m 0.7000, champion's 0.5000: better; gain +0.2000, 95% interval -0.0500 to +0.3000",),
    )
