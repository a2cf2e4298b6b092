from __future__ import annotations

import errno
import html
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from support.tasks import CallTask
from validation import validate_data_task
from validation.validate_data import main
from validation.validate_data_task import split_rows

MEASURES = ("sepal_length_cm", "sepal_width_cm", "petal_length_cm", "petal_width_cm")
CONTRACT = ("--contract", "flowers")
EVIL = "<script>alert('x')</script>"


def flowers(count: int = 4, **columns: object) -> pd.DataFrame:
    return pd.DataFrame({**dict.fromkeys(MEASURES, [1.5] * count), **columns})


def facts(folder: str = "validated/flowers") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(folder, "report.json").read_text())
    return found


def quarantined(folder: str = "validated/flowers") -> pd.DataFrame:
    files = sorted(Path(folder, "quarantine").iterdir())
    return pd.concat([pd.read_parquet(file) for file in files], ignore_index=True)


@pytest.mark.usefixtures("repository")
def test_rows_that_break_the_contract_are_quarantined_with_all_their_reasons(
    call: CallTask,
) -> None:
    bad = flowers(sepal_width_cm=[1.0, -1.0, 1.0, 99.0], petal_width_cm=[1, None, 1, 1])
    bad.assign(id=[7, 8, 9, 10]).to_parquet("f.parquet")
    for batch_rows in ("1", "3", "100"):
        result = call(main, *CONTRACT, "--input", "f.parquet", "--batch-rows", batch_rows)
        assert result.code == 1
        assert "column 'petal_width_cm': expected no missing values" in result.err
        assert list(pd.read_parquet("validated/flowers/rows.parquet")["id"]) == [7, 9]
        kept = quarantined()
        assert list(kept["id"]) == [8, 10]
        assert list(kept["quarantine_row"]) == [2, 4]
        assert list(kept["quarantine_file"]) == ["f.parquet"] * 2
        assert kept["quarantine_reasons"].str.contains("sepal_width_cm: expected").all()
        assert "petal_width_cm: expected no missing values" in kept["quarantine_reasons"][0]
        assert facts()["quarantined_rows"] == 2


@pytest.mark.usefixtures("repository")
def test_cells_that_are_not_of_their_type_quarantine_their_rows(call: CallTask) -> None:
    text = flowers().astype(str)
    text.loc[1, "petal_width_cm"] = "zwei"
    text.loc[2, "sepal_width_cm"] = "-1"
    text.assign(id=["01", "02", "03", "04"]).to_csv("f.csv", index=False)
    result = call(main, *CONTRACT, "--input", "f.csv")
    assert result.code == 1
    assert "column 'petal_width_cm': expected float64, got e.g. 'zwei' in 1 row: 2." in result.err
    assert list(pd.read_parquet("validated/flowers/rows.parquet")["id"]) == ["01", "04"]
    kept = quarantined()
    assert list(kept["id"]) == ["02", "03"]
    assert kept["quarantine_reasons"][0] == "petal_width_cm: expected float64, got 'zwei'"
    # What was quarantined can be checked again: no column overwrites another.
    again = call(main, *CONTRACT, "--input", "validated/flowers/quarantine", "--output", "again")
    assert again.code == 1
    assert list(quarantined("again")["quarantine_file_input"]) == ["f.csv"] * 2


@pytest.mark.usefixtures("repository")
def test_a_good_table_has_a_report_too_and_nothing_in_quarantine(call: CallTask) -> None:
    flowers().to_csv("f.csv", index=False)
    result = call(main, *CONTRACT, "--input", "f.csv", "--output", "out")
    assert (result.code, result.err) == (0, "")
    assert sorted(os.listdir("out")) == ["report.html", "report.json", "rows.parquet"]
    assert "All 4 rows are valid." in Path("out/report.html").read_text()


@pytest.mark.usefixtures("repository")
def test_a_missing_column_quarantines_the_rows_of_that_file_only(call: CallTask) -> None:
    Path("in").mkdir()
    flowers().to_parquet("in/a.parquet")
    flowers().drop(columns="petal_width_cm").to_parquet("in/b.parquet")
    flowers(petal_width_cm=["x"] * 4).to_parquet("in/c.parquet")
    assert call(main, *CONTRACT, "--input", "in").code == 1
    assert facts()["good_rows"] == 4
    assert list(quarantined()["quarantine_file"]) == ["in/b.parquet"] * 4 + ["in/c.parquet"] * 4


@pytest.mark.usefixtures("repository")
def test_a_table_of_bad_rows_only(call: CallTask) -> None:
    flowers(sepal_width_cm=[-1.0] * 4).to_parquet("f.parquet")
    assert call(main, *CONTRACT, "--input", "f.parquet").code == 1
    assert not Path("validated/flowers/rows.parquet").exists()
    assert len(quarantined()) == 4


@pytest.mark.usefixtures("repository")
def test_values_and_names_of_columns_are_text_in_the_report(call: CallTask) -> None:
    table = flowers(species=[EVIL, "setosa", "$x", "setosa"]).assign(**{EVIL: 1})
    table.to_parquet("f.parquet")
    assert call(main, "--contract", "labelled_flowers", "--input", "f.parquet").code == 1
    page = Path("validated/labelled_flowers/report.html").read_text()
    assert "<script" not in page
    assert html.escape(EVIL, quote=False).split("alert")[0] in page
    assert "default-src 'none'" in page
    assert "http" not in page.replace("http-equiv", "")


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (
            ("--contract", "flower", "--input", "f.csv"),
            "No contract 'flower'. Set --contract to one of ",
        ),
        (("--input", "f.csv"), "--contract is missing"),
        (CONTRACT, "--input is missing"),
        ((*CONTRACT, "--input", "gone.csv"), "gone.csv: cannot be read"),
        ((*CONTRACT, "--input", "empty.csv"), "empty.csv: the file is empty."),
        ((*CONTRACT, "--input", "f.csv", "--output", "mine"), "mine: would be replaced"),
    ],
)
def test_what_cannot_be_checked_is_one_message_and_leaves_nothing(
    call: CallTask, argv: tuple[str, ...], message: str
) -> None:
    flowers().to_csv("f.csv", index=False)
    Path("empty.csv").touch()
    Path("mine").mkdir()
    result = call(main, *argv)
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert result.err.count("\n") == 1
    assert not Path("validated").exists() or not os.listdir("validated")


@pytest.mark.usefixtures("repository")
def test_a_full_disk_leaves_the_earlier_result(
    call: CallTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    flowers().to_csv("f.csv", index=False)
    assert call(main, *CONTRACT, "--input", "f.csv").code == 0
    before = Path("validated/flowers/report.html").read_bytes()

    def full(*_: object) -> str:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(validate_data_task, "_page", full)
    result = call(main, *CONTRACT, "--input", "f.csv")
    assert result.code == 1
    assert "not enough space to write it" in result.err
    assert Path("validated/flowers/report.html").read_bytes() == before
    assert os.listdir("validated") == ["flowers"]


class Boxes(pa.DataFrameModel):
    size: float = pa.Field(gt=0, le=10)
    count: int = pa.Field(isin=(1, 2))


def test_whole_numbers_of_which_one_is_missing_are_whole_again_and_checked() -> None:
    frame = pd.DataFrame({"size": [1.0, 2.0, 3.0, 4.0], "count": [1.0, np.nan, 5.0, 2.0]})
    before = frame.copy()
    good, reasons, _ = split_rows(Boxes, frame)
    expected = pd.DataFrame({"size": [1.0, 4.0], "count": [1, 2]}, index=[0, 3])
    assert_frame_equal(good, expected)
    assert reasons == {1: ["count: expected int64"], 2: ["count: expected one of (1, 2)"]}
    assert_frame_equal(frame, before)


@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.tuples(
            st.one_of(st.floats(), st.none(), st.floats(0.5, 9)),
            st.one_of(st.sampled_from([1, 2]), st.integers(0, 4), st.none()),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_good_and_quarantined_rows_are_the_input(
    rows: list[tuple[float | None, int | None]],
) -> None:
    frame = pd.DataFrame(rows, columns=["size", "count"]).astype({"size": "float64"})
    if frame["count"].notna().all():
        frame = frame.astype({"count": "int64"})
    good, reasons, _ = split_rows(Boxes, frame)
    assert sorted([*good.index, *reasons]) == list(range(len(frame)))
    keeps = frame["size"].gt(0) & frame["size"].le(10) & frame["count"].isin([1, 2])
    if pd.api.types.is_numeric_dtype(frame["count"]):
        assert list(good.index) == [int(place) for place in np.flatnonzero(keeps)]
    assert all(reasons.values())
