from __future__ import annotations

import io
import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pandas.testing import assert_frame_equal
from pandera.typing import DataFrame
from sklearn.pipeline import Pipeline

from cli.task import DEFAULTS
from data_access_layer.files import file_sha256
from models.iris.definition import MODEL
from models.predict import main
from support.iris import IRIS
from support.tasks import COMMIT, CallTask

FLOWERS = pd.DataFrame(
    {
        "sepal_length_cm": [5.1, 5.9, 6.5],
        "sepal_width_cm": [3.5, 2.8, 3.0],
        "petal_length_cm": [1.4, 4.4, 5.8],
        "petal_width_cm": [0.2, 1.3, 2.2],
    }
)
SPECIES = ["setosa", "versicolor", "virginica"]
PREDICTED = ["species", "probability_setosa", "probability_versicolor", "probability_virginica"]

type Write = Callable[[pd.DataFrame, str], str]


@pytest.fixture
def write(champion: Path) -> Write:
    """Write a table by its ending, and give its name."""

    def write(frame: pd.DataFrame, name: str) -> str:
        path = champion / name
        path.parent.mkdir(exist_ok=True)
        if path.suffix == ".csv":
            frame.to_csv(path, index=False)
        else:
            frame.to_parquet(path)
        return name

    return write


def read(path: Path | str) -> pd.DataFrame:
    return pd.DataFrame(pq.read_table(path).to_pandas())


def cells(table: str) -> dict[str, str]:
    """What a summary says, by its first word or words."""
    rows = [line.split("  ") for line in table.splitlines()]
    words = [[word.strip() for word in row if word.strip()] for row in rows]
    return {row[0]: row[-1] for row in words if len(row) == 2}


def test_sample_data_is_predicted_by_default(champion: Path, call: CallTask) -> None:
    result = call(main, definition=IRIS)
    assert (result.code, result.err) == (0, "")
    summary = cells(result.out)
    predicted = read("predictions/iris.parquet")
    assert float(summary.pop("seconds")) < 60
    assert summary == {
        "rows": "150",
        **{name: str(sum(predicted["species"] == name)) for name in SPECIES},
        "model version": "iris 1",
        "output": "predictions/iris.parquet",
    }
    truth = MODEL.load_labelled(DEFAULTS)["species"]
    assert (predicted["species"].astype("str") == truth).mean() > 0.9
    assert list(predicted.columns) == PREDICTED


def test_the_manifest_beside_names_the_version_and_fits_the_file(
    champion: Path, write: Write, call: CallTask
) -> None:
    source = write(FLOWERS, "flowers.parquet")
    call(main, "--input", source, "--output", "out/species.parquet", definition=IRIS)
    out = champion / "out"
    assert sorted(os.listdir(out)) == ["species.parquet", "species.parquet.manifest.json"]
    assert json.loads((out / "species.parquet.manifest.json").read_text()) == {
        "rows": 3,
        "columns": {
            "species": "dictionary<values=large_string, indices=int8, ordered=0>",
            **dict.fromkeys(PREDICTED[1:], "double"),
        },
        "format": "parquet",
        "sha256": file_sha256(out / "species.parquet"),
        "source": "flowers.parquet",
        "model": "iris",
        "model_version": "1",
        "git_commit": COMMIT,
    }


@pytest.mark.parametrize("source", ["flowers.parquet", "flowers.csv", "-"])
@pytest.mark.parametrize("target", ["species.parquet", "species.csv", "folder", "-"])
def test_every_way_in_and_out_gives_the_same(
    source: str, target: str, write: Write, call: CallTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    if source == "-":
        data = io.TextIOWrapper(io.BytesIO(FLOWERS.to_csv(index=False).encode()))
        monkeypatch.setattr("sys.stdin", data)
    else:
        write(FLOWERS, source)
    result = call(main, "--input", source, "--output", target, definition=IRIS)
    assert result.code == 0, result.err
    if target == "-":
        predicted = pd.read_csv(io.StringIO(result.out))
        assert "model version" in result.err
    elif target == "folder":
        (part,) = Path(target).glob("*.parquet")
        predicted = read(part)
    else:
        predicted = pd.read_csv(target) if target.endswith(".csv") else read(target)
    assert list(predicted["species"]) == SPECIES
    assert list(predicted.columns) == PREDICTED
    assert (predicted[PREDICTED[1:]].sum(axis=1) - 1).abs().max() < 1e-9


@pytest.mark.parametrize("target", ["species.csv", "-", "species.parquet"])
def test_formulas_in_csv_are_told(target: str, write: Write, call: CallTask) -> None:
    rows = FLOWERS.assign(note=["\uff1d1+1", "@x", "ok"])
    rows["=name"] = [1, 2, 3]
    source = write(rows, "flowers.parquet")
    result = call(main, "--input", source, "--output", target, definition=IRIS)
    assert result.code == 0, result.err
    warning = "would run text in these columns as formulas: '=name' (1), 'note' (2)."
    assert (warning in result.err) == (target != "species.parquet")


def test_standard_input_may_be_parquet(call: CallTask, write: Write, champion: Path) -> None:
    write(FLOWERS, "flowers.parquet")
    data = io.TextIOWrapper(io.BytesIO((champion / "flowers.parquet").read_bytes()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdin", data)
        result = call(main, "--input", "-", "--output", "species.parquet", definition=IRIS)
    assert result.code == 0, result.err
    assert list(read("species.parquet")["species"]) == SPECIES


def test_a_folder_becomes_a_folder_file_by_file_or_one_file(write: Write, call: CallTask) -> None:
    write(FLOWERS.iloc[:1], "flowers/a.csv")
    write(FLOWERS.iloc[1:], "flowers/b.parquet")
    assert call(main, "--input", "flowers", "--output", "species", definition=IRIS).code == 0
    assert sorted(os.listdir("species")) == [
        "a.parquet",
        "a.parquet.manifest.json",
        "b.parquet",
        "b.parquet.manifest.json",
    ]
    assert list(read("species/b.parquet")["species"]) == SPECIES[1:]
    assert call(main, "--input", "flowers", "--output", "species.csv", definition=IRIS).code == 0
    assert list(pd.read_csv("species.csv")["species"]) == SPECIES


def test_a_folder_with_something_else_in_it_is_not_replaced(write: Write, call: CallTask) -> None:
    write(FLOWERS, "mine/flowers.parquet")
    result = call(main, "--output", "mine", definition=IRIS)
    assert result.code == 2
    assert "but did not write flowers.parquet in it." in result.err
    assert os.listdir("mine") == ["flowers.parquet"]


EXTRA = pa.table(
    {
        **{name: pa.array(FLOWERS[name]) for name in FLOWERS},
        # Each is missing in some batch of one row, or in the first, and present in another.
        "id": pa.array([7, None, 9], pa.int64()),
        "noticed": pa.array([None, date(2024, 2, 29), None], pa.date32()),
        "seen": pa.array([None, None, True], pa.bool_()),
        "price": pa.array([None, 1, None], pa.decimal128(10, 2)),
        "place": pa.array(["Gaspé", None, ""], pa.string()),
        "species": pa.array(["mine", None, "too"], pa.string()),
        "tags": pa.array([[1], None, []], pa.list_(pa.int32())),
        "at": pa.array([0, None, 1], pa.timestamp("ms", "Europe/Berlin")),
    }
)


def test_extra_columns_are_kept_with_their_types_however_large_the_batches(
    champion: Path, call: CallTask
) -> None:
    pq.write_table(EXTRA, "flowers.parquet")
    outputs = []
    for rows in ("1", "2", "1000"):
        argv = ("--input", "flowers.parquet", "--output", "out.parquet", "--batch-rows", rows)
        result = call(main, *argv, definition=IRIS)
        assert result.code == 0, result.err
        outputs.append(pq.read_table("out.parquet"))
    assert outputs[0].schema.equals(outputs[1].schema)
    assert outputs[0].equals(outputs[1])
    assert outputs[0].equals(outputs[2])
    kept = EXTRA.drop_columns(list(FLOWERS)).rename_columns({"species": "species_input"})
    assert outputs[0].select(kept.column_names).equals(kept)
    assert outputs[0].column_names == [*kept.column_names, *PREDICTED]


def test_the_output_is_the_same_however_many_batches_are_predicted_at_a_time(
    write: Write, call: CallTask
) -> None:
    write(pd.concat([FLOWERS] * 40, ignore_index=True), "flowers.parquet")
    outputs = []
    for jobs in ("1", "4"):
        argv = ("--input", "flowers.parquet", "--output", "out.parquet", "--batch-rows", "7")
        result = call(main, *argv, "--jobs", jobs, definition=IRIS)
        assert result.code == 0, result.err
        outputs.append(Path("out.parquet").read_bytes())
    assert outputs[0] == outputs[1]


def test_an_index_of_pandas_is_a_column_like_others(write: Write, call: CallTask) -> None:
    write(FLOWERS.set_index(pd.Index(["x", "y", "z"], name="flower")), "flowers.parquet")
    argv = ("--input", "flowers.parquet", "--output", "out.parquet", "--batch-rows", "2")
    result = call(main, *argv, definition=IRIS)
    assert result.code == 0, result.err
    assert list(read("out.parquet")["flower"]) == ["x", "y", "z"]
    write(FLOWERS.assign(petal_width_cm=[1, 2, -3.0]).set_index(pd.Index([8, 8, 8])), "bad.parquet")
    result = call(main, "--input", "bad.parquet", "--batch-rows", "2", definition=IRIS)
    assert "got e.g. -3.0 in 1 row: 3." in result.err


def test_a_csv_file_gives_the_same_however_large_the_batches(write: Write, call: CallTask) -> None:
    write(FLOWERS.assign(id=[1, np.nan, 3], note=["", "b", ""]), "flowers.csv")
    outputs = []
    for rows in ("1", "1000"):
        argv = ("--input", "flowers.csv", "--output", "out.csv", "--batch-rows", rows)
        assert call(main, *argv, definition=IRIS).code == 0
        outputs.append(Path("out.csv").read_bytes())
    assert outputs[0] == outputs[1]


def test_files_whose_further_columns_differ_are_refused(write: Write, call: CallTask) -> None:
    write(FLOWERS.assign(id=1), "flowers/a.parquet")
    write(FLOWERS, "flowers/b.parquet")
    result = call(main, "--input", "flowers", "--output", "out.parquet", definition=IRIS)
    assert result.code == 2
    assert result.err.count("\n") == 1
    assert "flowers/b.parquet: column 'id' is missing; flowers/a.parquet has it." in result.err
    assert not Path("out.parquet").exists()


def test_whole_numbers_and_single_precision_are_measurements_too(
    write: Write, call: CallTask
) -> None:
    write(FLOWERS.assign(sepal_length_cm=[5, 6, 7]).astype({"petal_width_cm": "float32"}), "f.pq")
    assert call(main, "--input", "f.pq", "--output", "o.parquet", definition=IRIS).code == 0
    assert list(read("o.parquet")["species"]) == SPECIES


@pytest.mark.usefixtures("repository")
def test_without_a_champion_dev_trains_one_and_says_so(call: CallTask) -> None:
    result = call(main, definition=IRIS)
    assert result.code == 0, result.err
    assert result.err.startswith("iris has no champion yet. Training one first.\n")
    assert cells(result.out)["model version"] == "iris 1"
    again = call(main, definition=IRIS)
    assert (again.code, again.err) == (0, "")


def test_prod_trains_nothing_and_says_what_to_do(
    repository: Path, call: CallTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(repository / ".mlflow")
    monkeypatch.setenv("DATASCIENCE_ENVIRONMENT", "prod")
    result = call(main, definition=IRIS)
    assert (result.code, result.out) == (1, "")
    assert result.err == (
        "This environment requires an MLflow server, but none is set. "
        "Set MLFLOW_TRACKING_URI, or choose --environment dev.\n"
    )
    assert not (repository / ".mlflow").exists()
    uri = f"sqlite:///{repository}/server.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    result = call(main, definition=IRIS)
    assert (result.code, result.out) == (1, "")
    assert result.err == (
        f"iris has no champion in {uri}. Train one: ./pants run src/models/iris:train\n"
    )
    assert sorted(os.listdir(repository)) == ["pants.toml", "server.db"]


def test_predictions_that_break_their_contract_blame_the_model(
    champion: Path, call: CallTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Sure:
        classes_ = SPECIES

        def predict_proba(self, flowers: pd.DataFrame) -> Any:
            return np.full((len(flowers), 3), 2.0)

    def broken(model: object, flowers: DataFrame[Any], /) -> DataFrame[Any]:
        return MODEL.predict(cast("Pipeline", Sure()), flowers)

    monkeypatch.setattr(IRIS + ".MODEL", replace(MODEL, predict=broken))
    result = call(main, "--allow-mismatch", definition=IRIS)
    assert (result.code, result.out) == (1, "")
    assert "column 'probability_setosa': expected at most 1" in result.err
    assert "The cause is the model, not the input." in result.err
    assert not list(champion.glob("predictions/*"))


def test_the_models_choice_by_name_is_the_models_own_task(champion: Path, call: CallTask) -> None:
    assert call(main, "--output", "own.parquet", definition=IRIS).code == 0
    assert call(main, "--model", "iris", "--output", "shared.parquet").code == 0
    assert_frame_equal(read("own.parquet"), read("shared.parquet"))


def test_an_unknown_model_lists_the_known_ones(repository: Path, call: CallTask) -> None:
    result = call(main, "--model", "tulips")
    assert (result.code, result.out) == (2, "")
    assert result.err.count("\n") == 1
    assert "'tulips' (choose from " in result.err
    assert "'iris'" in result.err


def test_failures_of_all_files_of_a_folder_are_one_message(write: Write, call: CallTask) -> None:
    write(FLOWERS, "flowers/a.parquet")
    assert call(main, "--input", "flowers", "--output", "species", definition=IRIS).code == 0
    before = file_sha256(Path("species/a.parquet"))
    write(FLOWERS.assign(petal_width_cm=[1, -2.0, 3]), "flowers/a.parquet")
    write(FLOWERS, "flowers/b.parquet")
    write(FLOWERS.assign(petal_width_cm=[-1, 2.0, -3]), "flowers/c.parquet")
    messages = []
    for output in ("species", "species.parquet"):
        result = call(main, "--input", "flowers", "--output", output, definition=IRIS)
        assert (result.code, result.out) == (2, "")
        messages.append(result.err)
    assert messages[0] == messages[1]
    assert re.findall(r"(\S+): column .* in (.*)\.", messages[0]) == [
        ("flowers/a.parquet", "1 row: 2"),
        ("flowers/c.parquet", "2 rows: 1, 3"),
    ]
    assert sorted(os.listdir("species")) == ["a.parquet", "a.parquet.manifest.json"]
    assert file_sha256(Path("species/a.parquet")) == before
    assert sorted(os.listdir()) == [".mlflow", "flowers", "pants.toml", "species"]


KEPT = {
    "postcode": ["01234", "5", ""],
    "phone": ["+31612345678", "0031612345678", ""],
    "order": ["98765432109876543210", "98765432109876543211", "1"],
    "meter": ["12E4", "1.10", "0x1F"],
    "agent": ["007", "NA", "1e400"],
}


@pytest.mark.parametrize("output", ["o.csv", "-"])
def test_columns_that_the_model_does_not_know_come_out_as_they_are(
    champion: Path, call: CallTask, output: str
) -> None:
    pd.concat([FLOWERS, pd.DataFrame(KEPT)], axis=1).to_csv("f.csv", index=False)
    result = call(main, "--input", "f.csv", "--output", output, definition=IRIS)
    text = result.out if output == "-" else Path(output).read_text()
    found = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
    assert {name: list(found[name]) for name in KEPT} == KEPT
    call(main, "--input", "f.csv", "--output", "o.parquet", definition=IRIS)
    typed = pq.read_table("o.parquet")
    assert {name: [value or "" for value in typed[name].to_pylist()] for name in KEPT} == KEPT


def test_a_column_of_the_input_is_never_overwritten(write: Write, call: CallTask) -> None:
    clash = FLOWERS.assign(species=["a", "b", "c"], species_input=["d", "e", "f"])
    call(main, "--input", write(clash, "f.parquet"), "--output", "o.parquet", definition=IRIS)
    found = read("o.parquet")
    assert list(found["species"]) == SPECIES
    assert list(found["species_input_2"]) == ["a", "b", "c"]
    assert list(found["species_input"]) == ["d", "e", "f"]


@pytest.mark.parametrize(
    ("given", "output"),
    [
        ("f.csv", "f.csv"),
        ("link.csv", "f.csv"),
        ("f.csv", "link.csv"),
        ("in", "in"),
        ("in/year=2025/f.csv", "in"),
    ],
)
def test_an_output_that_is_its_input_is_refused(
    champion: Path, call: CallTask, given: str, output: str
) -> None:
    Path("in/year=2025").mkdir(parents=True)
    FLOWERS.to_csv("f.csv", index=False)
    FLOWERS.to_csv("in/year=2025/f.csv", index=False)
    Path("link.csv").symlink_to("f.csv")
    before = Path("f.csv").read_bytes()
    result = call(main, "--input", given, "--output", output, definition=IRIS)
    assert result.code == 2
    assert result.err.startswith(f"{output}: ")
    assert "would " in result.err
    assert Path("f.csv").read_bytes() == before
    assert Path("in/year=2025/f.csv").exists()


def test_a_folder_is_read_whole(champion: Path, call: CallTask) -> None:
    for year in (2024, 2025):
        Path(f"in/year={year}").mkdir(parents=True)
        FLOWERS.to_csv(f"in/year={year}/a.csv", index=False)
    FLOWERS.to_csv("in/year=2025/b.csv.gz", index=False)
    FLOWERS[:0].to_csv("in/year=2025/c.csv", index=False)
    Path("in/_SUCCESS").touch()
    call(main, "--input", "in", "--output", "o.parquet", definition=IRIS)
    found = read("o.parquet")
    assert list(found["year"]) == [2024] * 3 + [2025] * 6
    assert list(found["species"]) == SPECIES * 3
    call(main, "--input", "in", "--output", "parts", definition=IRIS)
    assert sum(len(read(path)) for path in Path("parts").glob("*.parquet")) == 9
    Path("in/sub").mkdir()
    refused = call(main, "--input", "in", "--output", "o.csv", definition=IRIS)
    assert refused.code == 2
    assert "in/sub: is a folder inside a folder." in refused.err


def test_a_folder_of_empty_files_is_refused(champion: Path, call: CallTask) -> None:
    Path("in").mkdir()
    for name in ("a", "b"):
        FLOWERS[:0].to_csv(f"in/{name}.csv", index=False)
    for output in ("o.parquet", "parts"):
        result = call(main, "--input", "in", "--output", output, definition=IRIS)
        assert (result.code, result.err) == (2, "in: no file of the folder has rows.\n")
        assert not Path(output).exists()


def test_a_file_whose_name_is_not_in_utf8_is_read_and_written(
    champion: Path, call: CallTask
) -> None:
    given, output = os.fsdecode(b"b\xff.csv"), os.fsdecode(b"o\xfe.csv")
    FLOWERS.to_csv("f.csv", index=False)
    Path("f.csv").rename(given)
    result = call(main, "--input", given, "--output", output, definition=IRIS)
    assert result.code == 0
    assert "o\\udcfe.csv" in result.out
    assert list(pd.read_csv(io.BytesIO(Path(output).read_bytes()))["species"]) == SPECIES
