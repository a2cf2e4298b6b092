from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from support.tasks import CallTask
from validation.column_drift import ColumnDrift, compare_columns
from validation.drift import main
from validation.population_stability import population_stability
from validation.sampling import Reservoir

ROWS = 2000


def table(seed: int, **columns: object) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    kinds = rng.choice(["a", "b", "c"], ROWS)
    return pd.DataFrame({"x": rng.normal(size=ROWS), "kind": kinds, **columns})


def compared(reference: pd.DataFrame, current: pd.DataFrame) -> dict[str, ColumnDrift]:
    return {c.column: c for c in compare_columns(reference, current, alpha=0.01, psi=0.1)}


def test_columns_that_stay_have_not_drifted() -> None:
    found = compared(table(0), table(1))
    assert [column.drifted for column in found.values()] == [False, False]
    same = compared(table(0), table(0))
    assert same["x"].psi == pytest.approx(0)
    assert same["x"].distance == pytest.approx(0)


@pytest.mark.parametrize(
    "changed",
    [
        {"x": np.random.default_rng(5).normal(0.7, size=ROWS)},
        {"x": np.where(np.arange(ROWS) % 5, 0.1, np.nan)},
        {"x": np.full(ROWS, np.nan)},
        {"x": np.full(ROWS, np.inf)},
        {"x": ["now text"] * ROWS},
        {"kind": np.random.default_rng(5).choice(["a", "d"], ROWS)},
        {"kind": [None] * ROWS},
    ],
)
def test_a_shift_missing_values_another_kind_and_new_values_are_drift(
    changed: dict[str, Any],
) -> None:
    found = compared(table(0), table(1).assign(**changed))
    assert {name for name, column in found.items() if column.drifted} == set(changed)
    assert next(iter(found)) in changed, "the worst comes first"


STAY = [float(value) for value in range(1, 2001)]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([1.0] * 300, [0.0] * 300),
        ([1.0] * 300, [2.0] * 300),
        ([0.0] * 900 + STAY, [-999.0] * 900 + STAY),
        ([0.0] * 160 + STAY, [-999.0] * 160 + STAY),
        ([9999.0] * 160 + STAY, [99999.0] * 160 + STAY),
        ([0.0] * 100 + [1.0] * 200, [0.0] * 100 + [0.5] * 200),
        ([np.inf] * 100 + [1.0] * 200, [-np.inf] * 100 + [1.0] * 200),
    ],
    ids=[
        "a constant goes down",
        "a constant goes up",
        "many smallest values become a code",
        "a few smallest values become a code",
        "a few largest values become a code",
        "a frequent value moves towards another",
        "infinite values change their sign",
    ],
)
def test_a_shift_between_or_beyond_the_edges_is_drift(
    before: list[float], after: list[float]
) -> None:
    one, other = (pd.DataFrame({"x": values}) for values in (before, after))
    assert compared(one, other)["x"].drifted
    assert compared(other, one)["x"].drifted
    for same in (one, other):
        assert compared(same, same)["x"].psi == 0


def test_a_significant_difference_that_does_not_matter_is_no_drift() -> None:
    rng = np.random.default_rng(0)
    one, other = (pd.DataFrame({"x": rng.normal(m, size=100_000)}) for m in (0, 0.05))
    (found,) = compared(one, other).values()
    assert found.p_value is not None
    assert found.p_value < 1e-6
    assert not found.drifted


def test_columns_of_one_side_only_have_drifted() -> None:
    found = compared(table(0, old=1), table(1, new=1))
    assert (found["old"].note, found["new"].note) == (
        "only in the reference data",
        "only in the current data",
    )
    assert found["old"].drifted


def test_of_many_columns_that_stay_none_is_a_false_alarm() -> None:
    rng = np.random.default_rng(0)
    one, other = (pd.DataFrame(rng.normal(size=(60, 50))).add_prefix("x") for _ in range(2))
    assert not any(column.drifted for column in compared(one, other).values())


def test_the_stability_index_is_the_known_formula() -> None:
    psi = population_stability(np.array([50.0, 50.0]), np.array([75.0, 25.0]))
    assert psi == pytest.approx(0.25 * np.log(0.75 / 0.5) - 0.25 * np.log(0.25 / 0.5))


def test_a_sample_does_not_depend_on_the_batches_and_is_uniform() -> None:
    frame = pd.DataFrame({"x": np.arange(10_000)})
    samples = []
    for batch in (7, 10_000):
        reservoir = Reservoir(500, seed=3)
        for start in range(0, len(frame), batch):
            reservoir.add(frame.iloc[start : start + batch])
        samples.append(reservoir.rows())
        assert reservoir.seen == 10_000
    assert_frame_equal(samples[0], samples[1])
    assert len(samples[0]) == samples[0]["x"].nunique() == 500
    assert abs(samples[0]["x"].mean() - 5000) < 500


@pytest.mark.usefixtures("repository")
def test_the_report_and_the_exit_codes(call: CallTask) -> None:
    evil = "<script>$x$</script>"
    table(0, **{evil: 1.0}).to_parquet("a.parquet")
    table(1, **{evil: 2.0}).to_csv("b.csv", index=False)
    argv = ("--reference", "a.parquet", "--current", "b.csv")
    result = call(main, *argv)
    assert result.code == 0, result.err
    assert "with --fail-on-drift it is 1." in result.err
    assert "1 of 3 columns drifted" in result.out
    page = Path("drift/report.html").read_text()
    assert "<script" not in page
    facts = json.loads(Path("drift/report.json").read_text())
    assert (facts["drifted"], facts["columns"][0]["column"]) == (1, evil)
    assert call(main, *argv, "--fail-on-drift").code == 1
    assert Path("drift/report.html").read_text() == page
    assert call(main, "--reference", "a.parquet", "--current", "a.parquet").code == 0
    assert "0 of 3 columns drifted." in Path("drift/report.html").read_text()
    result = call(main, "--reference", "a.parquet")
    assert (result.code, result.err) == (2, "--current is missing. See --help for examples.\n")


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize(
    "values",
    [[-1.7e308, 1.7e308], [1e308], [1e16, 1e16 + 2], [0.0, 5e-324], [2**63 - 1, 2**63 - 2]],
)
def test_numbers_that_no_histogram_can_divide_are_drawn_too(
    call: CallTask, values: list[float]
) -> None:
    pd.DataFrame({"x": values * 5}).to_parquet("a.parquet")
    result = call(main, "--reference", "a.parquet", "--current", "a.parquet")
    assert (result.code, result.err) == (0, "")
    assert Path("drift/report.html").read_text().count("data:image/svg+xml") == 2


@pytest.mark.usefixtures("repository")
def test_a_side_without_rows_is_refused(call: CallTask) -> None:
    Path("a.csv").write_text("x\n1\n")
    with closing(sqlite3.connect("b.db")) as connection:
        connection.execute("CREATE TABLE t (x REAL)")
    result = call(main, "--reference", "a.csv", "--current", "sqlite:///b.db#t")
    assert (result.code, result.err) == (
        2,
        "sqlite:///b.db#t: has no rows. Expected rows to compare.\n",
    )


@pytest.mark.parametrize("dtype", ["datetime64[us, UTC]", "timestamp[us, tz=UTC][pyarrow]"])
def test_timestamps_drift_by_their_point_in_time(dtype: Any) -> None:
    minutes = np.random.default_rng(7).integers(0, 60_000, ROWS)
    then = pd.DataFrame(
        {"at": pd.Timestamp("2020-01-01", tz="UTC") + pd.to_timedelta(minutes, "min")}
    )
    soon = (then + pd.Timedelta(days=30)).astype(dtype)
    then = then.astype(dtype)
    again = then.sample(frac=1, random_state=1, ignore_index=True)
    assert compared(then, soon)["at"].drifted
    assert not compared(then, again)["at"].drifted
