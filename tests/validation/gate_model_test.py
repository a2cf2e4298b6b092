from __future__ import annotations

import json
from datetime import date, datetime
from decimal import Decimal
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
        ("short", (), "short.parquet: has 57 rows, but truth.parquet has 60."),
        (
            "short",
            ("--key", "id"),
            "short.parquet: 3 values of column 'id' in truth.parquet are missing, such as 0.",
        ),
        ("good", ("--key", "no"), "column 'no' is missing. It has the columns id, y."),
        ("missing", (), "column 'y' has missing values, the first one in row 1."),
        ("good", ("--metric", "auc"), "No metric 'auc'. Set --metric to one of accuracy"),
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


BOOLEANS, TEXTS, NUMBERS = [True, False, True], ["p", "q", "q"], [1, 2, 2]
FEW = ("--resamples", "100")


@pytest.mark.parametrize(
    "labels",
    [
        BOOLEANS,
        TEXTS,
        NUMBERS,
        [0.5, 1.5, 0.5],
        [Decimal("0.10"), Decimal("0.20"), Decimal("0.20")],
        [date(2025, 1, 1), date(2025, 1, 2), date(2025, 1, 2)],
        [datetime(2025, 1, 1, 1), datetime(2025, 1, 1, 2), datetime(2025, 1, 1, 2)],
        [b"p", b"q", b"q"],
    ],
)
def test_labels_of_any_kind_are_compared(
    repository: Path, call: CallTask, labels: list[object]
) -> None:
    truth = pd.DataFrame({"y": labels})
    truth.to_parquet("truth.parquet")
    truth.iloc[[0, 0, 1]].to_parquet("wrong.parquet")
    truth.iloc[[0, 1, 2]].to_parquet("right.parquet")
    files = ("--truth", "truth.parquet", "--target", "y", "--metric", "macro_f1")
    right = call(main, "--challenger", "right.parquet", *files, "--at-least", "1")
    assert right.code == 0, right.err
    wrong = call(main, "--challenger", "wrong.parquet", *files, "--at-least", "0.9")
    assert wrong.code == 1
    assert "Gate failed: macro_f1 0." in wrong.err
    both = call(main, "--challenger", "right.parquet", "--champion", "wrong.parquet", *files, *FEW)
    assert both.code == 0, both.err


def test_true_and_false_of_a_csv_file_are_labels(repository: Path, call: CallTask) -> None:
    Path("t.csv").write_text("id,y\n1,true\n2,false\n")
    Path("p.csv").write_text("id,y\n2,False\n1,True\n")
    argv = ("--truth", "t.csv", "--target", "y", "--metric", "accuracy", "--at-least", "1")
    assert call(main, "--challenger", "t.csv", *argv).code == 0
    assert call(main, "--challenger", "p.csv", "--key", "id", *argv).code == 0


def test_a_whole_number_is_the_same_label_whatever_its_type(
    repository: Path, call: CallTask
) -> None:
    pd.DataFrame({"id": [1, 2**53 + 1], "y": [1, 2]}).to_parquet("t.parquet")
    pd.DataFrame({"id": [2**53 + 1, 1], "y": [2.0, 1.0]}).to_parquet("p.parquet")
    argv = ("--target", "y", "--key", "id", "--metric", "accuracy", "--at-least", "1")
    result = call(main, "--truth", "t.parquet", "--challenger", "p.parquet", *argv)
    assert result.code == 0, result.err


@pytest.mark.parametrize(
    ("truth", "challenger", "argv", "message"),
    [
        (
            {"y": TEXTS},
            {"y": NUMBERS},
            (),
            "p.parquet: column 'y' has numbers such as 1. Expected strings such as 'p', as in "
            "t.parquet.",
        ),
        (
            {"y": NUMBERS},
            {"y": BOOLEANS},
            (),
            "p.parquet: column 'y' has true and false such as True. Expected numbers such as 1, as "
            "in t.parquet.",
        ),
        (
            {"id": ["A1", "A2", "A3"], "y": TEXTS},
            {"id": [1, 2, 3], "y": TEXTS},
            ("--key", "id"),
            "p.parquet: column 'id' has numbers such as 1. Expected strings such as 'A1', as in "
            "t.parquet.",
        ),
        (
            {"id": ["01", "02", "03"], "y": TEXTS},
            {"id": [1, 2, 3], "y": TEXTS},
            ("--key", "id"),
            "p.parquet: column 'id' has numbers such as 1. Expected strings such as '01', as in "
            "t.parquet.",
        ),
        (
            {"id": ["01", "02", "03"], "y": TEXTS},
            {"id": ["1", "2", "3"], "y": TEXTS},
            ("--key", "id"),
            "p.parquet: 3 values of column 'id' in t.parquet are missing, such as '01'.",
        ),
        (
            {"id": [1.0, None, 3.0], "y": TEXTS},
            {"id": [1.0, 2.0, 3.0], "y": TEXTS},
            ("--key", "id"),
            "t.parquet: column 'id' has missing values, the first one in row 2.",
        ),
        (
            {"y": TEXTS},
            {"y": [["p"], ["q"], ["q"]]},
            (),
            "p.parquet: column 'y' has values that cannot be compared. Expected numbers, strings, "
            "dates, or true and false.",
        ),
        (
            {"y": BOOLEANS},
            {"y": BOOLEANS},
            ("--metric", "r2"),
            "t.parquet: column 'y': expected numbers for this metric, got True.",
        ),
        (
            {"y": [1.0, 2.0]},
            {"y": [1.0, np.inf]},
            ("--metric", "rmse"),
            "p.parquet: column 'y' has an infinite value in row 2.",
        ),
        (
            {"y": TEXTS},
            {"y": TEXTS},
            ("--key", "y"),
            "--key and --target: expected two different columns, got 'y' twice.",
        ),
    ],
)
def test_values_that_cannot_be_compared_are_refused(
    repository: Path,
    call: CallTask,
    truth: dict[str, object],
    challenger: dict[str, object],
    argv: tuple[str, ...],
    message: str,
) -> None:
    pd.DataFrame(truth).to_parquet("t.parquet")
    pd.DataFrame(challenger).to_parquet("p.parquet")
    options = (*argv, *(() if "--metric" in argv else ("--metric", "accuracy")))
    files = ("--truth", "t.parquet", "--challenger", "p.parquet", "--target", "y")
    result = call(main, *files, *options)
    assert (result.code, result.err) == (2, f"{message}\n")


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
