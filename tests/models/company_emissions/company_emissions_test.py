from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from cli.task import TaskContext
from data_access_layer.settings import StoreSettings
from data_access_layer.stores import open_table
from feature_store.samples import companies as made_up
from feature_store.views import company, company_emissions
from modelling.stored_models.pipeline_code import code_of
from modelling.training.split import split
from models import evaluate, predict, train
from models.company_emissions.dataset import load_companies, load_intensities
from models.company_emissions.definition import MODEL
from support.tasks import CallTask, enter, make_repository

EMISSIONS = "models.company_emissions.definition"
DEFAULTS = TaskContext()
COMPANIES = 1_500


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The current folder of a whole module, with a small made-up population in its tables."""
    repository = make_repository(tmp_path_factory.mktemp("emissions"))
    with pytest.MonkeyPatch.context() as patch:
        enter(repository, patch)
        settings = StoreSettings.load()
        for name, sample in (
            ("companies", made_up.sample_companies),
            ("company_emissions", made_up.sample_emissions),
        ):
            open_table(name, settings).write(sample(COMPANIES))
        yield repository


def test_what_is_known_of_a_company_is_what_had_arrived_with_its_report(store: Path) -> None:
    labelled = load_intensities(DEFAULTS)
    filings = company.FeatureViewCompany.read()
    reports = company_emissions.FeatureViewCompanyEmissions.read()
    last = reports.sort_values("arrived_at").drop_duplicates(
        ["company_id", "event_timestamp"], keep="last"
    )
    expected = []
    report: Any
    for report in last.itertuples():
        known = filings[
            (filings["company_id"] == report.company_id)
            & (filings["arrived_at"] <= report.arrived_at)
            & (filings["event_timestamp"] <= report.arrived_at)
        ].sort_values(["event_timestamp", "arrived_at"])
        if len(known) and known["event_timestamp"].iloc[-1] == report.event_timestamp:
            revenue = known["revenue"].iloc[-1]
            if revenue > 0 and report.emissions_t > 0:
                expected.append((report.company_id, report.emissions_t / revenue * 1e6))
    columns = ["company_id", "intensity_t_per_meur"]
    wanted = pd.DataFrame(expected, columns=columns).sort_values(columns, ignore_index=True)
    given = labelled[columns].sort_values(columns, ignore_index=True)
    assert_frame_equal(pd.DataFrame(given), wanted.astype({"company_id": "str"}))
    assert len(given) > 1_000


def test_no_company_is_on_both_sides_of_the_split(store: Path) -> None:
    rows = split(MODEL)
    assert not set(rows.training["company_id"]) & set(rows.hold_out["company_id"])
    assert 0.2 < len(rows.hold_out) / (len(rows.training) + len(rows.hold_out)) < 0.4


def test_it_learns_the_industries_and_is_gated(store: Path, call: CallTask) -> None:
    trained = call(train.main, "--folds", "3", definition=EMISSIONS)
    assert (trained.code, trained.out) == (0, ""), trained.err
    assert "company_emissions version 1" in trained.err
    assert "the columns that matter most are industry, " in trained.err


def test_every_company_is_estimated_as_it_is_known_now(store: Path, call: CallTask) -> None:
    result = call(predict.main, "--output", "now.parquet", definition=EMISSIONS)
    assert result.code == 0, result.err
    table = pd.read_parquet("now.parquet")
    assert sorted(table["company_id"]) == sorted(load_companies(DEFAULTS)["company_id"])
    assert table["company_id"].is_unique
    lower, point, upper = (table[f"intensity_t_per_meur{end}"] for end in ("_lower", "", "_upper"))
    assert ((lower <= point) & (point <= upper) & (lower > 0)).all()


def test_batches_that_are_estimated_at_the_same_time_are_estimated_alike(
    store: Path, call: CallTask
) -> None:
    tables = []
    for jobs in ("1", "4"):
        argv = ("--output", "now.parquet", "--batch-rows", "50", "--jobs", jobs)
        assert call(predict.main, *argv, definition=EMISSIONS).code == 0
        tables.append(Path("now.parquet").read_bytes())
    assert tables[0] == tables[1]


def test_a_company_of_which_nothing_is_known_gets_an_estimate(store: Path, call: CallTask) -> None:
    Path("gaps.csv").write_text(
        "name,country,industry,revenue,employees\n"
        "nothing,,,,\n"
        "some,NL,energy,5e8,1200\n"
        "no one left,NL,energy,5e8,0\n"
    )
    argv = ("--input", "gaps.csv", "--output", "filled.csv")
    assert call(predict.main, *argv, definition=EMISSIONS).code == 0
    filled = pd.read_csv("filled.csv")
    assert list(filled["name"]) == ["nothing", "some", "no one left"]
    assert np.isfinite(filled["intensity_t_per_meur"]).all()


def test_an_unknown_industry_is_told(store: Path, call: CallTask) -> None:
    Path("odd.csv").write_text("country,industry,revenue,employees\nNL,alchemy,1e6,3\n")
    result = call(predict.main, "--input", "odd.csv", definition=EMISSIONS)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("odd.csv: column 'industry': expected one of ")
    assert "'alchemy' in 1 row: 1." in result.err


def test_evaluation_runs_on_the_hold_out(store: Path, call: CallTask) -> None:
    result = call(evaluate.main, definition=EMISSIONS)
    assert "company_emissions version 1 on " in result.out
    assert "coverage" in result.out
    assert "smape" in result.out


def test_how_a_view_reads_its_table_is_not_compared_with_how_a_version_was_trained() -> None:
    modules = code_of(MODEL.build_pipeline, MODEL.predict).modules
    assert {"feature_store.derived_features.groups", "feature_store.view"} <= set(modules)
    assert not [name for name in modules if name.startswith("data_access_layer")]
