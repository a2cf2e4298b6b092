"""The task that extracts a view to a file."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from feature_store.extract import main, view_names
from feature_store.extract_task import find_view
from feature_store.view import FeatureView
from support.tasks import CallTask


def test_every_view_is_found_by_its_name() -> None:
    assert {"company", "company_emissions"} <= set(view_names())
    assert all(issubclass(find_view(name), FeatureView) for name in view_names())


def test_a_view_is_written_with_its_manifest(repository: Path, call: CallTask) -> None:
    result = call(
        main,
        *("--view", "company", "--dst", "out/large.parquet", "--as-of", "2025-01-01"),
        *("--columns", "company_id, revenue,employees", "--filter", "revenue > 1e9"),
        *("--batch-rows", "50"),
    )
    assert result.code == 0, result.err
    rows = pd.read_parquet("out/large.parquet")
    assert list(rows) == ["company_id", "revenue", "employees"]
    assert rows["company_id"].is_unique
    assert (rows["revenue"] > 1e9).all()
    assert len(rows) > 50
    manifest = json.loads(Path("out/large.parquet.manifest.json").read_text())
    written = Path("out/large.parquet").read_bytes()
    assert manifest["rows"] == len(rows)
    assert manifest["sha256"] == hashlib.sha256(written).hexdigest()
    assert manifest["columns"]["employees"] == "int64"
    assert "View company" in result.out
    assert sorted(file.name for file in Path("out").iterdir()) == [
        "large.parquet",
        "large.parquet.manifest.json",
    ]


def test_the_same_extract_twice_gives_the_same_bytes(repository: Path, call: CallTask) -> None:
    for name in ("one.parquet", "two.parquet"):
        assert call(main, "--view", "company_emissions", "--dst", name).code == 0
    assert Path("one.parquet").read_bytes() == Path("two.parquet").read_bytes()


def test_an_extract_without_rows_has_the_columns(repository: Path, call: CallTask) -> None:
    result = call(main, "--view", "company", "--dst", "none.csv", "--filter", "employees > 1e9")
    assert result.code == 0, result.err
    assert Path("none.csv").read_text().strip().replace('"', "").startswith("company_id,event_time")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--view", "companies", "--dst", "x.parquet"], "invalid choice: 'companies'"),
        (["--view", "company"], "No destination: set --dst FILE"),
        (["--view", "company", "--dst", "x.txt"], "x.txt"),
        (["--view", "company", "--dst", "x.csv", "--columns", "name"], "no column 'name'; known"),
        (["--view", "company", "--dst", "x.csv", "--filter", "revenue ="], "cannot be parsed"),
        (["--view", "company", "--dst", "x.csv", "--as-of", "2025"], "'2025' is not a timestamp"),
        (["--view", "company", "--dst", "x.csv", "--as-of", "2025-01-01T10:00"], "no time zone"),
    ],
)
def test_bad_input_exits_with_2_and_writes_nothing(
    repository: Path, call: CallTask, arguments: list[str], message: str
) -> None:
    result = call(main, *arguments)
    assert result.code == 2
    assert message in result.err
    assert "Traceback" not in result.err
    assert not list(repository.glob("x.*"))


def test_help_answers_before_anything_heavy_is_loaded(repository: Path) -> None:
    started = time.perf_counter()
    shown = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "feature_store.extract", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "--as-of" in shown.stdout
    assert "pandas" not in shown.stderr
    assert time.perf_counter() - started < 5
