from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from support.tasks import CallTask, Result
from validation.gate_model import main

ROWS = 60


@pytest.fixture
def gate(repository: Path, call: CallTask) -> object:
    """Run the task on a truth, a good and a weak model."""
    rng = np.random.default_rng(0)
    truth = pd.DataFrame({"id": range(ROWS), "y": rng.choice(["p", "q"], ROWS)})
    weak = truth.assign(y=["p"] * ROWS)
    good = truth.assign(y=truth["y"].where(truth["id"] > 2, "p"))
    for name, frame in {"truth": truth, "weak": weak, "good": good}.items():
        frame.to_parquet(f"{name}.parquet")
    good.sample(frac=1, random_state=0).to_parquet("shuffled.parquet")
    good.tail(-3).to_parquet("short.parquet")
    good.assign(y=None).astype({"y": "str"}).to_parquet("missing.parquet")

    def run(challenger: str, champion: str | None, *argv: str) -> Result:
        options = ["--challenger", f"{challenger}.parquet", "--truth", "truth.parquet"]
        options += ["--champion", f"{champion}.parquet"] if champion else []
        if "--metric" not in argv:
            options += ["--metric", "accuracy"]
        return call(main, *options, "--target", "y", "--resamples", "200", *argv)

    return run


def test_a_certainly_better_challenger_passes_and_the_report_says_so(gate: object) -> None:
    result = gate("good", "weak", "--certain", "--report", "v.json")  # type: ignore[operator]
    assert result.code == 0, result.err
    assert "certainly better; gain +" in result.err
    verdict = json.loads(Path("v.json").read_text())
    assert verdict["passed"] is True
    assert 0 < verdict["interval"]["low"] < verdict["interval"]["high"]


@pytest.mark.parametrize(
    ("challenger", "champion", "argv", "code"),
    [
        ("weak", "good", (), 1),
        ("good", "good", (), 1),
        ("good", None, (), 0),
        ("good", None, ("--at-least", "0.999"), 1),
        ("shuffled", "weak", ("--key", "id"), 0),
        ("good", "weak", ("--margin", "0.9"), 1),
    ],
)
def test_the_exit_code_is_the_verdict(
    gate: object, challenger: str, champion: str | None, argv: tuple[str, ...], code: int
) -> None:
    assert gate(challenger, champion, *argv).code == code  # type: ignore[operator]


@pytest.mark.parametrize(
    ("challenger", "argv", "message"),
    [
        ("short", (), "short.parquet: expected 60 rows, as truth.parquet has, got 57."),
        ("short", ("--key", "id"), "short.parquet: has no row for 3 values of 'id', such as 0."),
        ("good", ("--key", "no"), "column 'no' is missing; the file has id, y."),
        ("missing", (), "missing.parquet: column 'y': a value is missing, first in row 1."),
        ("good", ("--metric", "auc"), "No metric 'auc'; known: accuracy"),
        ("good", ("--metric", "rmse"), "expected numbers for this metric"),
        ("good", ("--metric", "smape"), "expected numbers for this metric"),
    ],
)
def test_files_that_do_not_fit_one_another_are_refused(
    gate: object, challenger: str, argv: tuple[str, ...], message: str
) -> None:
    result = gate(challenger, "weak", *argv)  # type: ignore[operator]
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert result.err.count("\n") == 1


@pytest.mark.parametrize(("limit", "code"), [("20", 0), ("19", 1)])
def test_numbers_are_gated_by_smape(
    repository: Path, call: CallTask, limit: str, code: int
) -> None:
    pd.DataFrame({"y": [100.0, 0.0]}).to_parquet("truth.parquet")
    pd.DataFrame({"y": [150.0, 0.0]}).to_parquet("good.parquet")
    files = ("--challenger", "good.parquet", "--truth", "truth.parquet", "--target", "y")
    result = call(main, *files, "--metric", "smape", "--at-most", limit)
    assert result.code == code, result.err
    assert "smape 20.0000, at most" in result.err
