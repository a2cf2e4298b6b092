"""The same table in every kind of place: each task reads the same rows from it."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from data_exports import export
from integration.servers import S3, USER, PostgreSQL
from models.evaluate import main as evaluate
from models.predict import main as predict
from support.iris import IRIS
from support.tasks import CallTask
from validation.drift import main as drift
from validation.gate_model import main as gate_model
from validation.validate_data import main as validate_data

PASSWORD = "planted-Passw0rd"  # pragma: allowlist secret
SECRET = "planted-Secr3t-key"  # pragma: allowlist secret
SPECIES = ["setosa", "versicolor", "virginica"]
FLOWERS = pd.DataFrame(
    {
        "sepal_length_cm": [5.1, 5.9, 6.5],
        "sepal_width_cm": [3.5, 2.8, 3.0],
        "petal_length_cm": [1.4, 4.4, 5.8],
        "petal_width_cm": [0.2, 1.3, 2.2],
        "species": SPECIES,
        "id": [1, 2, 3],
    }
)
PLACES = [
    "csv",
    "parquet",
    "folder",
    "s3",
    "s3 csv",
    "s3 prefix",
    "duckdb",
    "postgresql",
    "delta",
    "name",
]

type Put = Callable[[str], str]


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with S3("flowers") as server:
        yield server


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgreSQL]:
    with PostgreSQL(PASSWORD) as server:
        yield server


@pytest.fixture
def put(champion: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Put:
    """Put the flowers into a place of that kind, and give the place's name."""

    def put(kind: str) -> str:
        if kind.startswith("s3"):
            use_s3(request.getfixturevalue("s3"), monkeypatch)
        match kind:
            case "csv" | "parquet":
                return write(f"f.{kind}")
            case "folder":
                Path("in").mkdir()
                FLOWERS[:2].to_csv("in/a.csv", index=False)
                FLOWERS[2:].to_parquet("in/b.parquet")
                return "in"
            case "s3":
                return s3_object("f.parquet")
            case "s3 csv":
                return s3_object("f.csv.gz")
            case "s3 prefix":
                s3_object("parts/a.parquet", FLOWERS[:2])
                s3_object("parts/b.csv", FLOWERS[2:])
                s3_object("parts/_SUCCESS.csv", FLOWERS)
                return "s3://flowers/parts"
            case "duckdb":
                with duckdb.connect("all.duckdb") as opened:
                    opened.execute("create schema garden")
                    opened.execute("create table garden.flowers as select * from FLOWERS")
                return "duckdb:///all.duckdb#garden.flowers"
            case "delta":
                write_deltalake("f.delta", pa.Table.from_pandas(FLOWERS))
                return "f.delta"
            case "postgresql":
                server = request.getfixturevalue("postgresql")
                monkeypatch.setenv("DATASCIENCE_STORES_DATABASE_USER", USER)
                monkeypatch.setenv("DATASCIENCE_STORES_DATABASE_PASSWORD", PASSWORD)
                place = f"{server.url}#garden.flowers"
                pq.write_table(pa.Table.from_pandas(FLOWERS), "for-database.parquet")
                request.getfixturevalue("call")(
                    export.main, "--src", "for-database.parquet", "--dst", place
                )
                return place
            case "name":
                write("f.parquet")
                monkeypatch.setenv("DATASCIENCE_STORES_TABLES", json.dumps({"garden": "f.parquet"}))
                return "garden"
        raise AssertionError(kind)

    return put


def use_s3(server: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATASCIENCE_STORES_S3_ENDPOINT_URL", server.endpoint)
    monkeypatch.setenv("DATASCIENCE_STORES_S3_KEY", "key")
    monkeypatch.setenv("DATASCIENCE_STORES_S3_SECRET", SECRET)


def write(name: str, frame: pd.DataFrame = FLOWERS) -> str:
    if ".csv" in name:
        frame.to_csv(name, index=False)
    else:
        frame.to_parquet(name)
    return name


def s3_object(key: str, frame: pd.DataFrame = FLOWERS) -> str:
    """Put by a client of its own: what Arrow reads, Arrow has not written."""
    import s3fs

    store = s3fs.S3FileSystem(
        key="key", secret=SECRET, endpoint_url=os.environ["DATASCIENCE_STORES_S3_ENDPOINT_URL"]
    )
    local = write(Path(key).name, frame)
    store.put_file(local, f"flowers/{key}")
    Path(local).unlink()
    return f"s3://flowers/{key}"


@pytest.mark.parametrize("kind", PLACES)
def test_each_task_reads_the_same_rows_from_every_place(
    kind: str, put: Put, call: CallTask
) -> None:
    place = put(kind)
    result = call(predict, "--input", place, "--output", "-", definition=IRIS)
    assert result.code == 0, result.err
    found = pd.read_csv(io.StringIO(result.out)).sort_values("id", ignore_index=True)
    assert list(found["species"]) == SPECIES
    assert list(found["species_input"]) == SPECIES
    result = call(evaluate, "--input", place, "--no-enforce", definition=IRIS)
    assert "on 3 rows" in result.out, result.err
    assert call(validate_data, "--contract", "labelled_flowers", "--input", place).code in (0, 1)
    assert json.loads(Path("validated/labelled_flowers/report.json").read_text())["rows"] == 3
    Path("truth.csv").write_text(FLOWERS.to_csv(index=False))
    result = call(
        gate_model, "--challenger", place, "--truth", "truth.csv", "--target", "species",
        "--key", "id", "--metric", "accuracy", "--at-least", "1",
    )  # fmt: skip
    assert result.code == 0, result.err
    result = call(drift, "--reference", place, "--current", "truth.csv", "--fail-on-drift")
    assert result.code == 0, result.err
    assert call(export.main, "--src", place, "--dst", "out.parquet").code == 0
    exported = pq.read_table("out.parquet").sort_by("id")
    assert exported["petal_width_cm"].to_pylist() == list(FLOWERS["petal_width_cm"])


def test_what_is_not_in_s3_is_one_message(
    s3: S3, call: CallTask, champion: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_s3(s3, monkeypatch)
    monkeypatch.setenv("DATASCIENCE_STORES_RETRIES", "0")
    for place, said in {
        "s3://flowers/no.parquet": "s3://flowers/no.parquet",
        "s3://nowhere/no.parquet": "s3://nowhere/no.parquet",
        "s3://flowers/prefix": "flowers/prefix: the folder holds no file that ends in",
    }.items():
        result = call(predict, "--input", place, "--output", "o.csv", definition=IRIS)
        assert (result.code, result.err.count("\n")) == (2, 1), result.err
        assert said in result.err
        assert SECRET not in result.err
    s3_object("cut.parquet")
    monkeypatch.setenv("DATASCIENCE_STORES_S3_ENDPOINT_URL", "http://127.0.0.1:9")
    result = call(
        predict, "--input", "s3://flowers/f.parquet", "--output", "o.csv", definition=IRIS
    )
    assert (result.code, result.err.count("\n")) == (1, 1)
    assert "Is the store up" in result.err
    assert not Path("o.csv").exists()


@pytest.mark.usefixtures("champion")
def test_a_word_that_is_no_file_and_no_table_says_both(call: CallTask) -> None:
    result = call(predict, "--input", "flowres", "--output", "o.csv", definition=IRIS)
    assert result.code == 2
    assert result.err.startswith("flowres: there is no such file or folder, and no table data/flowres.parquet.")
