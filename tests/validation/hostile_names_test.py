"""Names that somebody else chose, through the commands that show them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_exports import export
from support.tasks import CallTask
from validation import drift, validate_data

# Markup that rich refuses, markup that it would hide, an escape sequence, and a text turned around.
NAMES = ("[/red]", "[bold]z", "a\x1b]0;title\x07", "csv.\u202eexe")
SHOWN = ("[/red]", "[bold]z", "a\\x1b]0;title\\x07", "csv.\\u202eexe")

pytestmark = pytest.mark.usefixtures("repository")


def hostile(low: float) -> pd.DataFrame:
    values = np.random.default_rng(0).uniform(low, low + 1, 200)
    return pd.DataFrame(dict.fromkeys(NAMES, values))


def harmless(text: str) -> bool:
    return not set(text) & {"\x1b", "\x07", "\u202e"}


def test_columns_that_drift_are_shown_as_they_are_named(
    call: CallTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    hostile(0).to_parquet("a.parquet")
    hostile(9).to_parquet("b.parquet")
    result = call(drift.main, "--reference", "a.parquet", "--current", "b.parquet")
    assert result.code == 0, result.err
    assert all(name in result.out for name in SHOWN)
    assert harmless(result.out + result.err)
    assert harmless(Path("drift/report.html").read_text())


def test_columns_and_files_that_are_refused_are_shown_as_they_are_named(call: CallTask) -> None:
    for name, shown in zip(NAMES, SHOWN, strict=True):
        file = f"{name}.parquet".replace("/", "-")
        hostile(0).to_parquet(file)
        result = call(validate_data.main, "--contract", "flowers", "--input", file)
        assert result.code in (1, 2), result.err
        assert f"{shown}.parquet".replace("/", "-") in result.err
        assert harmless(result.out + result.err)


def test_a_destination_is_shown_as_it_is_named(
    call: CallTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    hostile(0).to_parquet("a.parquet")
    for name, shown in zip(NAMES, SHOWN, strict=True):
        file = f"{name}.csv".replace("/", "-")
        result = call(export.main, "--src", "a.parquet", "--dst", file)
        assert result.code == 0, result.err
        assert f"{shown}.csv".replace("/", "-") in result.out
        assert Path(file).exists()
        assert harmless(result.out + result.err)
